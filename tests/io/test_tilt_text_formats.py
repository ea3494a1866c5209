"""Lists of angles, alignments and .mdoc files: what is read from them, and what is refused in one sentence."""

import numpy as np
import pytest

from mendem.errors import MendemError
from mendem.io import tilt_angles, tilt_aretomo, tilt_imod, tilt_mdoc

# From SerialEM, a Krios (mdocfile's example), here with three tilts of a dose-symmetric series.
SERIALEM = """PixelSpacing = 5.4
Voltage = 300
ImageFile = TS_01.mrc
ImageSize = 924 958
DataMode = 1

[T = SerialEM: Digitized on EMBL Krios                            30-Nov-15  15:14:20    ]

[T =     Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 2]

[ZValue = 0]
TiltAngle = 0.000999877
StagePosition = 20.7936 155.287
ExposureDose = 2.4
PixelSpacing = 5.4
RotationAngle = 175.3
MinMaxMean = 5 1403 623.699
SubFramePath = D:\\DATA\\Flo\\HGK149_20151130\\frames\\TS_01_000_0.0.mrc
NumSubFrames = 8
DateTime = 30-Nov-15  15:21:38

[ZValue = 2]
TiltAngle = -3.001
ExposureDose = 2.5
RotationAngle = 175.3
DateTime = 30-Nov-15  15:25:02

[ZValue = 1]
TiltAngle = 3.002
ExposureDose = 2.6
RotationAngle = 175.3
DateTime = 30-Nov-15  15:23:11
"""

ALN = """# AreTomo Alignment / Priims bprmMn
# RawSize = 4096 4000 5
# NumPatches = 0
# DarkFrame =     0    {dark}   -63.20
# AlphaOffset =    -7.00
# BetaOffset =     0.00
# Thickness = 2050
# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT
{rows}"""
ALN_ROWS = [
    "-95.4040    1.00000     18.660     84.977     1.00     1.00     1.00     0.00    -61.20",
    "-95.4040    1.00000      5.624     80.787     1.00     1.00     1.00     0.00    -59.20",
    "-95.4040    1.00000      0.000      0.000     1.00     1.00     1.00     0.00      0.79",
    "-95.4040    1.00000      0.763     42.866     1.00     1.00     1.00     0.00      2.80",
]


def aln(sections, dark):
    rows = "\n".join(f"{section:5d}   {row}" for section, row in zip(sections, ALN_ROWS, strict=True))
    return ALN.format(dark=dark, rows=rows)


@pytest.mark.parametrize(
    "text",
    [
        "-60.00\n-57.5\n  0\n3.0e1\n",
        "-60\r\n-57.5\r\n0\r\n30\r\n\r\n",
        "# angles of ts_03\n-60 # first\n-57.5\n\n0.\n+30\n",
        "\ufeff-6.0D+01\n-57.50\n.0\n30",
        "-60, -57.5, 0, 30",
        "\N{MINUS SIGN}60\n\N{MINUS SIGN}57.5\n0\n30\n",
    ],
)
def test_angles_are_read_as_programs_and_people_write_them(tmp_path, text):
    path = tmp_path / "ts.tlt"
    path.write_bytes(text.encode("utf-8"))
    assert tilt_angles.read(path) == ((-60, -57.5, 0, 30), None, None)


def test_angles_from_windows_editors_in_utf16_are_read(tmp_path):
    path = tmp_path / "ts.rawtlt"
    path.write_text("-60\n0\n60\n", encoding="utf-16")
    assert tilt_angles.read(path).angles == (-60, 0, 60)


