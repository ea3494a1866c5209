"""Opening a tilt series with what lies beside it, and writing what other programs read."""

import mrcfile
import numpy as np
import pytest
import tifffile
from mrcfile.dtypes import get_ext_header_dtype

from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.tomography.tilt_files import read_tilt_series, write_alignment, write_angles

ANGLES = (-60.0, -30.0, 0.0, 30.0, 60.0)
SHAPE = (5, 8, 12)


def stack(path, shape=SHAPE, voxel=2.0, label=None):
    with mrcfile.new(path, np.arange(np.prod(shape), dtype=np.float32).reshape(shape)) as mrc:
        mrc.set_image_stack()
        mrc.voxel_size = voxel
        if label:
            mrc.add_label(label)
    return path


def listed(path, angles=ANGLES):
    path.write_text("".join(f"{angle}\n" for angle in angles))
    return path


def mdoc(path, angles, title="", doses=True, dated=True):
    text = f"PixelSpacing = 3.3\n\n[T = {title}]\n\n"
    for z, angle in enumerate(angles):
        text += f"[ZValue = {z}]\nTiltAngle = {angle}\n"
        text += f"ExposureDose = {3 + z / 10}\n" if doses else ""
        text += f"DateTime = 30-Nov-15  15:{20 + z}:00\n\n" if dated else ""
    path.write_text(text)
    return path


