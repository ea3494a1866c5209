"""A tilt series that is saved by napari and opened again is the same series."""

from __future__ import annotations

from dataclasses import replace

import npe2
import numpy as np
import pytest
from napari import Viewer
from napari.layers import Image as ImageLayer

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.tilt_layers import layer_of, series_of, tilts_metadata
from napari_mendem.wedge_tilts import exclude

ANGLES = (-90.0, -60.0, -30.0, 0.0, 30.0, 60.0, 90.0)


def series(**given) -> TiltSeries:
    pixels = np.random.default_rng(0).integers(0, 999, (7, 6, 8)).astype(np.uint16)
    return TiltSeries(Image(pixels, ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0)), {}, "ts"), ANGLES, **given)


def layer(made: TiltSeries) -> ImageLayer:
    data, kwargs, _ = layer_of(made, "ts")
    return ImageLayer(data, **kwargs)


@pytest.fixture
def viewer(qapp):
    made = Viewer(show=False)
    yield made
    made.close()


@pytest.mark.parametrize("name", ["saved.mrc", "saved.tif"])
def test_a_completed_series_is_saved_and_opened_with_all_that_is_known_of_its_tilts(viewer, name, tmp_path):
    first = viewer.add_layer(layer(series(generated=(0, 6), shifts=((1.0, 0.0),) * 7, dose=(0, 3, 3, 3, 3, 3, 0))))
    exclude(first, frozenset({2}))
    saved = viewer.layers.save(str(tmp_path / name), plugin="napari-mendem")
    assert {p.name for p in tmp_path.iterdir()} == {name, "saved.tlt", "saved.xf", "saved.tilts.json"}
    assert set(saved) == {str(p) for p in tmp_path.iterdir()}
    (again,) = viewer.open(str(tmp_path / name), plugin="napari-mendem")
    np.testing.assert_array_equal(again.data, first.data)
    assert again.data.dtype == np.uint16
    before, after = (tilts_metadata(series_of(one)) for one in (first, again))
    assert after.pop("notes") != before.pop("notes")  # which say where it comes from
    assert after == before and after["generated"] == (0, 6) and after["excluded"] == (2,)


def test_saving_replaces_no_file_beside_another_stack(viewer, tmp_path):
    (tmp_path / "ts.tlt").write_text("1\n2\n3\n4\n5\n6\n7\n")
    viewer.add_layer(layer(series()))
    path = str(tmp_path / "ts.mrc")
    writer = next(w for w in npe2.PluginManager.instance().iter_compatible_writers(["image"]) if "mendem" in w.command)
    with pytest.raises(MendemError, match="ts.tlt exists and says something else"):
        viewer.layers.save(path, _writer=writer)  # as napari's dialog does
    assert [p.name for p in tmp_path.iterdir()] == ["ts.tlt"]


def test_a_volume_is_saved_alone(viewer, tmp_path):
    made = series()
    data, kwargs, _ = layer_of(replace(made), "volume")
    del kwargs["metadata"]["tilts"]
    viewer.add_image(data, **kwargs)
    viewer.layers.save(str(tmp_path / "volume.mrc"), plugin="napari-mendem")
    assert [p.name for p in tmp_path.iterdir()] == ["volume.mrc"]
