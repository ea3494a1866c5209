"""Reader, writer and samples, as npe2 calls them."""

from __future__ import annotations

import npe2
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
from napari_mendem.layers import image_from_layer
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


@pytest.fixture
def pyramid(tmp_path):
    """A zarr of two levels."""
    pixels = np.random.default_rng(0).integers(0, 255, (4, 300, 280), np.uint8)
    path = tmp_path / "volume.ome.zarr"
    image = Image(pixels, ("z", "y", "x"), VoxelSize((9.0, 4.0, 4.0)))
    mendem.write(path, image, provenance={"seed": 1})
    return str(path), pixels


def test_a_zarr_is_a_multiscale_layer_that_stays_on_disk(pyramid):
    path, pixels = pyramid
    viewer = ViewerModel()
    viewer.add_layer(open_layer(path))
    (layer,) = viewer.layers
    assert layer.multiscale and [level.shape for level in layer.data] == [(4, 300, 280), (4, 150, 140)]
    assert all(isinstance(level, LazyArray) for level in layer.data)
    assert layer.scale == pytest.approx((9, 4, 4)) and layer.axis_labels == ("z", "y", "x")
    assert [str(u) for u in layer.units] == ["nanometer"] * 3
    assert layer.metadata["mendem"] == {"seed": 1}
    image = image_from_layer(layer)
    assert image.voxel_size.values == (9, 4, 4)
    np.testing.assert_array_equal(image.read(2), pixels[2])


def test_a_level_of_a_zarr_lies_where_its_pixels_are(pyramid):
    layer = open_layer(f"{pyramid[0]}/1")
    assert not layer.multiscale and layer.scale == pytest.approx((9, 8, 8))
    assert layer.translate == pytest.approx((0, 2, 2))


def test_folders_that_are_no_zarr_are_left_to_others(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "named.zarr").mkdir()
    assert get_reader(str(tmp_path / "folder")) is None
    assert get_reader(str(tmp_path / "named.zarr")) is None


def test_napari_finds_the_reader_and_the_writer_of_zarrs(pyramid, tmp_path, npe2pm):
    path, pixels = pyramid
    target = str(tmp_path / "out.zarr")
    with npe2pm.tmp_plugin(manifest=npe2.PluginManifest.from_distribution("napari-mendem")):
        (layer,) = (Layer.create(*data) for data in npe2.read([path], stack=False, plugin_name="napari-mendem"))
        assert layer.multiscale
        assert npe2.write(target, [layer.as_layer_data_tuple()], plugin_name="napari-mendem") == [target]
    back = mendem.read(target)
    assert back.voxel_size.values == (9, 4, 4)
    np.testing.assert_array_equal(back.data, pixels)


@pytest.mark.parametrize("suffix", [".tif", ".mrc", ".zarr"])
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


def test_double_precision_is_written_as_single_where_other_programs_know_no_other(tmp_path):
    layer = ImageLayer(np.random.default_rng(0).random((20, 30)))
    write_image(str(tmp_path / "a.zarr"), *layer.as_layer_data_tuple()[:2])
    assert open_layer(str(tmp_path / "a.zarr")).data.dtype == np.float64
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
