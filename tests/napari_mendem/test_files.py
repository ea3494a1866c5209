"""Reader, writer and samples, as npe2 calls them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Layer

import mendem
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import LazyArray
from napari_mendem import samples
from napari_mendem.readers import get_reader
from napari_mendem.writers import write_image


@pytest.fixture
def file(tmp_path, micrograph):
    path = tmp_path / "micrograph.tif"
    mendem.write(path, Image(micrograph, voxel_size=VoxelSize((3.4, 3.4))), provenance={"task": {"name": "x"}})
    return str(path)


def open_layer(path: str) -> ImageLayer:
    (data,) = get_reader(path)(path)
    return Layer.create(*data)


def test_scale_units_axes_and_provenance_reach_the_layer(file, micrograph):
    layer = open_layer(file)
    assert layer.scale == pytest.approx((3.4, 3.4))
    assert [str(u) for u in layer.units] == ["nanometer"] * 2
    assert layer.axis_labels == ("y", "x")
    assert layer.metadata["mendem"] == {"task": {"name": "x"}}
    np.testing.assert_array_equal(layer.data, micrograph)


def test_an_unknown_voxel_size_is_shown_as_pixels(tmp_path, micrograph):
    mendem.write(tmp_path / "a.mrc", Image(micrograph))
    layer = open_layer(str(tmp_path / "a.mrc"))
    assert [str(u) for u in layer.units] == ["pixel"] * 2
    assert any("voxel size is unknown" in note.lower() for note in layer.metadata["notes"])


def test_a_foreign_suffix_is_left_to_others():
    assert get_reader("photo.png") is None
    assert get_reader([]) is None
    assert get_reader(["a.tif", "b.png"]) is None


def test_several_files_become_several_layers(file):
    assert len(get_reader([file, file])([file, file])) == 2


def test_a_damaged_file_is_a_message_and_no_layer(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)
    path = tmp_path / "broken.tif"
    path.write_bytes(b"no image at all")
    assert get_reader(str(path))(str(path)) == [(None,)]
    assert len(said) == 1
    assert str(path) in said[0]


def test_a_large_file_stays_on_disk_and_can_be_shown(tmp_path, monkeypatch, micrograph):
    monkeypatch.setattr("mendem.io.files.LAZY_ABOVE", 1000)
    monkeypatch.setattr("mendem.io.read.__defaults__", (None, 1000))
    stack = np.stack([micrograph] * 3)
    mendem.write(tmp_path / "stack.mrc", Image(stack, ("frame", "y", "x")))
    viewer = ViewerModel()
    viewer.add_layer(open_layer(str(tmp_path / "stack.mrc")))
    (layer,) = viewer.layers
    assert isinstance(layer.data, LazyArray)
    viewer.dims.set_current_step(0, 2)
    np.testing.assert_array_equal(layer._slice.image.raw, stack[2])


@pytest.mark.parametrize("suffix", [".tif", ".mrc"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.uint8])
def test_a_layer_survives_writing_and_reading(tmp_path, suffix, dtype):
    pixels = np.arange(600, dtype=dtype).reshape(20, 30)
    layer = ImageLayer(pixels, scale=(5, 5), units=("angstrom",) * 2, metadata={"mendem": {"seed": 1}})
    path = str(tmp_path / f"out{suffix}")
    assert write_image(path, *layer.as_layer_data_tuple()[:2]) == [path]
    back = open_layer(path)
    assert back.data.dtype == dtype
    np.testing.assert_array_equal(back.data, pixels)
    assert back.scale == pytest.approx((5, 5))
    assert str(back.units[0]) == "angstrom"
    assert back.metadata["mendem"] == {"seed": 1}


def test_double_precision_is_written_as_single(tmp_path):
    layer = ImageLayer(np.random.default_rng(0).random((20, 30)))
    write_image(str(tmp_path / "a.mrc"), *layer.as_layer_data_tuple()[:2])
    assert open_layer(str(tmp_path / "a.mrc")).data.dtype == np.float32


def test_colours_are_not_written(tmp_path):
    layer = ImageLayer(np.zeros((5, 6, 3), np.uint8), rgb=True)
    with pytest.raises(MendemError, match="Split RGB"):
        write_image(str(tmp_path / "a.tif"), *layer.as_layer_data_tuple()[:2])


def test_the_sample_has_its_hidden_truth(monkeypatch):
    small = (Image(np.zeros((8, 8), np.uint8), source="sample"), Image(np.zeros((8, 8), np.float32)))
    monkeypatch.setattr("mendem.simulate.sample_micrograph", lambda: small)
    truth, noisy = (Layer.create(*data) for data in samples.micrograph())
    assert (noisy.name, noisy.visible) == ("Neuropil", True)
    assert (truth.name, truth.visible) == ("Neuropil · truth", False)


@pytest.mark.parametrize("name", ["blurred", "coarse", "damaged", "frames"])
def test_a_sample_is_a_noisy_picture_of_its_truth(name):
    truth, noisy = (ImageLayer(data, **kwargs) for data, kwargs, _ in getattr(samples, name)())
    assert truth.name == f"{noisy.name} · truth"
    recorded = np.asarray(noisy.data, float)
    recorded = recorded.mean(axis=0) if name == "frames" else recorded
    k = truth.data.shape[-1] // recorded.shape[-1]
    assert k == (2 if name == "coarse" else 1)
    means = np.asarray(truth.data, float).reshape(recorded.shape[0], k, recorded.shape[1], k).mean((1, 3))
    assert np.corrcoef(means.ravel(), recorded.ravel())[0, 1] > 0.6
