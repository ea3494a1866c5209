"""OME-Zarr in and out: pixels, axes, voxel sizes and levels, and what is foreign, odd or broken."""

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import zarr_array
from mendem.io.zarr_array import ZarrArray

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint64", "float16", "float32", "float64"]
AXES = [
    ("y", "x"),
    ("z", "y", "x"),
    ("frame", "y", "x"),
    ("tilt", "y", "x"),
    ("channel", "y", "x"),
    ("frame", "z", "y", "x"),
]


def random(shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def voxel(axes, z=45.0, xy=4.6, unit="nm"):
    return VoxelSize(tuple({"z": z, "y": xy, "x": xy}.get(axis) for axis in axes), unit)


def group(folder, attributes, version=3):
    """A group as another program may write it."""
    folder.mkdir(parents=True, exist_ok=True)
    if version == 3:
        content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (folder / "zarr.json").write_text(json.dumps(content))
    else:
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
        (folder / ".zattrs").write_text(json.dumps(attributes))


def array(folder, data, chunks=None, version=3, **options):
    made = zarr.create_array(
        str(folder), shape=data.shape, chunks=chunks or data.shape, dtype=data.dtype, zarr_format=version, **options
    )
    made[...] = data
    return folder


def multiscales(axes, scales, outer=(), paths=None, **more):
    return [
        {
            "axes": axes,
            "datasets": [
                {"path": path, "coordinateTransformations": steps}
                for path, steps in zip(paths or map(str, range(9)), scales, strict=False)
            ],
            "coordinateTransformations": list(outer),
            **more,
        }
    ]


def space(*names, unit="nanometer"):
    return [{"name": n, "type": "space", "unit": unit} for n in names]


def scale(*values):
    return {"type": "scale", "scale": values}


def shift(*values):
    return {"type": "translation", "translation": values}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels_of_every_type_come_back_bit_for_bit(tmp_path, version, dtype):
    data = random((70, 30), dtype)
    if dtype == "uint64":
        data[0, 0] = 2**64 - 1
    io.write(tmp_path / "a.zarr", Image(data), ome_zarr=version)
    back = io.read(tmp_path / "a.zarr")
    assert back.dtype == data.dtype and np.array_equal(back.data, data)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", AXES)
def test_axes_voxel_size_and_provenance_come_back(tmp_path, version, axes):
    shape = {"y": 40, "x": 50, "z": 3}
    data = random([shape.get(axis, 2) for axis in axes])
    io.write(tmp_path / "a.ome.zarr", Image(data, axes, voxel(axes, unit="angstrom")), {"seed": 3}, ome_zarr=version)
    back = io.read(tmp_path / "a.ome.zarr")
    assert np.array_equal(back.data, data) and back.axes == axes
    assert back.voxel_size == voxel(axes, unit="angstrom")
    assert back.metadata["mendem"] == {"seed": 3} and back.metadata["notes"] == []
    assert back.metadata["zarr"]["version"] == version and back.metadata["zarr"]["name"] == "a"


def test_an_unknown_voxel_size_stays_unknown(tmp_path):
    io.write(tmp_path / "a.zarr", Image(random((9, 9))))
    back = io.read(tmp_path / "a.zarr")
    assert not back.voxel_size.known
    assert any(note.startswith("The voxel size is unknown: ") for note in back.metadata["notes"])


@pytest.mark.parametrize("version", [2, 3])
def test_the_file_is_what_the_specification_says(tmp_path, version):
    axes = ("frame", "z", "y", "x")
    name = {2: "0.4", 3: "0.5"}[version]
    io.write(tmp_path / "a.zarr", Image(random((2, 3, 600, 40)), axes, voxel(axes)), ome_zarr=name)
    opened = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert opened.metadata.zarr_format == version
    about = dict(opened.attrs)
    (image,) = about["ome"]["multiscales"] if version == 3 else about["multiscales"]
    assert (about["ome"] if version == 3 else image)["version"] == name
    assert image["axes"] == [{"name": "t", "type": "time"}, *space("z", "y", "x")]
    for dataset in image["datasets"]:
        level = opened[dataset["path"]]
        assert level.ndim == 4
        assert version == 2 or level.metadata.dimension_names == ("t", "z", "y", "x")
    # Means over 2 x 2 (z is coarser by far): the first lies half a pixel further.
    steps = image["datasets"][1]["coordinateTransformations"]
    assert steps[0]["scale"] == pytest.approx([1, 45, 9.2, 9.2])
    assert steps[1]["translation"] == pytest.approx([0, 0, 2.3, 2.3])


def test_levels_are_means_that_become_isotropic(tmp_path):
    data = random((40, 300, 520), "uint8")
    io.write(tmp_path / "a.zarr", Image(data, (), VoxelSize((20.0, 5.0, 5.0))))
    levels = io.read_levels(tmp_path / "a.zarr")
    assert [level.shape for level in levels] == [(40, 300, 520), (40, 150, 260), (40, 75, 130)]
    means = data.reshape(40, 150, 2, 260, 2).mean((2, 4))
    assert np.abs(np.asarray(levels[1].data) - means).max() <= 0.5  # rounded
    assert levels[2].voxel_size.values == (20.0, 20.0, 20.0)
    data = random((300, 20, 30), "float32")
    io.write(tmp_path / "b.zarr", Image(data, (), VoxelSize((5.0, 5.0, 5.0))))
    coarse = io.read_levels(tmp_path / "b.zarr")[1]
    assert np.allclose(coarse.data, data.reshape(150, 2, 10, 2, 15, 2).mean((1, 3, 5)), rtol=1e-6)


def test_the_last_of_an_odd_number_of_pixels_is_its_own_mean(tmp_path):
    data = random((301, 257), "float32")
    io.write(tmp_path / "a.zarr", Image(data))
    coarse = np.asarray(io.read_levels(tmp_path / "a.zarr")[1].data)
    assert coarse.shape == (151, 129)
    assert np.allclose(coarse[-1, :-1], data[-1, :-1].reshape(-1, 2).mean(1))
    assert coarse[-1, -1] == data[-1, -1]


def test_a_level_can_be_read_by_its_path(tmp_path):
    io.write(tmp_path / "a.zarr", Image(random((600, 300)), (), VoxelSize((4.0, 4.0))))
    level = io.read(tmp_path / "a.zarr" / "1")
    assert level.shape == (300, 150) and level.voxel_size.values == (8.0, 8.0)
    assert level.metadata["zarr"]["translation"] == [2.0, 2.0]
    assert level.source.endswith("a.zarr/1") and any("level 1 of 0 to 2" in note for note in level.metadata["notes"])


def test_the_place_of_the_input_is_kept_where_the_shape_is(tmp_path):
    group(tmp_path / "a.zarr", {"ome": {"multiscales": multiscales(space("y", "x"), [[scale(2, 2), shift(8, 6)]])}})
    array(tmp_path / "a.zarr/0", random((20, 30)))
    io.write(tmp_path / "b.zarr", io.read(tmp_path / "a.zarr"))
    assert io.read(tmp_path / "b.zarr").metadata["zarr"]["translation"] == [8, 6]
    image = io.read(tmp_path / "a.zarr")
    io.write(tmp_path / "c.zarr", Image(random((10, 15)), image.axes, image.voxel_size, image.metadata))
    assert io.read(tmp_path / "c.zarr").metadata["zarr"]["translation"] == [0, 0]


def test_scales_of_the_image_and_of_the_level_are_multiplied(tmp_path):
    about = multiscales(
        [{"name": "c", "type": "channel"}, *space("z", unit="micrometer"), *space("y", "x")],
        [[scale(1, 2, 10, 10), shift(0, 1, 5, 5)]],
        [scale(1, 0.01, 2, 2), shift(0, 0, 100, 0)],
    )
    group(tmp_path / "a.zarr", {"multiscales": about}, 2)
    data = random((1, 4, 5, 6))
    array(tmp_path / "a.zarr/0", data, version=2)
    image = io.read(tmp_path / "a.zarr")
    assert image.axes == ("z", "y", "x") and np.array_equal(image.data, data[0])
    assert image.voxel_size.nm == pytest.approx((20, 20, 20)) and image.voxel_size.unit == "nm"
    assert image.metadata["zarr"]["translation"] == pytest.approx([10, 110, 10])


def test_time_and_channels_of_length_one_are_left_out_and_others_kept(tmp_path):
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}, *space("z", "y", "x")]
    for name, shape, kept in (
        ("a", (1, 1, 2, 5, 6), ("z", "y", "x")),
        ("b", (3, 1, 2, 5, 6), ("frame", "z", "y", "x")),
    ):
        group(tmp_path / f"{name}.zarr", {"multiscales": multiscales(axes, [[scale(1, 1, 4, 2, 2)]])}, 2)
        data = random(shape)
        array(tmp_path / f"{name}.zarr/0", data, version=2)
        image = io.read(tmp_path / f"{name}.zarr", lazy_above=0)
        assert image.axes == kept and image.voxel_size.values[-3:] == (4, 2, 2)
        assert np.array_equal(image.data[-1, 1:3], data.squeeze()[-1, 1:3])


