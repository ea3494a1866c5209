"""Tilt series as layers: opened with what lies beside them, and taken back from the layer without loss."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image as ImageLayer

import mendem
from mendem.errors import MendemError
from mendem.io.tilt_angles import write as write_list
from mendem.tomography.tilt_files import write_alignment
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.layers import image_from_layer
from napari_mendem.readers import read
from napari_mendem.tilt_layers import is_tilt_series, layer_of, series_of, take_angles, tilts_metadata

ANGLES = (-40.0, -20.0, 0.0, 20.0, 40.0)


def stack(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, (count, 12, 16)).astype(np.float32)


def series(**changes) -> TiltSeries:
    image = mendem.Image(stack(), ("tilt", "y", "x"), mendem.VoxelSize((None, 1.5, 1.5)), {}, "ts")
    return TiltSeries(image, ANGLES, **changes)


def as_layer(made) -> ImageLayer:
    data, kwargs, _ = made
    return ImageLayer(data, **kwargs)


@pytest.fixture(params=["ts.mrc", "ts.tif"])
def file(request, tmp_path):
    path = tmp_path / request.param
    image = mendem.Image(stack(), ("z", "y", "x"), mendem.VoxelSize((1.5, 1.5, 1.5)))
    mendem.write(path, image)
    return path


def test_a_stack_with_angles_beside_it_opens_as_a_tilt_series(file):
    write_list(file.with_suffix(".tlt"), ANGLES)
    (made,) = read(str(file))
    layer = as_layer(made)
    assert is_tilt_series(layer) and layer.axis_labels == ("tilt", "y", "x") and "name" not in made[1]
    assert tuple(layer.scale) == (1.0, 1.5, 1.5) and {str(unit) for unit in layer.units} == {"nanometer"}
    found = series_of(layer)
    assert found.angles == ANGLES and not found.aligned
    assert found.image.voxel_size.nm == pytest.approx((None, 1.5, 1.5))


def test_an_alignment_beside_the_stack_is_taken_over(file):
    write_alignment(file, series(axis_angle=84.0, shifts=((1.0, 2.0),) * 5))
    # The stem of the stack, as programs write it.
    file.with_name(f"{file.name}.xf").rename(file.with_suffix(".xf"))
    file.with_name(f"{file.name}.tlt").rename(file.with_suffix(".tlt"))
    found = series_of(as_layer(read(str(file))[0]))
    assert found.aligned and found.axis_angle == pytest.approx(84.0, abs=1e-4)
    np.testing.assert_allclose(found.shifts, [(1.0, 2.0)] * 5, atol=2e-3)  # .xf has three decimals


def test_a_stack_without_angles_is_what_it_was(file):
    layer = as_layer(read(str(file))[0])
    assert not is_tilt_series(layer) and layer.axis_labels == ("z", "y", "x")
    with pytest.raises(MendemError, match="no tilt angles"):
        series_of(layer)


def test_angles_of_another_stack_are_said_and_the_stack_opens(file, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    write_list(file.with_suffix(".tlt"), ANGLES[:3])
    layer = as_layer(read(str(file))[0])
    assert not is_tilt_series(layer) and layer.data.shape == (5, 12, 16)
    assert len(said) == 1 and "5 tilts" in said[0] and "3 angles" in said[0]


def test_a_tomogram_beside_the_angles_of_its_tilts_is_a_volume(tmp_path):
    path = tmp_path / "ts.rec"
    mendem.write(path, mendem.Image(stack(), ("z", "y", "x")))
    write_list(tmp_path / "ts.tlt", ANGLES)
    assert not is_tilt_series(as_layer(read(str(path))[0]))


def test_all_that_is_known_of_tilts_survives_the_layer():
    given = series(
        axis_angle=-3.0,
        offset=1.5,
        shifts=tuple((float(i), -2.0 * i) for i in range(5)),
        excluded=(1,),
        dose=(3.0,) * 5,
        order=(4, 2, 0, 1, 3),
        distortions=(((1.01, 0.0), (0.0, 0.99)),) * 5,
        x_tilts=(0.5,) * 5,
        notes=("Angles from ts.tlt.",),
    )
    layer = as_layer(layer_of(given, "ts"))
    back = series_of(layer)
    assert layer.name == "ts" and tilts_metadata(back) == tilts_metadata(given)
    np.testing.assert_array_equal(back.transforms, given.transforms)


@pytest.mark.parametrize("tilts", [{"angles_deg": ANGLES[:4]}, {"angles_deg": "none"}, {"angles_deg": None}])
def test_tilts_that_do_not_fit_are_one_sentence(tilts):
    layer = ImageLayer(stack(), name="ts", metadata={"tilts": tilts})
    with pytest.raises(MendemError):
        series_of(layer)


def test_a_stack_becomes_a_tilt_series_by_a_file_of_angles(file, tmp_path):
    layer = as_layer(read(str(file))[0])
    write_list(tmp_path / "others.tlt", ANGLES)
    take_angles(layer, str(tmp_path / "others.tlt"))
    assert series_of(layer).angles == ANGLES and layer.axis_labels == ("tilt", "y", "x")
    # Tilts have no distance from one another, whatever unit napari shows.
    assert image_from_layer(layer).voxel_size.nm == pytest.approx((None, 1.5, 1.5))
    write_list(tmp_path / "fewer.tlt", ANGLES[1:])
    with pytest.raises(MendemError, match="5 tilts.*4 angles"):
        take_angles(layer, str(tmp_path / "fewer.tlt"))
    assert series_of(layer).angles == ANGLES


def test_a_scale_bar_has_lengths_beside_a_tomogram():
    from napari.components import ViewerModel

    viewer = ViewerModel()
    viewer.add_image(stack(), units=("nm",) * 3, axis_labels=("z", "y", "x"))
    viewer.add_layer(as_layer(layer_of(series(), "ts")))
    assert {str(unit) for unit in viewer.dims.units} == {"nanometer"}
