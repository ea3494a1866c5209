"""What is copied to the clipboard makes the same result."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

import mendem
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.tasks import Denoise
from napari_mendem.costs import Outputs
from napari_mendem.layers import image_from_layer
from napari_mendem.readers import read
from napari_mendem.script import as_command, as_python
from napari_mendem.workers import Preparations, Request, RestoreJob


@pytest.fixture
def viewer(tmp_path, micrograph, monkeypatch) -> ViewerModel:
    """A stack of two slices opened from a file; the current folder is another one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    path = str(tmp_path / "data" / "raw stack.tif")
    stack = Image(np.stack([micrograph, micrograph[::-1]]), ("z", "y", "x"), VoxelSize((8.0, 5.0, 5.0)))
    mendem.write(path, stack)
    made = ViewerModel()
    ((data, kwargs, _),) = read(path)
    made.add_image(data, name="raw", **kwargs)
    from napari.layers._source import Source

    made.layers["raw"]._source = Source(path=path, reader_plugin="napari-mendem")
    return made


def computed(request: Request) -> np.ndarray:
    return RestoreJob(request, Outputs(), Preparations()).work().result


def executed(text: str, **names) -> np.ndarray:
    exec(compile(text, "copied", "exec"), names)
    return names["result"].image.data


def full_request(viewer, options) -> Request:
    chosen = replace(options, budget="preview", estimate="sample", samples=1, seed=7, resample=False)
    return Request(image_from_layer(viewer.layers["raw"]), Denoise(noise=25.5), chosen, region=(40, 140, 30, 200))


def test_python_makes_the_same_array(viewer, options):
    request = full_request(viewer, options)
    np.testing.assert_array_equal(executed(as_python(request)), computed(request))
    assert Path("raw_stack_denoise.tif").exists()


def test_python_for_one_slice(viewer, options):
    request = replace(full_request(viewer, options), planes=(1,))
    np.testing.assert_array_equal(executed(as_python(request)), computed(request))


def test_python_takes_an_image_without_a_file_from_the_viewer(options, micrograph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    viewer = ViewerModel()
    viewer.add_image(micrograph, name="made here")
    request = Request(image_from_layer(viewer.layers[0]), Denoise(), options)
    np.testing.assert_array_equal(executed(as_python(request), viewer=viewer), computed(request)[0])


def test_python_says_a_voxel_size_that_was_changed(viewer, options):
    viewer.layers["raw"].scale = (8, 1.5, 1.5)
    request = Request(image_from_layer(viewer.layers["raw"]), Denoise(), options)
    text = as_python(request)
    assert "mendem.VoxelSize((8.0, 1.5, 1.5), 'nm')" in text
    np.testing.assert_array_equal(executed(text), computed(request))


def test_python_with_a_measured_noise(viewer, options, tmp_path):
    mendem.write(tmp_path / "empty.tif", Image(np.random.default_rng(0).normal(0, 20, (64, 64)).astype(np.float32)))
    inputs = {"noise": mendem.read(tmp_path / "empty.tif")}
    request = replace(Request(image_from_layer(viewer.layers["raw"]), Denoise(), options), inputs=inputs)
    np.testing.assert_array_equal(executed(as_python(request)), computed(request))
    assert f"--noise {tmp_path / 'empty.tif'}" in as_command(request)


def test_the_command_makes_the_same_file(viewer, options):
    request = full_request(viewer, options)
    command = shlex.split(as_command(request))
    assert command[0] == "mendem"
    source = str(Path(mendem.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", *command], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = mendem.read(command[4] if command[4].endswith(".tif") else command[3]).data
    np.testing.assert_array_equal(written, computed(request))


def test_defaults_are_not_said(viewer, tiny_prior):
    from mendem.options import Options

    text = as_command(Request(image_from_layer(viewer.layers["raw"]), Denoise(), Options()))
    assert "--" not in text


def test_a_command_needs_a_file_and_whole_stacks(viewer, options, micrograph):
    with pytest.raises(MendemError, match="save the layer"):
        as_command(Request(Image(micrograph, source="made here"), Denoise(), options))
    with pytest.raises(MendemError, match="all slices"):
        as_command(replace(full_request(viewer, options), planes=(1,)))


def test_a_file_that_became_another_is_not_named(viewer, options):
    request = Request(image_from_layer(viewer.layers["raw"]), Denoise(), options)
    mendem.write(request.image.source, Image(np.zeros((5, 5), np.uint8)), overwrite=True)
    assert "viewer.layers" in as_python(request, "raw")