@pytest.mark.parametrize("axes", [None, ["t", "c", "z", "y", "x"]])
def test_old_versions_without_units_are_read(tmp_path, axes):
    about = {"datasets": [{"path": "0"}], "version": "0.2"} | ({"axes": axes} if axes else {})
    group(tmp_path / "a.zarr", {"multiscales": [about]}, 2)
    array(tmp_path / "a.zarr/0", random((1, 1, 2, 5, 6)), version=2)
    image = io.read(tmp_path / "a.zarr")
    assert image.axes == ("z", "y", "x") and not image.voxel_size.known


def test_a_scale_without_unit_is_told_and_not_believed(tmp_path):
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    group(tmp_path / "a.zarr", {"ome": {"multiscales": multiscales(axes, [[scale(3, 4)]])}})
    array(tmp_path / "a.zarr/0", random((5, 6)))
    image = io.read(tmp_path / "a.zarr")
    assert not image.voxel_size.known and any("3 x 4 without a unit" in note for note in image.metadata["notes"])


def test_axes_in_another_order_are_told(tmp_path):
    group(tmp_path / "a.zarr", {"ome": {"multiscales": multiscales(space("x", "y", "z"), [[scale(1, 2, 3)]])}})
    array(tmp_path / "a.zarr/0", random((4, 5, 6)))
    image = io.read(tmp_path / "a.zarr")
    assert image.axes == ("z", "y", "x") and image.voxel_size.values == (1, 2, 3)
    assert any("stored as x, y, z" in note for note in image.metadata["notes"])


