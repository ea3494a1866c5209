"""``mendem align``, with an engine that answers at once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import mendem
from mendem.cli import BAD_INPUT, DONE, main
from mendem.io.tilt_angles import write as write_list
from mendem.tomography import alignment as engine
from mendem.tomography.align_checks import AlignmentChecks
from mendem.tomography.tilt_files import read_tilt_series

ANGLES = tuple(float(a) for a in range(-40, 41, 10))
COUNT = len(ANGLES)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ts.mrc"
    stack = np.random.default_rng(0).normal(0, 1, (COUNT, 40, 48)).astype(np.float32)
    mendem.write(path, mendem.Image(stack, ("tilt", "y", "x"), mendem.VoxelSize((None, 2.0, 2.0))))
    write_list(tmp_path / "ts.tlt", ANGLES)
    return path


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """What the engine was asked for."""
    heard: list[dict] = []

    def answer(series, *, check, progress, **options):
        heard.append(options)
        check()
        progress(1.0)
        ones = np.ones(len(series.used))
        checks = AlignmentChecks(series.used, series.true_angles, False, ones, None, None, None, (3,))
        moved = series
        if not series.aligned or options["again"]:
            moved = replace(series, shifts=((0.0, 1.5),) * series.count, axis_angle=-2.0)
        return engine.Alignment(moved, checks, 12.0, np.zeros((len(series.used), 2)), 0.1)

    monkeypatch.setattr(engine, "align", answer)
    return heard


def test_the_alignment_is_written_as_imod_does_and_told_as_json(file, asked, tmp_path, capsys):
    target = tmp_path / "found.xf"
    assert main(["align", str(file), str(target), "--kind", "slab", "--no-axis", "--json"]) == DONE
    assert asked == [{"kind": "slab", "axis": False, "again": False}]
    told = json.loads(capsys.readouterr().out)
    assert told["output"] == [str(target), str(tmp_path / "found.tlt")]
    assert told["moved"] and told["axis_angle"] == -2.0 and told["doubtful"] == [3] and told["kind"] == "slab"
    assert told["shifts_px"] == [[0.0, 1.5]] * COUNT and told["mass"] is None
    found = read_tilt_series(file, alignment=target)
    np.testing.assert_allclose(found.shifts, [(0.0, 1.5)] * COUNT, atol=2e-3)  # .xf has three decimals
    assert found.angles == ANGLES and found.axis_angle == pytest.approx(-2.0, abs=1e-4)


def test_nothing_is_overwritten_unless_told(file, asked, tmp_path, capsys):
    # Angles of something else would be replaced by those of the alignment; the series' own are left as they are.
    (tmp_path / "other.tlt").write_text("1\n2\n3\n")
    assert main(["align", str(file), str(tmp_path / "other.xf")]) == BAD_INPUT
    assert "other.tlt exists" in capsys.readouterr().err and not asked and not (tmp_path / "other.xf").exists()
    assert main(["align", str(file), str(tmp_path / "ts.xf"), "--overwrite"]) == DONE
    assert "-2.00 ± 0.1° from y; 0.00° was stated" in capsys.readouterr().out


def test_an_aligned_series_is_left_as_it_is_unless_told(file, asked, tmp_path, capsys):
    main(["align", str(file), str(tmp_path / "ts.xf"), "--overwrite"])
    capsys.readouterr()
    assert main(["align", str(file), str(tmp_path / "again.xf")]) == DONE
    assert "left as it is" in capsys.readouterr().out
    assert (tmp_path / "again.xf").read_text() == (tmp_path / "ts.xf").read_text()


@pytest.mark.parametrize(("name", "words"), [("found.txt", "must end in .xf"), ("found.xf", "at least 32")])
def test_what_cannot_be_done_is_one_line(name, words, file, tmp_path, capsys):
    if "32" in words:  # the engine itself refuses it
        mendem.write(file, mendem.Image(np.ones((COUNT, 8, 8), np.float32), ("z", "y", "x")), overwrite=True)
    assert main(["align", str(file), str(tmp_path / name)]) == BAD_INPUT
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not (tmp_path / name).exists()