def test_aretomo_angle_files_have_order_and_dose_too(tmp_path):
    path = tmp_path / "ts_TLT.txt"
    path.write_text("  -3.00   2   3.1000\n   0.00   1   3.0000\n   3.00   3   3.2000\n")
    assert tilt_angles.read(path) == ((-3, 0, 3), (1, 0, 2), (3.1, 3.0, 3.2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \r\n", "is empty"),
        (b"# nothing\n", "has no numbers"),
        (b"-60\nminus 57\n", "line 2 of .* has 'minus' where an angle is expected"),
        (b"1_0\n20\n", "line 1 of .* has '1_0'"),
        (b"-60 1 2\n-57 2 2 4\n", "3 or 4 numbers on a line"),
        (b"-60,5\n-57,5\n-54,5\n", "one angle a line .with a decimal point"),
        (b"MZ\x90\x00\x03\x00\x00\x00", "is not a text file"),
        (bytes(range(128, 256)) * 8, "is expected|is not a text file"),
    ],
)
def test_what_is_no_list_of_angles_is_refused(tmp_path, content, message):
    path = tmp_path / "ts.tlt"
    path.write_bytes(content)
    with pytest.raises(MendemError, match=message):
        tilt_angles.read(path)


def test_a_list_that_is_missing_a_folder_or_huge_is_refused(tmp_path):
    with pytest.raises(MendemError, match="does not exist"):
        tilt_angles.read(tmp_path / "none.tlt")
    with pytest.raises(MendemError, match="is a folder"):
        tilt_angles.read(tmp_path)
    huge = tmp_path / "huge.tlt"
    with open(huge, "wb") as file:
        file.truncate(20 << 20)
    with pytest.raises(MendemError, match="larger than 16 MiB"):
        tilt_angles.read(huge)


def test_written_angles_come_back_and_are_not_overwritten_unasked(tmp_path):
    path = tmp_path / "a.tlt"
    tilt_angles.write(path, (-60.0, -0.0001, 3.25))
    assert path.read_text() == "-60.0000\n -0.0001\n  3.2500\n"
    assert tilt_angles.read(path).angles == (-60.0, -0.0001, 3.25)
    with pytest.raises(MendemError, match="exists"):
        tilt_angles.write(path, (0.0,))
    tilt_angles.write(path, (-60.0, -0.0, 3.0), overwrite=True)
    assert path.read_text() == "  -60.00\n    0.00\n    3.00\n"


def test_an_xf_has_its_columns_in_imods_order(tmp_path):
    path = tmp_path / "ts.xf"
    # Turned by 12.5 degrees and moved; a line of IMOD's with seven and three decimals.
    path.write_text("   0.9762960  -0.2164396   0.2164396   0.9762960      12.345      -6.789\n")
    (transform,) = tilt_imod.read_xf(path)
    x, y = 100.0, -40.0
    moved = transform[:, :2] @ np.array([y, x]) + transform[:, 2]
    assert moved[1] == pytest.approx(0.9762960 * x - 0.2164396 * y + 12.345)
    assert moved[0] == pytest.approx(0.2164396 * x + 0.9762960 * y - 6.789)
    tilt_imod.write_xf(tmp_path / "again.xf", transform[None])
    assert (tmp_path / "again.xf").read_text() == path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0 1 0\n", "5 numbers for tilt 1, and an .xf file has six"),
        ("1 0 0 1 0 0\n1 0 0 nan 0 0\n", "transformation for tilt 2 that cannot be"),
        ("0 0 0 0 0 0\n", "transformation for tilt 1 that cannot be"),
        ("1 0 0 1 a 0\n", "has 'a' where a number of a transformation is expected"),
    ],
)
def test_what_is_no_xf_is_refused(tmp_path, text, message):
    path = tmp_path / "ts.xf"
    path.write_text(text)
    with pytest.raises(MendemError, match=message):
        tilt_imod.read_xf(path)


def test_an_xtilt_has_one_number_a_line(tmp_path):
    path = tmp_path / "ts.xtilt"
    path.write_text("   0.00\n   0.15\n")
    assert tilt_imod.read_xtilt(path) == (0, 0.15)
    path.write_text("0 1\n")
    with pytest.raises(MendemError, match="one number on each line"):
        tilt_imod.read_xtilt(path)