def test_plain_arrays_and_groups_without_metadata_are_read(tmp_path):
    data = random((5, 6, 7))
    for version in (2, 3):
        image = io.read(array(tmp_path / f"a{version}.zarr", data, version=version))
        assert np.array_equal(image.data, data) and image.axes == ("z", "y", "x") and not image.voxel_size.known
    group(tmp_path / "g.zarr", {})
    array(tmp_path / "g.zarr/em", data)
    array(tmp_path / "g.zarr/other", data[:1])
    image = io.read(tmp_path / "g.zarr")
    assert np.array_equal(image.data, data) and any("em of 2 arrays" in note for note in image.metadata["notes"])


def test_the_first_image_of_a_collection_is_read_and_said(tmp_path):
    data = random((5, 6))
    image = {"ome": {"multiscales": multiscales(space("y", "x"), [[scale(2, 2)]])}}
    plate = tmp_path / "plate.zarr"
    group(plate, {"ome": {"plate": {"wells": [{"path": "B/2"}, {"path": "C/1"}]}}})
    group(plate / "B/2", {"ome": {"well": {"images": [{"path": "0"}]}}})
    group(plate / "B/2/0", image)
    array(plate / "B/2/0/0", data)
    series = tmp_path / "series.zarr"
    group(series, {"ome": {"bioformats2raw.layout": 3}})
    for name in "01":
        group(series / name, image)
        array(series / name / "0", data)
    for path, words in ((plate, "plate of 2 wells; B/2 was read"), (series, "2 images; 0 was read")):
        found = io.read(path)
        assert np.array_equal(found.data, data) and any(words in note for note in found.metadata["notes"])
    group(tmp_path / "two.zarr", {"ome": {"multiscales": image["ome"]["multiscales"] * 2}})
    array(tmp_path / "two.zarr/0", data)
    assert any("holds 2 images" in note for note in io.read(tmp_path / "two.zarr").metadata["notes"])


def test_what_is_no_image_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").write_bytes(b"PK\3\4")
    group(tmp_path / "nothing.zarr", {})
    group(tmp_path / "missing.zarr", {"ome": {"multiscales": multiscales(space("y", "x"), [[scale(1, 1)]])}})
    group(tmp_path / "bad.zarr", {"ome": {"multiscales": [{"datasets": []}]}})
    group(tmp_path / "odd.zarr", {"ome": {"multiscales": multiscales(space("y", "x"), [[scale(1, 1, 1)]])}})
    group(tmp_path / "lost.zarr", {"ome": {"plate": {"wells": [{"path": "A/1"}]}}})
    array(tmp_path / "complex.zarr", np.zeros((4, 4), np.complex64))
    array(tmp_path / "line.zarr", np.zeros(4))
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr/zarr.json").write_text('{"zarr_format": 3, "node_')
    for name, message in (
        ("empty", "not a zarr in spite of its name"),
        ("file", "a zarr is a folder"),
        ("nothing", "no image in it"),
        ("missing", "missing.zarr/0 is missing"),
        ("bad", "damaged OME-Zarr metadata"),
        ("odd", "needs 2 numbers"),
        ("lost", "lists A/1, which is not there"),
        ("complex", "complex numbers"),
        ("line", "two dimensions"),
        ("broken", "is damaged"),
    ):
        with pytest.raises(MendemError, match=message) as caught:
            io.read(tmp_path / f"{name}.zarr")
        assert "\n" not in str(caught.value)


