"""From a tilt series to one without a missing wedge: what is kept, what is made, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from threading import Event

import numpy as np
import pytest

import mendem
from mendem.errors import Cancelled, MendemError
from mendem.image import Image, VoxelSize
from mendem.tomography.density import Density
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling import rows as reading
from mendem.wedge_filling import volume_road
from mendem.wedge_filling.in_memory import FilledWedge
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.prepare import prepare
from mendem.wedge_filling.to_files import WedgeFiles, fill_wedge_file

#: Dose-symmetric.
ANGLES = tuple(float(a) for k in range(0, 61, 6) for a in ((k, -k) if k else (0,)))
DEPTH, ROWS, WIDTH = 20, 6, 32
LEVEL, GAIN = 40.0, 4.0
DTYPES = {"uint8": 1.0, "int16": -30.0, "uint16": 100.0, "float32": 1e-3}


def stack_of(angles: tuple[float, ...]) -> np.ndarray:
    """Exact projections (tilt, y, x) of an object that becomes brighter along y, as densities."""
    shadows = ellipse_phantom(DEPTH, 20).project(SliceGeometry(angles, (DEPTH, 20), WIDTH))
    return np.linspace(0.6, 1.2, ROWS)[None, :, None] * shadows[:, None, :]


def series_of(dtype: str = "float32", **known) -> TiltSeries:
    """``LEVEL + GAIN`` x density; int16 is a negative of it."""
    sign = -1 if DTYPES[dtype] < 0 else 1
    pixels = sign * (LEVEL + GAIN * stack_of(ANGLES))
    image = Image(
        np.round(pixels).astype(dtype) if dtype != "float32" else pixels.astype(dtype),
        ("tilt", "y", "x"),
        VoxelSize((None, 2.0, 2.0)),
        source="ts",
    )
    return TiltSeries(image, ANGLES, **known)


def filled(series: TiltSeries, **settings) -> FilledWedge:
    return mendem.fill_wedge(series, DEPTH, device="cpu", **{"limit": 78.0, "filler": "tv", **settings})


@pytest.fixture(scope="module")
def plain():
    return filled(series_of())


def test_the_completed_series_goes_on_at_its_spacing_in_rising_order(plain):
    assert plain.completed.true_angles == tuple(range(-78, 79, 6))
    assert plain.flags == ("generated",) * 3 + ("measured",) * 21 + ("generated",) * 3
    assert plain.completed.image.dtype == np.float32 and plain.completed.image.shape == (27, ROWS, WIDTH)
    assert plain.completed.image.voxel_size == VoxelSize((None, 2.0, 2.0))


def test_generated_tilts_are_what_the_microscope_would_have_seen(plain):
    truth = LEVEL + GAIN * stack_of(plain.completed.true_angles)
    made = [i for i, flag in enumerate(plain.flags) if flag == "generated"]
    error = np.asarray(plain.completed.image.data)[made] - truth[made]
    # 78° is 18° beyond the last tilt, of which TV knows nothing but flatness: a fifth of the contrast, no offset.
    assert np.sqrt((error**2).mean()) < 0.2 * truth[made].std() and abs(error.mean()) < 0.05 * truth[made].std()


def test_there_is_more_in_the_wedge_than_before_and_the_data_is_kept(plain):
    assert plain.after.missing > 2 * plain.before.missing
    record = plain.tomogram.metadata["mendem"]
    assert record["residual"] < 0.05 and not record["partial"]
    assert record["found"]["specimen"] == "isolated" and record["found"]["filler"] == "tv"
    assert [tilt["flag"] for tilt in record["tilts"]["completed"]] == list(plain.flags)
    assert plain.spread is None and any("no spread" in note for note in plain.notes)
    json.dumps(record)


def test_the_tomogram_is_nearer_to_the_specimen_than_back_projection(plain):
    series, geometry = series_of(), SliceGeometry(ANGLES, (DEPTH, WIDTH), WIDTH)
    truth = GAIN * np.linspace(0.6, 1.2, ROWS)[None, :, None] * ellipse_phantom(DEPTH, 20).image(geometry)[:, None, :]
    back = mendem.reconstruct(series, mendem.Wbp(), DEPTH, device="cpu")
    error, usual = (np.sqrt(((np.asarray(v.data) - truth) ** 2).mean()) for v in (plain.tomogram, back))
    # About half: the bound leaves room for rounding alone.
    assert error < 0.52 * usual and plain.tomogram.voxel_size == VoxelSize((2.0, 2.0, 2.0))


@pytest.mark.parametrize("suffix", [".mrc", ".tif"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_measured_tilts_come_back_bit_for_bit(dtype, suffix, tmp_path):
    shifts = tuple((0.25 * k, -0.5 * k) for k in np.arange(len(ANGLES)) % 3)
    series = series_of(dtype, axis_angle=3.0, shifts=shifts, excluded=(4,), offset=1.0)
    density = Density(contrast="dark" if DTYPES[dtype] < 0 else "bright")
    files = WedgeFiles(tmp_path / f"out{suffix}")
    record = fill_wedge_file(
        series, files, DEPTH, limit=70.0, density=density, device="cpu", specimen="isolated", filler="tv"
    )
    whole = mendem.read_tilt_series(files.stack)
    given, found = np.asarray(series.image.data), np.asarray(whole.image.data)
    assert found.dtype == given.dtype == dtype
    tilts = json.loads((tmp_path / "out.tilts.json").read_text())["tilts"]
    assert tilts == record["tilts"]["completed"] == whole.image.metadata["mendem"]["tilts"]["completed"]
    assert [t["angle"] for t in tilts] == pytest.approx(list(whole.true_angles)) == sorted(whole.true_angles)
    kept = {t["source"]: i for i, t in enumerate(tilts) if t["flag"] != "generated"}
    assert sorted(kept) == list(range(len(ANGLES)))
    for source, place in kept.items():
        assert found[place].tobytes() == given[source].tobytes()
        assert whole.shifts[place] == pytest.approx(series.shifts[source], abs=2e-3)
    assert whole.excluded == (kept[4],) and tilts[kept[4]]["flag"] == "excluded"
    # Generated ones are of the same kind: between the smallest and the largest value of what was measured.
    made = found[[i for i, t in enumerate(tilts) if t["flag"] == "generated"]].astype(float)
    room = 0.25 * np.ptp(given.astype(float))
    assert given.min() - room <= made.min() and made.max() <= given.max() + room and np.ptp(made) > 2 * room


def test_generated_tilts_lie_as_the_measured_ones_do_in_the_raw_stack(plain):
    """Turned by 90° and moved by two pixels across the tilt axis: whole pixels, so that nothing is interpolated."""
    raw = np.roll(np.rot90(np.asarray(series_of().image.data), axes=(1, 2)), 2, axis=1)
    image = Image(raw.copy(), ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0)), source="ts")
    found = filled(TiltSeries(image, ANGLES, -90.0, shifts=((2.0, 0.0),) * len(ANGLES)))
    expected = np.roll(np.rot90(np.asarray(plain.completed.image.data), axes=(1, 2)), 2, axis=1)
    np.testing.assert_allclose(found.completed.image.data, expected, atol=1e-2)
    assert found.completed.shifts == ((2.0, 0.0),) * 27


def test_files_hold_what_memory_holds(plain, tmp_path):
    files = WedgeFiles(tmp_path / "out.mrc", tmp_path / "t.mrc", tmp_path / "s.mrc", tmp_path / "m.tif")
    record = fill_wedge_file(series_of(), files, DEPTH, filler="tv", limit=78.0, device="cpu")
    np.testing.assert_array_equal(mendem.read(files.stack).data, plain.completed.image.data)
    np.testing.assert_array_equal(mendem.read(files.tomogram).data, plain.tomogram.data)
    mask = mendem.read(files.mask)
    np.testing.assert_array_equal(np.asarray(mask.data)[:, 2], plain.regions)
    assert mask.shape == (DEPTH, ROWS, WIDTH) and mask.metadata["mendem"]["labels"]["2"] == "generated"
    assert any("s.mrc was not written" in note for note in record["notes"])
    assert {p.name for p in tmp_path.iterdir()} == {"out.mrc", "out.tlt", "out.tilts.json", "t.mrc", "m.tif"}


def test_nothing_depends_on_the_blocks(plain, monkeypatch):
    monkeypatch.setattr(volume_road, "BATCH_BYTES", {"cpu": 1})
    again = filled(series_of())
    np.testing.assert_allclose(again.tomogram.data, plain.tomogram.data, atol=1e-3)


def test_windows_read_every_row_once_and_repeat_the_outermost():
    class Rows:
        count = 7
        asked: list[int] = []

        def read(self, first, last):
            self.asked += range(first, last)
            return np.arange(first, last, dtype=np.float32)[:, None, None]

    rows = Rows()
    found = {first: block[:, 0, 0].tolist() for first, block in reading.windows(rows, 2, 3)}
    assert found == {0: [0, 0, 0, 1, 2, 3, 4], 3: [1, 2, 3, 4, 5, 6, 6], 6: [4, 5, 6, 6, 6]}
    assert rows.asked == list(range(7))
    assert reading.around(rows, 0, 2)[:, 0, 0].tolist() == [0, 0, 0, 1, 2]


def test_a_preview_of_a_slice_is_the_slice_of_the_run(plain):
    filling = prepare(series_of(), FillWedge(filler="tv"), DEPTH, device="cpu")
    *_, (mean, std) = filling.iterates(3)
    np.testing.assert_allclose(mean, plain.tomogram.data[:, 3], atol=1e-3)
    assert std is None
    with pytest.raises(MendemError, match="no slice 6"):
        next(filling.iterates(6))


def test_a_slab_is_filled_beyond_the_view_and_not_at_90_degrees():
    series = series_of()
    found = filled(series, specimen="slab", limit=90.0)
    assert found.completed.limits == (-78, 78) and any("none at 90°" in note for note in found.notes)
    assert found.tomogram.shape == (DEPTH, ROWS, WIDTH)


def test_a_cancelled_run_keeps_what_is_finished_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(volume_road, "BATCH_BYTES", {"cpu": 1})
    stop = Event()

    def progress(now) -> None:
        if now.block == 3:
            stop.set()

    files = WedgeFiles(tmp_path / "out.mrc", tmp_path / "t.mrc")
    record = fill_wedge_file(
        series_of(), files, DEPTH, filler="tv", limit=78.0, device="cpu", cancel=stop, progress=progress
    )
    assert record["partial"] and record["blocks"] == {"finished": 3, "all": ROWS}
    volume = np.asarray(mendem.read(files.tomogram).data)
    assert np.isfinite(volume[:, :3]).all() and np.isnan(volume[:, 3:]).all()
    stack = np.asarray(mendem.read(files.stack).data)
    # What was not reached is empty, at the level of the surroundings.
    np.testing.assert_allclose(stack[0, 3:], LEVEL, atol=0.5)
    assert np.ptp(stack[0, :3]) > GAIN and json.loads((tmp_path / "out.tilts.json").read_text())["partial"]


def test_a_run_that_fails_or_is_stopped_at_once_leaves_nothing(tmp_path, monkeypatch):
    stop = Event()
    stop.set()
    files = WedgeFiles(tmp_path / "out.mrc", tmp_path / "t.mrc")
    with pytest.raises(Cancelled):
        fill_wedge_file(series_of(), files, DEPTH, filler="tv", device="cpu", cancel=stop)

    def fail(*_) -> None:
        raise RuntimeError

    monkeypatch.setattr("mendem.wedge_filling.findings.Findings.tilts", fail)
    with pytest.raises(RuntimeError):
        fill_wedge_file(series_of(), files, DEPTH, filler="tv", device="cpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "settings", "said"),
    [
        ({}, {"limit": 60.0}, "none is missing up to 60°"),
        ({}, {"limit": 0.5}, "limit is 0.5"),
        ({}, {"filler": "magic"}, "filler is 'magic'"),
        ({"excluded": tuple(range(2, 21))}, {}, "has 2 tilts to use"),
        ({}, {"device": "tpu"}, "tpu"),
        ({"angles": tuple(range(-90, 91, 9))}, {}, "up to 90°, at a spacing of 9°: there is nothing to fill"),
    ],
)
def test_what_cannot_be_filled_is_said_in_one_sentence(changes, settings, said):
    with pytest.raises(MendemError, match=said) as error:
        mendem.fill_wedge(replace(series_of(), **changes), DEPTH, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tilts", "factor", "said"),
    [
        ([3], 0.0, "tilt 3 is constant"),
        ([3, 8], 0.0, "tilts 3, 8 are constant"),
        (range(len(ANGLES)), 1e33, "outside what can be computed with"),
        (range(len(ANGLES)), 1e-25, "outside what can be computed with"),
    ],
)
def test_pixels_that_nothing_can_be_made_of_are_refused(tilts, factor, said):
    series = series_of()
    pixels = np.asarray(series.image.data).copy()
    pixels[list(tilts)] *= np.float32(factor)
    with pytest.raises(MendemError, match=said):
        prepare(replace(series, image=series.image.with_data(pixels)), FillWedge(filler="tv"), DEPTH, device="cpu")


def test_a_slice_of_one_pixel_s_thickness_is_filled():
    series = series_of()
    tomogram = mendem.fill_wedge(series, 1, filler="tv", device="cpu").tomogram
    assert tomogram.shape == (1, ROWS, WIDTH)
    # Its tilt at 0° is the slice itself.
    seen = (np.asarray(series.image.data)[0] - LEVEL) / GAIN
    assert np.corrcoef(tomogram.data[0].ravel(), seen.ravel())[0, 1] > 0.9


def test_where_positivity_leaves_nothing_it_is_said_and_the_run_ends_well():
    found = filled(series_of(), density=Density(contrast="dark", background=LEVEL))
    assert not found.tomogram.data.any() and found.after.missing == 0 < found.after.area
    assert any("choose the contrast" in note for note in found.notes)


def test_a_constant_series_has_nothing_to_fill_from():
    series = series_of()
    flat = replace(series, image=series.image.with_data(np.full(series.image.shape, 7.0, np.float32)))
    with pytest.raises(MendemError, match="constant"):
        filled(flat)


def test_results_never_replace_the_series_its_angles_or_one_another(tmp_path):
    image = series_of().image
    mendem.write(tmp_path / "ts.mrc", image)
    series = replace(series_of(), image=mendem.read(tmp_path / "ts.mrc").with_data(image.data, axes=image.axes))
    out = str(tmp_path / "out.mrc")
    for files, said in {
        WedgeFiles(tmp_path / "ts.mrc"): "tilt series itself",
        WedgeFiles(tmp_path / "ts.tif"): "belongs to",
        WedgeFiles(out, out): "written twice",
        WedgeFiles(out, mask=tmp_path / "out.tlt"): "written twice",
    }.items():
        with pytest.raises(MendemError, match=said):
            fill_wedge_file(series, files, DEPTH, overwrite=True)
    (tmp_path / "out.tlt").write_text("mine")
    with pytest.raises(MendemError, match="out.tlt exists"):
        fill_wedge_file(series, WedgeFiles(out), DEPTH)
    assert (tmp_path / "out.tlt").read_text() == "mine"