@pytest.mark.parametrize("first", [0, 1])
def test_an_aln_counts_sections_from_0_or_from_1_and_dark_ones_are_told(tmp_path, first):
    path = tmp_path / "ts.aln"
    # The stack is not sorted: the dark tilt is its fourth section.
    path.write_text(aln([first, first + 2, first + 1, first + 4], first + 3))
    found = tilt_aretomo.read(path)
    assert found.raw_size == (5, 4000, 4096)
    assert found.angles == (-61.2, 0.79, -59.2, -63.2, 2.8)
    assert found.dark == (3,)
    assert found.axis_angles[[0, 3]].tolist() == [-95.404, 0]
    assert found.shifts[0].tolist() == [84.977, 18.66]
    assert found.shifts[3].tolist() == [0, 0]
    assert found.notes == ("The angles include AreTomo's offset of -7°.",)


def test_an_aln_that_counts_its_rows_without_the_dark_tilts_is_told(tmp_path):
    path = tmp_path / "ts.aln"
    # As in a file with RawSize 51, DarkFrame 0 to 13 at nominal angles, and SEC 0 to 36 with the offset in TILT.
    lines = ["# RawSize = 100 100 8", *(f"# DarkFrame =  {i:4d} {i:4d} {-68 + 2 * i:8.2f}" for i in (0, 1, 4))]
    lines += ["# AlphaOffset =    12.30"]
    for sec, tilt in enumerate((-51.7, -49.7, -45.7, -43.7, -41.7)):
        lines.append(f"{sec:5d} 84.4445 1.00000 {sec + 0.5:9.3f} 0.0 1.0 1.0 1.0 0.0 {tilt:8.2f}")
    path.write_text("\n".join(lines))
    found = tilt_aretomo.read(path)
    assert found.dark == (0, 1, 4)
    assert found.angles == pytest.approx((-55.7, -53.7, -51.7, -49.7, -47.7, -45.7, -43.7, -41.7))
    assert found.shifts[:, 1].tolist() == [0, 0, 0.5, 1.5, 0, 2.5, 3.5, 4.5]


def test_the_local_part_of_an_aln_is_named_and_not_used(tmp_path):
    path = tmp_path / "ts.aln"
    text = aln([0, 2, 1, 4], 3).replace("NumPatches = 0", "NumPatches = 16")
    path.write_text(text + "\n# Local Alignment\n   0   0   -900.32    10.11   0.5  0.2  1.0\n")
    assert "local alignment of 16 patches is not used" in tilt_aretomo.read(path).notes[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("RawSize", "Size"), "no line '# RawSize"),
        (lambda text: text.replace("4000 5", "4000 nan"), "line 2 .* not finite"),
        (
            lambda text: text.replace("4000 5", "4000 6"),
            "states 6 tilts and has 4 of them, numbered 0 to 4, and 1 dark",
        ),
        (lambda text: text.replace("4000 5", "4000 100000000"), "states 100000000 tilts and has 4 of them"),
        (lambda text: text.replace("\n    2  ", "\n    0  "), "names a section twice"),
        (lambda text: text[: text.index("    0   -95")], "has no aligned tilts"),
        (lambda text: text[:-60], "line 12 .* is not a row of an AreTomo alignment"),
        (lambda text: text.replace("84.977", "nan"), "line 9 .* is not a row"),
        (lambda text: text.replace("84.977", "8x"), "line 9 .* has '8x'"),
    ],
)
def test_what_is_no_aln_is_refused(tmp_path, change, message):
    path = tmp_path / "ts.aln"
    path.write_text(change(aln([0, 2, 1, 4], 3)))
    with pytest.raises(MendemError, match=message):
        tilt_aretomo.read(path)


def test_an_mdoc_tells_angles_order_dose_axis_and_pixel_size_in_the_order_of_its_z_values(tmp_path):
    path = tmp_path / "ts.mrc.mdoc"
    path.write_bytes(SERIALEM.replace("\n", "\r\n").encode())
    found = tilt_mdoc.read(path)
    assert found.sections == 3
    assert found.angles == (0.000999877, 3.002, -3.001)
    assert found.order == (0, 1, 2)
    assert found.dose == (2.4, 2.6, 2.5)
    assert found.axis_angle == 85.3
    assert found.pixel == 5.4