def aretomo(path, angles=ANGLES, size=(12, 8), dark=(), rot=85.3, shift=(3.0, -1.5)):
    lines = [f"# RawSize = {size[0]} {size[1]} {len(angles)}", "# NumPatches = 0"]
    lines += [f"# DarkFrame =  {tilt:4d} {tilt:4d} {angles[tilt]:8.2f}" for tilt in dark]
    lines += [
        f"{tilt:5d} {rot:9.4f} 1.00000 {shift[0]:9.3f} {shift[1]:9.3f} 1.0 1.0 1.0 0.0 {angle:8.2f}"
        for tilt, angle in enumerate(angles)
        if tilt not in dark
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_stack_with_a_list_of_angles_opens_as_tilts(tmp_path):
    listed(tmp_path / "ts_03.rawtlt")
    tilts = read_tilt_series(stack(tmp_path / "ts_03.mrc"))
    assert tilts.angles == ANGLES
    assert tilts.image.axes == ("tilt", "y", "x")
    assert tilts.image.voxel_size == VoxelSize((None, 2.0, 2.0), "angstrom")
    assert tilts.image.data[1, 0, 0] == 96
    assert tilts.axis_angle == 0 and not tilts.aligned
    assert tilts.notes == (
        "Angles from ts_03.rawtlt.",
        "No tilt axis angle was found; the tilt axis was taken to be y.",
    )


def test_a_volume_by_its_header_is_read_as_tilts_without_saying_otherwise(tmp_path):
    with mrcfile.new(tmp_path / "ts.mrc", np.zeros(SHAPE, np.int16)) as mrc:
        mrc.set_volume()
        mrc.header.ispg = 0
    tilts = read_tilt_series(tmp_path / "ts.mrc", tilts=ANGLES)
    assert tilts.image.axes == ("tilt", "y", "x")
    assert not [note for note in tilts.image.metadata["notes"] if "volume" in note]


def test_a_tiff_takes_its_angles_from_a_text_file(tmp_path):
    tifffile.imwrite(tmp_path / "needle.tif", np.zeros(SHAPE, np.uint8))
    listed(tmp_path / "needle.txt", (-90, -45, 0, 45, 90))
    tilts = read_tilt_series(tmp_path / "needle.tif", voxel_size=VoxelSize((0.5,), "nm"), axis_angle=-3.0, offset=2.0)
    assert tilts.limits == (-88, 92)
    assert tilts.image.voxel_size == VoxelSize((None, 0.5, 0.5), "nm")
    assert tilts.axis_angle == -3
    assert "Some angles are beyond ±90°." in tilts.notes


def test_a_text_file_that_holds_no_angles_is_left_aside(tmp_path):
    (tmp_path / "ts.txt").write_text("Recorded on a rainy day.\n")
    path = stack(tmp_path / "ts.mrc")
    with pytest.raises(MendemError, match="no tilt angles are known for .*ts.mrc: put a .tlt"):
        read_tilt_series(path)
    mdoc(tmp_path / "ts.mrc.mdoc", ANGLES)
    assert any("ts.txt is not a list of angles" in note for note in read_tilt_series(path).notes)


@pytest.mark.parametrize(
    ("kinds", "used"),
    [
        (("given", "aln", "tlt", "rawtlt", "mdoc", "header"), "given"),
        (("aln", "tlt", "rawtlt", "mdoc", "header"), "aln"),
        (("tlt", "rawtlt", "mdoc", "header"), "tlt"),
        (("rawtlt", "mdoc", "header"), "rawtlt"),
        (("mdoc", "header"), "mdoc"),
        (("header",), "header"),
    ],
)
def test_angles_come_from_the_surest_source(tmp_path, kinds, used):
    shift = {"given": 0.1, "aln": 0.2, "tlt": 0.3, "rawtlt": 0.4, "mdoc": 0.5, "header": 0.6}
    path = stack(tmp_path / "ts.mrc")
    angles = {kind: tuple(round(a + shift[kind], 2) for a in ANGLES) for kind in kinds}
    for kind in ("tlt", "rawtlt"):
        if kind in kinds:
            listed(tmp_path / f"ts.{kind}", angles[kind])
    if "aln" in kinds:
        aretomo(tmp_path / "ts.aln", angles["aln"])
    if "mdoc" in kinds:
        mdoc(tmp_path / "ts.mrc.mdoc", angles["mdoc"])
    table = np.zeros(5, get_ext_header_dtype(b"FEI1", "<"))
    table["Metadata size"], table["Bitmask 1"], table["Alpha tilt"] = table.dtype.itemsize, 1 << 7, angles["header"]
    with mrcfile.open(path, "r+") as mrc:
        mrc.set_extended_header(table)
        mrc.header.exttyp = b"FEI1"
    tilts = read_tilt_series(path, tilts=angles.get("given"))
    assert tilts.angles == angles[used]


def test_an_mdoc_of_frames_in_the_order_of_acquisition_fits_a_sorted_stack(tmp_path):
    listed(tmp_path / "ts.rawtlt")
    mdoc(tmp_path / "ts.mdoc", (0.01, 30.02, -29.98, -60.01, 59.99), "Tilt axis angle = 85.3, binning = 1")
    tilts = read_tilt_series(stack(tmp_path / "ts.mrc"))
    assert tilts.angles == ANGLES
    assert tilts.order == (3, 2, 0, 1, 4)
    assert tilts.dose == pytest.approx((3.3, 3.2, 3.0, 3.1, 3.4))
    assert tilts.axis_angle == 85.3
    assert "Tilt axis angle of 85.3° from ts.mdoc." in tilts.notes


def test_an_mdoc_that_fits_a_refined_list_but_for_an_offset_is_used(tmp_path):
    listed(tmp_path / "ts.tlt", [a - 9.5 for a in ANGLES])
    mdoc(tmp_path / "ts.mrc.mdoc", ANGLES)
    assert read_tilt_series(stack(tmp_path / "ts.mrc")).order == (0, 1, 2, 3, 4)


def test_an_mdoc_of_another_series_gives_neither_dose_nor_order(tmp_path):
    listed(tmp_path / "ts.tlt")
    mdoc(tmp_path / "ts.mrc.mdoc", (-60, -55, -50, 0, 60))
    tilts = read_tilt_series(stack(tmp_path / "ts.mrc"))
    assert tilts.dose is None and tilts.order is None
    assert any("its angles are not those of the stack" in note for note in tilts.notes)


def test_the_pixel_size_of_an_mdoc_serves_where_the_stack_has_none(tmp_path):
    mdoc(tmp_path / "ts.mdoc", ANGLES)
    assert read_tilt_series(stack(tmp_path / "ts.mrc", voxel=0)).image.voxel_size.values == (None, 3.3, 3.3)
    # 1 Å is what programs write where they know none.
    assert read_tilt_series(stack(tmp_path / "ts.mrcs", voxel=1)).image.voxel_size.values == (None, 3.3, 3.3)
    assert read_tilt_series(stack(tmp_path / "ts.st", voxel=2)).image.voxel_size.values == (None, 2, 2)


def test_an_alignment_of_aretomo_is_what_aretomo_exports_to_imod(tmp_path):
    aretomo(tmp_path / "ts.aln", dark=(4,))
    tilts = read_tilt_series(stack(tmp_path / "ts.mrc"), exclude=(0,))
    assert tilts.axis_angle == pytest.approx(85.3)
    assert tilts.shifts[0] == pytest.approx((-1.5, 3.0))
    assert tilts.distortions is None
    assert tilts.excluded == (0, 4)
    # CSaveXF of AreTomo2: a = rotation by -ROT, moved by a (-shift).
    a = np.radians(-85.3)
    x, y = np.cos(a) * -3.0 - np.sin(a) * 1.5, np.sin(a) * -3.0 + np.cos(a) * 1.5
    write_alignment(tmp_path / "out", tilts)
    row = np.loadtxt(tmp_path / "out.xf")[0]
    assert row == pytest.approx([np.cos(a), -np.sin(a), np.sin(a), np.cos(a), x, y], abs=1e-3)


def test_shifts_of_aretomo_are_scaled_to_a_binned_stack(tmp_path):
    aretomo(tmp_path / "ts.aln", size=(48, 32))
    tilts = read_tilt_series(stack(tmp_path / "ts.mrc"))
    assert tilts.shifts[0] == pytest.approx((-1.5 / 4, 3.0 / 4))
    assert any("multiplied by 0.25" in note for note in tilts.notes)
    aretomo(tmp_path / "ts.aln", size=(48, 48))
    with pytest.raises(MendemError, match="made for tilts of 48 x 48 pixels and .* has 12 x 8"):
        read_tilt_series(tmp_path / "ts.mrc")


def test_an_alignment_of_imod_takes_its_angles_and_tilts_about_x_from_beside_it(tmp_path):
    (tmp_path / "imod").mkdir()
    listed(tmp_path / "imod" / "a.tlt", [a + 1.25 for a in ANGLES])
    (tmp_path / "imod" / "a.xf").write_text("0.9762960 -0.2164396 0.2164396 0.9762960 1.0 2.0\n" * 5)
    (tmp_path / "imod" / "a.xtilt").write_text("0.5\n" * 5)
    listed(tmp_path / "ts.rawtlt")
    tilts = read_tilt_series(stack(tmp_path / "ts.st"), alignment=tmp_path / "imod" / "a.xf")
    assert tilts.angles[0] == -58.75
    assert tilts.axis_angle == pytest.approx(-12.5, abs=1e-3)  # IMOD's tutorial: RotationAngle -12.5
    assert tilts.x_tilts == (0.5,) * 5


def test_a_written_alignment_comes_back(tmp_path):
    aretomo(tmp_path / "ts.aln")
    path = stack(tmp_path / "ts.mrc")
    tilts = read_tilt_series(path, offset=-4.0)
    (tmp_path / "ts.aln").unlink()
    write_alignment(tmp_path / "ts.xf", tilts)
    again = read_tilt_series(path)
    assert again.true_angles == tilts.true_angles
    assert again.transforms == pytest.approx(tilts.transforms, abs=1e-3)  # three decimals of a pixel
    assert again.notes == ("Angles from ts.tlt.", "Alignment from ts.xf.")
    with pytest.raises(MendemError, match="ts.xf exists"):
        write_alignment(tmp_path / "ts", tilts)
    write_angles(tmp_path / "only.tlt", tilts)
    assert (tmp_path / "only.tlt").read_text() == "  -64.00\n  -34.00\n   -4.00\n   26.00\n   56.00\n"


def test_tilts_that_imods_alignment_leaves_as_they_are_among_turned_ones_are_excluded(tmp_path):
    listed(tmp_path / "ts.tlt")
    turned = "0.082 0.997 -0.997 0.082 1.00 2.00\n"
    (tmp_path / "ts.xf").write_text(turned * 2 + "1.000 0.000 0.000 1.000 0.00 0.00\n" + turned * 2)
    tilts = read_tilt_series(stack(tmp_path / "ts.mrc"))
    assert tilts.excluded == (2,)
    assert tilts.axis_angle == pytest.approx(85.3, abs=0.05)


def test_an_axis_angle_that_is_given_replaces_that_of_the_alignment_and_keeps_the_shifts(tmp_path):
    aretomo(tmp_path / "ts.aln")
    tilts = read_tilt_series(stack(tmp_path / "ts.mrc"), axis_angle=84.0)
    assert tilts.axis_angle == 84
    assert tilts.shifts[2] == pytest.approx((-1.5, 3.0))


@pytest.mark.parametrize("name", ["ts_ali.mrc", "ts.ali"])
def test_an_aligned_stack_is_not_aligned_again(tmp_path, name):
    listed(tmp_path / "ts.tlt")
    (tmp_path / "ts.xf").write_text("0 1 -1 0 5 5\n" * 5)
    tilts = read_tilt_series(stack(tmp_path / name, label="Tilt axis angle = 85.3, binning = 1"))
    assert tilts.angles == ANGLES
    assert tilts.aligned
    assert tilts.axis_angle == 0 and not np.any(tilts.shifts)
    assert any("name says that the stack is aligned" in note for note in tilts.notes)


def test_the_label_of_a_stack_tells_its_axis(tmp_path):
    path = stack(tmp_path / "ts.mrc", label="    Tilt axis angle = -88.7, binning = 1  spot = 6  camera = 1")
    assert read_tilt_series(path, tilts=ANGLES).axis_angle == -88.7


def test_suffixes_in_capitals_and_files_named_after_the_whole_name_are_found(tmp_path):
    listed(tmp_path / "TS.MRC.RAWTLT")
    assert read_tilt_series(stack(tmp_path / "ts.mrc")).angles == ANGLES


def test_repeated_and_unsorted_angles_are_allowed_and_noted(tmp_path):
    tilts = read_tilt_series(stack(tmp_path / "ts.mrc"), tilts=(0, 3, -3, 0, 6))
    assert tilts.used == (2, 0, 3, 1, 4)
    assert "1 angle repeated." in tilts.notes


@pytest.mark.parametrize(
    ("beside", "options", "message"),
    [
        ({}, {}, r"no tilt angles are known for \S+ts.mrc: put a .tlt, .rawtlt or .mdoc"),
        ({"ts.tlt": "0\n1\n2\n3\n"}, {}, r"ts.mrc has 5 tilts and \S+ts.tlt 4 angles: give the angles of this very"),
        ({"ts.mdoc": "[ZValue = 0]\nTiltAngle = 1\n"}, {}, r"has 5 tilts and \S+ts.mdoc 1 angle:"),
        ({"ts.mdoc": "[ZValue = 0]\nExposureDose = 1\n"}, {}, "lacks the TiltAngle of some tilts"),
        ({"ts.tlt": "0\n1\n2\nnan\n4\n"}, {}, r"ts.tlt has nan° for tilt 3, which is no tilt angle"),
        ({"ts.tlt": "0\n1\n2\n3000\n4\n"}, {}, "has 3000° for tilt 3"),
        ({"ts.tlt": "0\n" * 5}, {}, "has the same angle, 0°, for all tilts"),
        ({"ts.tlt": "ä\x00"}, {}, "is not a text file"),
        ({"ts.tlt": "0\n1\n2\n3\n4\n", "ts.xf": "1 0 0 1 0 0\n" * 4}, {}, r"5 tilts and \S+ts.xf 4 transformations"),
        ({"ts.tlt": "0\n1\n2\n3\n4\n", "ts.xf": "1 0 0 1 0 0\n" * 5, "ts.xtilt": "1\n"}, {}, "ts.xtilt 1 angle:"),
        ({}, {"tilts": (1, 2, 3)}, "has 5 tilts and the given list 3 angles"),
        ({}, {"tilts": ANGLES, "exclude": (5,)}, "tilts 0 to 4; tilt 5 cannot be excluded"),
        ({}, {"tilts": ANGLES, "exclude": range(5)}, "all 5 tilts are excluded"),
        ({}, {"tilts": ANGLES, "offset": 150.0}, "beyond ±180°"),
        ({}, {"tilts": ANGLES, "voxel_size": VoxelSize((1.0,) * 4)}, "give one voxel length, or those along y and x"),
        ({}, {"tilts": ANGLES, "alignment": "ts.tlt"}, "not known as an alignment; give IMOD's .xf or AreTomo's .aln"),
        ({}, {"tilts": "none.tlt"}, "none.tlt does not exist"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(tmp_path, beside, options, message):
    for name, text in beside.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(MendemError, match=message) as caught:
        read_tilt_series(stack(tmp_path / "ts.mrc"), **options)
    assert "\n" not in str(caught.value)


def test_an_alignment_of_aretomo_for_another_stack_is_refused(tmp_path):
    aretomo(tmp_path / "ts.aln", (*ANGLES, 63.0), dark=(5,))
    with pytest.raises(MendemError, match=r"has 5 tilts and \S+ts.aln was made for 6, 1 dark tilt included"):
        read_tilt_series(stack(tmp_path / "ts.mrc"))


@pytest.mark.parametrize(("shape", "message"), [((8, 12), "has a single image"), ((2, 5, 8, 12), "has 4 axes")])
def test_images_that_are_no_stack_are_refused(tmp_path, shape, message):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8))
    with pytest.raises(MendemError, match=message):
        read_tilt_series(tmp_path / "a.tif", tilts=ANGLES)


def test_damaged_files_beside_a_stack_are_used_or_refused_in_one_sentence(tmp_path):
    rng = np.random.default_rng(11)
    path = stack(tmp_path / "ts.mrc")
    files = [
        listed(tmp_path / "ts.rawtlt"),
        mdoc(tmp_path / "ts.mrc.mdoc", ANGLES, "Tilt axis angle = 85.3, binning = 1"),
        aretomo(tmp_path / "ts.aln"),
    ]
    whole = {file: file.read_bytes() for file in files}
    outcomes = set()
    for round_ in range(90):
        file = files[round_ % 3]
        raw = bytearray(whole[file])
        at = int(rng.integers(0, len(raw)))
        raw[at : at + 3] = rng.choice(list(b"0159.-nax \n#=]"), 3).astype(np.uint8).tobytes()
        file.write_bytes(raw if round_ % 2 else raw[:at])
        try:
            read_tilt_series(path)
            outcomes.add("read")
        except MendemError as error:
            assert "ts." in str(error) and "\n" not in str(error)
            outcomes.add("refused")
        file.write_bytes(whole[file])
    assert outcomes == {"read", "refused"}


def test_the_stack_stays_on_disk_where_it_is_large(tmp_path):
    path = stack(tmp_path / "ts.mrc", (5, 2000, 2000))
    tilts = read_tilt_series(path, tilts=ANGLES)
    assert not isinstance(tilts.image.data, np.ndarray)
    assert tilts.image.read(4, slice(0, 1), slice(0, 1)) == 16e6


def test_a_list_of_the_same_angles_beside_an_alignment_is_left_as_it_is(tmp_path):
    path = stack(tmp_path / "ts.mrc")
    own = listed(tmp_path / "ts.tlt")
    before = own.read_bytes()
    tilts = read_tilt_series(path)
    write_alignment(tmp_path / "ts.xf", tilts)
    assert own.read_bytes() == before
    (tmp_path / "ts.xf").unlink()
    with pytest.raises(MendemError, match="ts.tlt exists"):
        write_alignment(tmp_path / "ts.xf", tilts.with_angles([a + 1 for a in tilts.angles]))
    assert not (tmp_path / "ts.xf").exists()