def test_missing_chunks_have_the_fill_value_and_damaged_ones_are_said(tmp_path):
    array(tmp_path / "a.zarr", random((64, 64)), (32, 32), fill_value=7)
    (tmp_path / "a.zarr/c/0/1").unlink()
    (tmp_path / "a.zarr/c/1/0").write_bytes(b"nonsense")
    image = io.read(tmp_path / "a.zarr", lazy_above=0)
    assert (np.asarray(image.data[:32, 32:]) == 7).all()
    with pytest.raises(MendemError, match=r"cannot be read at \[32:64, 0:32\].*copy it again"):
        image.data[40, 3]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_random_damage_gives_an_image_or_a_clear_error(tmp_path, version):
    path = tmp_path / "a.zarr"
    io.write(path, Image(random((2, 300, 60)), (), voxel(("z", "y", "x"))), ome_zarr=version)
    files = [file for file in path.rglob("*") if file.is_file()]
    metadata = [file for file in files if file.name.startswith((".z", "zarr.json"))]
    rng = np.random.default_rng(4)
    refused = 0
    for i in range(150):
        file = (metadata if i % 4 else files)[rng.integers(len(metadata))]
        raw = file.read_bytes()
        damaged = bytearray(raw)
        if i % 2:
            del damaged[rng.integers(len(raw)) :]
        else:
            damaged[rng.integers(len(raw))] = rng.integers(32, 127)
        file.write_bytes(damaged)
        try:
            for level in [io.read(path), *io.read_levels(path)]:
                np.asarray(level.data[0, :3])
        except MendemError as error:
            refused += 1
            assert "\n" not in str(error)
        file.write_bytes(raw)
    assert refused > 50


KEYS = [
    ...,
    0,
    (1, 2, 3),
    (slice(None), 5),
    (slice(5, 63), slice(10, 50), slice(3, 60, 7)),
    (0, slice(60, 5, -4), slice(None, None, -1)),
    (slice(None, None, 9), ..., slice(0, 1)),
    (slice(-1, None, -31), slice(69, 0, -1), slice(40, None)),
    (slice(None), slice(5, 5)),
]


@pytest.mark.parametrize("shards", [None, (32, 60, 80)])
@pytest.mark.parametrize("cache", [0, 1 << 20])
def test_slices_are_those_of_numpy(tmp_path, shards, cache, monkeypatch):
    monkeypatch.setattr(zarr_array, "CACHE_BYTES", cache)
    data = random((70, 71, 90), ">u2")
    array(tmp_path / "a.zarr", data, (16, 30, 40), shards=shards)
    lazy = io.read(tmp_path / "a.zarr", lazy_above=0).data
    assert isinstance(lazy, ZarrArray) and lazy.chunks == (16, 30, 40) and lazy.dtype == np.uint16
    for key in KEYS * 2:  # the second time from memory
        assert np.array_equal(lazy[key], data[key]) and np.shape(lazy[key]) == data[key].shape
    with pytest.raises(TypeError):
        lazy[[1, 2]]


def test_arrays_are_shared_by_threads_and_sent_to_processes(tmp_path):
    data = random((70, 71, 90))
    lazy = io.read(array(tmp_path / "a.zarr", data, (16, 30, 40)), lazy_above=0).data
    with ThreadPoolExecutor(4) as pool:
        assert np.array_equal(np.stack(list(pool.map(lazy.__getitem__, range(70)))), data)
    code = "import sys, pickle; a = pickle.load(sys.stdin.buffer); print(int(a[3:60].sum()))"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(lazy), capture_output=True, check=True)
    assert int(done.stdout) == data[3:60].sum()


