"""From a tilt series to a tomogram: what is applied to the tilts on the way, and what is kept of the run."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import pytest

import mendem
from mendem import tomogram
from mendem.errors import Cancelled, MendemError
from mendem.image import Image, VoxelSize
from mendem.tomography import aligned, slices
from mendem.tomography.density import Density
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.slices import Reconstruction, Rows
from mendem.tomography.tilt_series import TiltSeries

ANGLES = tuple(np.linspace(-60.0, 60.0, 21))
#: Blobs (z, y, x) from the middle, in pixels, and their radius (one standard deviation).
BLOBS = np.array([[0, 0, 0], [6, -8, 7], [-7, 9, -5], [4, 7, -9], [-3, -10, 10.5]])
RADIUS = 2.0
ROWS, COLUMNS = 44, 52


def seen(axis_angle: float, shifts: np.ndarray, shape: tuple[int, int] = (ROWS, COLUMNS)) -> np.ndarray:
    """Exact projections of the blobs, (tilt, y, x): each is a blob, wherever the tilt axis and the shifts put it."""
    y, x = np.arange(shape[0])[:, None] - (shape[0] - 1) / 2, np.arange(shape[1]) - (shape[1] - 1) / 2
    turn = np.radians(axis_angle)
    stack = np.zeros((len(ANGLES), *shape))
    for image, angle, (dy, dx) in zip(stack, np.radians(ANGLES), shifts, strict=True):
        for bz, by, bx in BLOBS:
            u = bx * np.cos(angle) + bz * np.sin(angle)
            # The y axis turned counterclockwise, rows upwards: (y, x) = (1, 0) comes to (cos, -sin).
            place_y = dy + by * np.cos(turn) + u * np.sin(turn)
            place_x = dx - by * np.sin(turn) + u * np.cos(turn)
            image += np.exp(-((y - place_y) ** 2 + (x - place_x) ** 2) / (2 * RADIUS**2))
    return (stack * np.sqrt(2 * np.pi) * RADIUS).astype(np.float32)


def series_of(stack: np.ndarray, **known) -> TiltSeries:
    size = VoxelSize((None, 1.5, 1.5))
    return TiltSeries(Image(stack, ("tilt", "y", "x"), size, source="series"), ANGLES, **known)


def truth(shape: tuple[int, int, int]) -> np.ndarray:
    grid = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij", sparse=True)
    blobs = (sum((g - p) ** 2 for g, p in zip(grid, place, strict=True)) for place in BLOBS)
    return sum(np.exp(-squares / (2 * RADIUS**2)) for squares in blobs)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean()))


@pytest.fixture(scope="module")
def upright():
    return mendem.reconstruct(series_of(seen(0.0, np.zeros((21, 2)))), mendem.Wbp(), 28, device="cpu")


def test_an_aligned_series_gives_what_its_slices_give_one_by_one():
    geometry = SliceGeometry(ANGLES, (24, 40), 40)
    phantom = ellipse_phantom(24, 40).project(geometry)
    stack = (np.linspace(0.5, 1.5, 9)[None, :, None] * phantom[:, None, :]).astype(np.float32)
    for method in (mendem.Wbp(), mendem.Sirt(5), mendem.Tv(iterations=10)):
        found = mendem.reconstruct(series_of(stack), method, 24, device="cpu")
        expected = np.concatenate([b for _, b in Reconstruction(Rows(stack), geometry, method, "cpu").blocks()], axis=1)
        assert relative(found.data, expected) < 1e-6


def test_the_tomogram_is_the_specimen(upright):
    # Of the specimen a third of the directions is missing: less is not reached by any linear method.
    assert upright.axes == ("z", "y", "x") and upright.shape == (28, ROWS, COLUMNS)
    assert upright.voxel_size == VoxelSize((1.5, 1.5, 1.5))
    wanted = truth(upright.shape)
    assert np.corrcoef(upright.data.ravel(), wanted.ravel())[0, 1] > 0.85
    peaks = [upright.data[tuple(np.round(p + (np.array(upright.shape) - 1) / 2).astype(int))] for p in BLOBS]
    assert min(peaks) > 0.5


@pytest.mark.parametrize("axis_angle", [4.0, -12.5, 86.0, -90.0, 180.0])
def test_shifts_and_the_direction_of_the_tilt_axis_are_undone(upright, axis_angle):
    shifts = np.random.default_rng(0).uniform(-3, 3, (21, 2))
    # An axis along the longer side: columns of the raw tilts become rows.
    shape = (ROWS, COLUMNS) if abs(axis_angle) % 180 < 45 else (COLUMNS, ROWS)
    stack = seen(axis_angle, shifts, shape)
    series = series_of(stack, axis_angle=axis_angle, shifts=tuple(map(tuple, shifts)))
    found = mendem.reconstruct(series, mendem.Wbp(), 28, device="cpu")
    # A quintic spline leaves 4e-5 of blobs of this size, and the tails at the borders are as small.
    assert found.shape == upright.shape
    assert relative(found.data, upright.data) < 2e-3
    ignored = mendem.reconstruct(series_of(stack), mendem.Wbp(), 28, device="cpu").data
    assert ignored.shape != upright.shape or relative(ignored, upright.data) > 0.3


def test_distortions_of_single_tilts_are_undone(upright):
    # One tilt has a tilt axis of its own, 9° off.
    stack = seen(0.0, np.zeros((21, 2)))
    stack[15] = seen(9.0, np.zeros((21, 2)))[15]
    turn = np.radians(9.0)
    distortions = [((1.0, 0.0), (0.0, 1.0))] * 21
    distortions[15] = ((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn)))
    found = mendem.reconstruct(series_of(stack, distortions=tuple(distortions)), mendem.Wbp(), 28, device="cpu")
    assert relative(found.data, upright.data) < 2e-3


def test_nothing_depends_on_how_the_volume_is_cut(monkeypatch):
    shifts = np.random.default_rng(1).uniform(-3, 3, (21, 2))
    series = series_of(seen(7.0, shifts), axis_angle=7.0, shifts=tuple(map(tuple, shifts)))
    whole = mendem.reconstruct(series, mendem.Sirt(3), 20, device="cpu").data
    monkeypatch.setattr(slices, "BLOCK_BYTES", 3 * 20 * COLUMNS * 4)
    monkeypatch.setattr(aligned, "BAND_BYTES", 5 * 21 * COLUMNS * 4)
    assert relative(mendem.reconstruct(series, mendem.Sirt(3), 20, device="cpu").data, whole) < 1e-5


def test_binning_keeps_density_and_doubles_the_voxel():
    series = series_of(seen(0.0, np.zeros((21, 2))))
    found = mendem.reconstruct(series, mendem.Wbp(), 14, binning=2, device="cpu")
    # The same frequencies are kept of fine pixels.
    fine = mendem.reconstruct(series, mendem.Wbp(cutoff=0.5), 28, device="cpu")
    assert found.voxel_size == VoxelSize((3.0, 3.0, 3.0))
    means = fine.data.reshape(14, 2, ROWS // 2, 2, COLUMNS // 2, 2).mean((1, 3, 5))
    # Pixels of twice the size blur a little more, here by 5 %; half a pixel off would be 30 %, another scale more.
    assert found.shape == means.shape and relative(found.data, means) < 0.1


def test_dark_and_transmitted_specimens_become_dense(upright):
    stack = seen(0.0, np.zeros((21, 2)))
    dark = mendem.reconstruct(series_of(1000 - stack), mendem.Wbp(), 28, density=Density("dark"), device="cpu")
    assert relative(dark.data, upright.data) < 1e-3
    beam = 500 * np.exp(-stack / 100)
    log = mendem.reconstruct(series_of(beam), mendem.Wbp(), 28, density=Density("log"), device="cpu")
    assert relative(100 * log.data, upright.data) < 1e-3


def test_positivity_that_would_leave_nothing_is_noted():
    stack = np.random.default_rng(4).normal(1000, 2, (21, ROWS, COLUMNS)) - seen(0.0, np.zeros((21, 2)))
    said = {}
    for contrast in ("bright", "dark"):
        series = series_of(stack.astype(np.float32))
        said[contrast] = " ".join(tomogram.prepare(series, mendem.Tv(), 28, density=Density(contrast)).notes)
    assert "below zero and will be lost" in said["bright"] and "will be lost" not in said["dark"]


def test_the_level_of_each_tilt_is_taken_off_and_gains_are_made_equal(upright):
    rng = np.random.default_rng(2)
    gains, levels = rng.uniform(0.5, 2, (21, 1, 1)), rng.uniform(-50, 50, (21, 1, 1))
    stack = seen(0.0, np.zeros((21, 2)))
    spoilt = series_of((gains * stack + levels).astype(np.float32))
    found = mendem.reconstruct(spoilt, mendem.Wbp(), 28, density=Density(normalise="mass"), device="cpu").data
    scale = (found * upright.data).sum() / (found**2).sum()  # of the usual gain, which is not known
    assert relative(scale * found, upright.data) < 1e-3
    left = mendem.reconstruct(spoilt, mendem.Wbp(), 28, density=Density(background="none"), device="cpu").data
    assert relative(left, upright.data) > 0.5


def test_thickness_is_a_number_of_voxels_or_a_length():
    series = series_of(seen(0.0, np.zeros((21, 2))))
    assert tomogram.prepare(series, thickness=VoxelSize((30.0,), "nm")).shape[0] == 20
    assert tomogram.prepare(series, thickness=VoxelSize((300.0,), "angstrom"), binning=2).shape[0] == 10
    whole = tomogram.prepare(series)
    assert whole.shape[0] == COLUMNS and any("No thickness" in note for note in whole.notes)


def test_the_record_says_what_was_made_of_which_tilts():
    shifts = ((1.0, 2.0),) * 21
    found = mendem.reconstruct(
        series_of(seen(0.0, np.array(shifts)), shifts=shifts, excluded=(2, 20), offset=1.5), mendem.Sirt(2), 16
    )
    record = found.metadata["mendem"]
    assert record["task"] == {
        "name": "reconstruct",
        "parameters": {"method": "sirt", "iterations": 2, "relaxation": 1.0, "positive": False},
    }
    tilts = record["tilts"]
    assert tilts["excluded"] == [2, 20] and len(tilts["used"]) == 19 and tilts["aligned"]
    np.testing.assert_allclose(tilts["angles"], [a + 1.5 for i, a in enumerate(ANGLES) if i not in (2, 20)])
    np.testing.assert_allclose(np.array(tilts["transforms"])[:, :, 2], [[-1, -2]] * 19)
    assert len(record["inputs"]["image"]["sha256"]) == 64 and not record["partial"]


def test_excluded_tilts_may_hold_anything(upright):
    stack = seen(0.0, np.zeros((21, 2)))
    stack[3] = np.nan
    with pytest.raises(MendemError, match="tilt 3 has pixels that are not finite"):
        mendem.reconstruct(series_of(stack), mendem.Wbp(), 28)
    assert np.isfinite(mendem.reconstruct(series_of(stack, excluded=(3,)), mendem.Wbp(), 28, device="cpu").data).all()


def test_a_cancelled_run_keeps_what_is_finished_and_marks_it(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "BLOCK_BYTES", 10 * 16 * COLUMNS * 4)
    monkeypatch.setattr(slices, "BATCH_BYTES", {"cpu": 1})
    series, stop = series_of(seen(0.0, np.zeros((21, 2)))), Event()

    def progress(now):
        if now.block == 25:
            stop.set()

    settings = {"progress": progress, "cancel": stop, "device": "cpu"}
    record = mendem.reconstruct_file(series, tmp_path / "out.mrc", mendem.Sirt(2), 16, **settings)
    assert record["partial"] and record["blocks"] == {"finished": 20, "all": ROWS}
    found = mendem.read(tmp_path / "out.mrc")
    assert found.metadata["mendem"]["partial"]
    assert np.isfinite(found.data[:, :20]).all() and np.isnan(found.data[:, 20:]).all()
    with pytest.raises(Cancelled):
        mendem.reconstruct_file(series, tmp_path / "other.mrc", mendem.Sirt(2), 16, **settings)
    assert {p.name for p in tmp_path.iterdir()} == {"out.mrc"}


def test_an_error_half_way_leaves_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise MendemError("the disk is full")

    monkeypatch.setattr(aligned.AlignedRows, "_aligned", fails)
    with pytest.raises(MendemError, match="disk is full"):
        mendem.reconstruct_file(series_of(seen(0.0, np.zeros((21, 2)))), tmp_path / "out.mrc", None, 16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "settings", "said"),
    [
        ({"excluded": tuple(range(20))}, {}, "at least two"),
        ({}, {"binning": 50}, "binning must be a whole number from 1 to 44"),
        ({}, {"thickness": 0}, "at least 1"),
        ({}, {"density": Density("log", -3.0)}, "no logarithm"),
        ({}, {"density": Density("dark", normalise="mass")}, "cannot be made equal"),
    ],
)
def test_what_cannot_be_reconstructed_is_told(change, settings, said):
    series = replace(series_of(seen(0.0, np.zeros((21, 2)))), **change)
    with pytest.raises(MendemError, match=said) as error:
        mendem.reconstruct(series, **settings)
    assert "\n" not in str(error.value)


def test_pixels_that_are_not_square_are_refused():
    stack = seen(0.0, np.zeros((21, 2)))
    image = Image(stack, ("tilt", "y", "x"), VoxelSize((None, 1.0, 1.5)), source="series")
    with pytest.raises(MendemError, match="needs square ones"):
        mendem.reconstruct(TiltSeries(image, ANGLES))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"background": "mean"}, "edges, none or a number"), ({"background": "none", "contrast": "log"}, "empty beam")],
)
def test_a_density_that_means_nothing_is_refused(settings, said):
    with pytest.raises(MendemError, match=said):
        Density(**settings)
