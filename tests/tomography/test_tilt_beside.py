"""What is written beside a stack of tilts makes it the same series again, and replaces nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import mendem
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io.tilt_angles import write as write_list
from mendem.tomography.tilt_beside import check_beside, flags_text, read_flags, write_beside
from mendem.tomography.tilt_series import TiltSeries

ANGLES = (-61.234, -30.0, 0.5, 30.0, 60.0)
PLAIN: dict = {}
ALL = {
    "axis_angle": 84.0,
    "offset": 1.5,
    "shifts": ((1.0, 2.0), (0.0, -3.5), (0.0, 0.0), (2.0, 2.0), (1.0, 1.0)),
    "excluded": (1, 4),
    "generated": (0, 4),
    "dose": (0.0, 3.0, 3.0, 3.0, 0.0),
    "order": (4, 2, 0, 1, 3),
    "distortions": (((1.01, 0.0), (0.0, 1.0)),) * 5,
    "x_tilts": (0.5,) * 5,
}
FIELDS = ("axis_angle", "excluded", "generated", "dose", "order", "x_tilts", "aligned")


def series(**given) -> TiltSeries:
    pixels = np.random.default_rng(0).integers(0, 999, (5, 6, 8)).astype(np.uint16)
    return TiltSeries(Image(pixels, ("tilt", "y", "x"), VoxelSize((None, 1.0, 1.0)), {}, "ts"), ANGLES, **given)


def write(path, made: TiltSeries) -> list[str]:
    mendem.write(path, made.image)
    return write_beside(path, made)


@pytest.mark.parametrize("name", ["ts.mrc", "ts.tif", "ts.ome.tif"])
@pytest.mark.parametrize("given", [PLAIN, {"axis_angle": 84.0}, {"aligned": True}, {"generated": (0, 4)}, ALL])
def test_the_same_series_is_read_again(name, given, tmp_path) -> None:
    made = series(**given)
    write(tmp_path / name, made)
    again = mendem.read_tilt_series(tmp_path / name)
    assert again.true_angles == pytest.approx(made.true_angles, abs=5e-5)  # four decimals
    assert again.measured == made.measured
    for field in FIELDS:
        # IMOD writes three decimals of pixels and seven of the matrix.
        assert getattr(again, field) == pytest.approx(getattr(made, field), abs=1e-5), field
    used = list(made.used)  # of tilts that are not used no distortion is taken over
    np.testing.assert_allclose(again.transforms[used], made.transforms[used], atol=6e-4)


def test_of_a_plain_series_angles_are_all_there_is_to_write(tmp_path) -> None:
    assert write(tmp_path / "ts.mrc", series()) == [str(tmp_path / "ts.tlt")]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ts.mrc", "ts.tlt"]


def test_what_says_the_same_is_left_as_it_is(tmp_path) -> None:
    (tmp_path / "ts.tlt").write_text("\n".join(str(angle + 1.5) for angle in ANGLES))
    first = (tmp_path / "ts.tlt").read_text()
    write(tmp_path / "ts.mrc", series(**ALL))
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    assert len(write_beside(tmp_path / "ts.mrc", series(**ALL))) == 3
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert (tmp_path / "ts.tlt").read_text() == first


@pytest.mark.parametrize("change", [{"angles": (-60, -30, 0, 30, 61)}, {"generated": (0,)}, {"shifts": ((9, 9),) * 5}])
def test_what_says_something_else_is_refused_and_nothing_is_written(change, tmp_path) -> None:
    write(tmp_path / "ts.mrc", series(**ALL))
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    for refuses in (check_beside, write_beside):
        with pytest.raises(MendemError, match="something else of the tilts; give the stack another name"):
            refuses(tmp_path / "ts.mrc", replace(series(**ALL), **change))
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("there", ["ts.xf", "ts.aln", "ts.tilts.json"])
def test_what_would_make_another_series_of_it_is_refused(there, tmp_path) -> None:
    (tmp_path / there).write_text("1 0 0 1 5 5\n" * 5)
    with pytest.raises(MendemError, match="would be taken"):
        check_beside(tmp_path / "ts.mrc", series())


def test_flags_of_another_stack_are_told_in_one_sentence(tmp_path) -> None:
    path = tmp_path / "ts.mrc"
    write(path, series(generated=(0,)))
    flags = read_flags(tmp_path / "ts.tilts.json")
    (tmp_path / "ts.tilts.json").write_text(flags_text("ts.mrc", flags["tilts"][1:]))
    with pytest.raises(MendemError, match="5 tilts and .* is of 4 tilts"):
        mendem.read_tilt_series(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"tilts": [{"angle": "a", "flag": "measured"}]}', '{"tilts": 3}'])
def test_a_file_that_is_no_list_of_flags_is_one_sentence(text, tmp_path) -> None:
    (tmp_path / "ts.tilts.json").write_text(text)
    with pytest.raises(MendemError, match=r"ts.tilts.json is no list of mendem's"):
        read_flags(tmp_path / "ts.tilts.json")
    (tmp_path / "ts.tilts.json").write_text(json.dumps({"tilts": [{"angle": 0.0, "flag": "guessed"}]}))
    with pytest.raises(MendemError, match="neither measured"):
        read_flags(tmp_path / "ts.tilts.json")


def test_a_volume_with_the_provenance_of_a_completed_series_is_none(tmp_path) -> None:
    completed = [{"angle": float(angle), "flag": "measured", "source": k} for k, angle in enumerate(ANGLES)]
    record = {"tilts": {"completed": completed}}
    stack = series().image
    mendem.write(tmp_path / "stack.mrc", replace(stack, metadata={"mendem": record}))
    mendem.write(tmp_path / "volume.mrc", replace(stack, metadata={"mendem": {**record, "quantity": "density"}}))
    assert mendem.read_tilt_series(tmp_path / "stack.mrc").angles == ANGLES
    with pytest.raises(MendemError, match="no tilt angles"):
        mendem.read_tilt_series(tmp_path / "volume.mrc")


def test_a_list_of_angles_beside_it_goes_before_that_of_the_flags(tmp_path) -> None:
    write(tmp_path / "ts.mrc", series(generated=(0,)))
    write_list(tmp_path / "ts.tlt", tuple(angle + 1 for angle in ANGLES), overwrite=True)
    assert mendem.read_tilt_series(tmp_path / "ts.mrc").angles[0] == pytest.approx(ANGLES[0] + 1)