def test_a_chunk_is_decoded_once_when_planes_are_read_one_by_one(tmp_path, monkeypatch):
    data = random((40, 64, 64))
    lazy = io.read(array(tmp_path / "a.zarr", data, (20, 32, 32)), lazy_above=0).data
    boxes = []
    read = ZarrArray._read_box
    monkeypatch.setattr(ZarrArray, "_read_box", lambda self, box: boxes.append(box) or read(self, box))
    assert all(np.array_equal(lazy[z], data[z]) for z in range(40))
    assert len(boxes) == 4  # two layers of chunks, each with two rows


def test_a_chunk_that_is_rewritten_is_read_anew_and_another_array_is_refused(tmp_path):
    data = random((20, 32, 32))
    lazy = io.read(array(tmp_path / "a.zarr", data, (20, 32, 32)), lazy_above=0).data
    assert np.array_equal(lazy[3], data[3])
    zarr.open_array(tmp_path / "a.zarr")[...] = data + 1
    assert np.array_equal(lazy[3], data[3] + 1)
    io.write(tmp_path / "b.zarr", Image(data))
    held = io.read(tmp_path / "b.zarr", lazy_above=0)
    io.write(tmp_path / "b.zarr", Image(data[:5]), overwrite=True)
    with pytest.raises(MendemError, match="changed on disk"):
        held.data[0]


def test_a_folder_that_is_no_zarr_is_never_replaced(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr/thesis.txt").write_text("years of work")
    (tmp_path / "b.zarr").write_text("a file")
    for name in ("a.zarr", "b.zarr"):
        with pytest.raises(MendemError, match="not a zarr, and is not replaced"):
            io.write(tmp_path / name, Image(random((5, 5))), overwrite=True)
    assert (tmp_path / "a.zarr/thesis.txt").read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


def test_what_ome_zarr_does_not_hold_is_refused(tmp_path):
    for axes, shape in ((("z", "frame", "y", "x"), (2, 2, 5, 5)), (("a", "b", "c", "z", "y", "x"), (1, 1, 1, 2, 5, 5))):
        with pytest.raises(MendemError, match="does not hold the axes"):
            io.write(tmp_path / "a.zarr", Image(random(shape), axes))
    with pytest.raises(MendemError, match="choose one of 0.4, 0.5"):
        io.write(tmp_path / "a.zarr", Image(random((5, 5))), ome_zarr="1.0")
    with pytest.raises(MendemError, match="give it the suffix .zarr"):
        io.write(tmp_path / "a.tif", Image(random((5, 5))), ome_zarr="0.4")
    assert list(tmp_path.iterdir()) == []


def test_rows_of_planes_are_encoded_once_for_each_chunk(tmp_path, monkeypatch):
    data = random((70, 100, 90))
    stored = []
    store = io.zarr_write.Chunks._store
    monkeypatch.setattr(io.zarr_write.Chunks, "_store", lambda self, *a: stored.append(a) or store(self, *a))
    with io.open_writer(tmp_path / "a.zarr", data.shape, data.dtype) as writer:
        assert writer.chunks == (64, 64, 64)
        for z in range(70):
            for y in range(0, 100, 30):
                writer.put(z, y, 0, data[z, y : y + 30])
    assert len(stored) == 2 * 2 * 2
    assert np.array_equal(io.read(tmp_path / "a.zarr").data, data)


def test_the_tables_of_formats_load_without_zarr():
    code = "import sys, mendem.io; print('zarr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory of a process from /proc")
def test_memory_stays_small_whatever_the_size_of_the_volume(tmp_path):
    # 1.1 GB, all but a few chunks of it fill value: read plane by plane, written box by box.
    code = """
import sys
import numpy as np
from mendem import io
shape, source, target = (256, 1024, 1024), sys.argv[1] + "/a.zarr", sys.argv[1] + "/b.zarr"
box = np.random.default_rng(0).normal(size=(64, 256, 256)).astype("float32")
with io.open_writer(source, shape, "float32") as writer:
    for z in range(0, 256, 64):
        writer.put_box(z, z, 512, box)
image = io.read(source)
total = sum(float(image.read(z).sum(dtype=float)) for z in range(256))
assert abs(total - 4 * float(box.sum(dtype=float))) < 1e-3
with io.open_writer(target, shape, "float32") as writer:
    for z in range(0, 256, 64):
        for y in range(0, 1024, 256):
            writer.put_box(z, y, 0, image.data[z : z + 64, y : y + 256])
assert (io.read(target).data[64:128, 64:320, 512:768] == box).all()
with open("/proc/self/status") as file:  # ru_maxrss would count what the parent held when it started this
    print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 600_000  # kB: at most 256 MB of remembered chunks, the boxes, and the libraries