def test_the_order_comes_from_the_dose_before_where_there_is_no_date(tmp_path):
    path = tmp_path / "ts.mdoc"
    path.write_text(
        "".join(f"[ZValue = {z}]\nTiltAngle = {z}\nPriorRecordDose = {d}\n" for z, d in enumerate([6, 0, 3]))
    )
    assert tilt_mdoc.read(path).order == (2, 0, 1)


def test_what_an_mdoc_does_not_say_for_all_tilts_is_unknown(tmp_path):
    path = tmp_path / "ts.mdoc"
    path.write_text("[ZValue = 0]\nTiltAngle = 0\nExposureDose = 0\n[ZValue = 1]\nDateTime = today\nExposureDose = 2\n")
    assert tilt_mdoc.read(path) == (2, None, None, None, None, None)


@pytest.mark.parametrize(
    ("title", "rotation", "axis"),
    [
        ("Tilt axis angle = -88.7, binning = 1  spot = 6", None, -88.7),
        ("", 175.3, 85.3),  # SerialEM's RotationAngle is from the x axis
        ("", -100.0, 170.0),
        # Three ways of Tomography 5, told as IMOD's header does.
        ("TiltAxisAngle = -176.20  Binning = 1  SpotSize = 6", 86.2, 86.2),
        ("TiltAxisAngle = -3.80  Binning = 1", 86.2, -3.8),
        ("TiltAxisAngle = 3.80  Binning = 1", 86.2, -3.8),
        ("TiltAxisAngle = 50  Binning = 1", 86.2, None),
        ("TiltAxisAngle = 50  Binning = 1", None, None),
        ("nothing of it", None, None),
    ],
)
def test_the_tilt_axis_angle_is_that_of_imod(title, rotation, axis):
    assert tilt_mdoc.axis_angle(title, rotation) == (None if axis is None else pytest.approx(axis))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("PixelSpacing = 5\n[FrameSet = 0]\nTiltAngle = 3\n", "no .ZValue = …. sections"),
        ("[ZValue = 0]\nTiltAngle = 1\n[ZValue = 0]\nTiltAngle = 2\n", "two sections .ZValue = 0."),
        ("[ZValue = one]\nTiltAngle = 1\n", "line 1 .* has the Z value 'one'"),
        ("[ZValue = 0]\nTiltAngle = three\n", "line 2 .* has 'three' where a number for TiltAngle"),
    ],
)
def test_what_is_no_mdoc_of_a_tilt_series_is_refused(tmp_path, text, message):
    path = tmp_path / "ts.mdoc"
    path.write_text(text)
    with pytest.raises(MendemError, match=message):
        tilt_mdoc.read(path)


@pytest.mark.parametrize(
    "reader", [tilt_angles.read, tilt_imod.read_xf, tilt_imod.read_xtilt, tilt_aretomo.read, tilt_mdoc.read]
)
def test_damaged_files_are_read_or_refused_in_one_sentence_and_never_crash(tmp_path, reader):
    rng = np.random.default_rng(7)
    sources = [
        SERIALEM.encode(),
        aln([0, 2, 1, 4], 3).encode(),
        b"-60.0\n-57.0\n0.0\n",
        b"1 0 0 1 0 0\n" * 3,
    ]
    path = tmp_path / "damaged"
    for round_ in range(200):
        raw = bytearray(sources[round_ % len(sources)])
        if round_ % 3 == 0:
            raw = raw[: rng.integers(1, len(raw))]
        for at in rng.integers(0, len(raw), rng.integers(0, 6)):
            raw[at] = rng.integers(0, 256) if round_ % 2 else rng.choice(list(b"0123456789.-+eEdDnaif \n#[]=,"))
        path.write_bytes(raw)
        try:
            reader(path)
        except MendemError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
