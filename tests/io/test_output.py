"""A file appears under its name whole or not at all, and what goes wrong is said in one sentence."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import dask.array
import numpy as np
import pytest

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import writer, zarr_chunks

NAMES = ["a.tif", "a.mrc", "a.zarr"]


def image(value=1, shape=(30, 40)):
    return Image(np.full(shape, value, np.uint16))


@pytest.mark.parametrize("name", NAMES)
def test_an_existing_file_is_refused_unless_overwriting_is_allowed(tmp_path, name):
    io.write(tmp_path / name, image(1))
    with pytest.raises(MendemError, match="exists"):
        io.write(tmp_path / name, image(2))
    assert (io.read(tmp_path / name).data == 1).all()
    io.write(tmp_path / name, image(2), overwrite=True)
    assert (io.read(tmp_path / name).data == 2).all()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, name):
    io.write(tmp_path / name, image(1))
    with pytest.raises(RuntimeError, match="stop"):
        with io.open_writer(tmp_path / name, (30, 40), "uint16", overwrite=True) as writer:
            writer.put(0, 0, 0, np.full((30, 40), 2, np.uint16))
            raise RuntimeError("stop")
    assert (io.read(tmp_path / name).data == 1).all()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_leaves_no_file_that_looks_whole(tmp_path, name):
    code = (
        "import os, sys, numpy as np; from mendem import io\n"
        "w = io.open_writer(sys.argv[1], (30, 40), 'uint16'); w.put(0, 0, 0, np.ones((9, 9), np.uint16)); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / name], check=False).returncode == 9
    (left,) = os.listdir(tmp_path)
    assert left.endswith(".part")
    with pytest.raises(MendemError, match="cannot write"):
        io.write(tmp_path / left, image())


@pytest.mark.parametrize("name", NAMES)
def test_an_image_can_be_written_over_the_file_it_is_read_from(tmp_path, name):
    data = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    io.write(tmp_path / name, Image(data))
    io.write(tmp_path / name, io.read(tmp_path / name, lazy_above=0), {"seed": 1}, overwrite=True)
    back = io.read(tmp_path / name)
    assert np.array_equal(back.data, data) and back.metadata["mendem"] == {"seed": 1}


@pytest.mark.parametrize("name", NAMES)
def test_rectangles_may_come_in_any_order_and_from_threads(tmp_path, name):
    data = np.random.default_rng(0).normal(size=(3, 100, 120)).astype(np.float32)
    boxes = [(p, y, x) for p in range(3) for y in range(0, 100, 30) for x in range(0, 120, 50)]
    np.random.default_rng(1).shuffle(boxes)
    with io.open_writer(tmp_path / name, data.shape, data.dtype, ("frame", "y", "x")) as writer:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda b: writer.put(*b, data[b[0], b[1] : b[1] + 30, b[2] : b[2] + 50]), boxes))
    back = io.read(tmp_path / name)
    assert np.array_equal(back.data, data) and back.axes == ("frame", "y", "x")


@pytest.mark.parametrize("name", NAMES)
def test_what_was_never_put_is_zero(tmp_path, name):
    with io.open_writer(tmp_path / name, (30, 40), "uint16") as writer:
        writer.put(0, 3, 5, np.full((2, 2), 7, np.uint16))
    data = io.read(tmp_path / name).data
    assert data.sum() == 28 and (data[3:5, 5:7] == 7).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("place", "pixels"),
    [
        ((0, 0, 0), np.zeros((31, 40), np.uint16)),
        ((0, 0, 1), np.zeros((30, 40), np.uint16)),
        ((0, -1, 0), np.zeros((2, 2), np.uint16)),
        ((1, 0, 0), np.zeros((2, 2), np.uint16)),
        ((0, 0, 0), np.zeros((2, 2), np.float32)),
        ((0, 0, 0), np.zeros((1, 2, 2), np.uint16)),
    ],
)
def test_a_rectangle_that_does_not_fit_is_refused(tmp_path, name, place, pixels):
    with io.open_writer(tmp_path / name, (30, 40), "uint16") as writer:
        with pytest.raises(ValueError, match="expected|outside"):
            writer.put(*place, pixels)


@pytest.mark.parametrize("name", NAMES)
def test_provenance_may_change_until_the_end(tmp_path, name):
    lengths = VoxelSize((2.0, 3.0), "nm")
    with io.open_writer(
        tmp_path / name, (30, 40), "uint16", voxel_size=lengths, provenance={"partial": True}
    ) as writer:
        writer.put(0, 0, 0, np.full((30, 40), 5, np.uint16))
        if name != "a.zarr":  # whose metadata are files of their own
            with pytest.raises(MendemError, match="provenance grew"):
                writer.set_provenance({"much": "x" * 100_000})
        writer.set_provenance({"partial": False, "chi2": np.float32(1.5), "where": tmp_path, "word": "é€"})
    back = io.read(tmp_path / name)
    assert back.metadata["mendem"] == {"partial": False, "chi2": 1.5, "where": str(tmp_path), "word": "é€"}
    assert (back.data == 5).all() and back.voxel_size == lengths


def test_dask_arrays_are_written_chunk_by_chunk(tmp_path):
    data = np.arange(24000, dtype=np.float32).reshape(4, 60, 100)
    io.write(tmp_path / "a.tif", Image(dask.array.from_array(data, chunks=(2, 25, 30))))
    assert np.array_equal(io.read(tmp_path / "a.tif").data, data)


def test_writing_through_a_link_keeps_the_link(tmp_path):
    io.write(tmp_path / "a.tif", image(1))
    (tmp_path / "l.tif").symlink_to(tmp_path / "a.tif")
    io.write(tmp_path / "l.tif", image(2), overwrite=True)
    assert (tmp_path / "l.tif").is_symlink() and (io.read(tmp_path / "a.tif").data == 2).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_target_that_appeared_meanwhile_is_kept_and_so_is_the_result(tmp_path, name):
    writer = io.open_writer(tmp_path / name, (30, 40), "uint16")
    io.write(tmp_path / name, image(9))
    with pytest.raises(MendemError, match="the new result is kept in") as caught:
        writer.close()
    assert (io.read(tmp_path / name).data == 9).all()
    assert os.path.exists(str(caught.value).rpartition(" ")[2])


@pytest.mark.parametrize("name", NAMES)
def test_unwritable_places_are_said_in_one_sentence(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "folder.mrc").mkdir()
    (tmp_path / "folder.zarr").mkdir()
    for target, message in (
        (tmp_path / "missing" / name, "does not exist; create it"),
        (tmp_path / "file" / name, "is not a folder"),
        (tmp_path / f"folder{name[1:]}", "is a folder"),
        (tmp_path / "a.png", "suffix"),
        (tmp_path / "noname", "suffix"),
        (tmp_path / "a.dm4", "suffix"),
    ):
        with pytest.raises(MendemError, match=message):
            io.write(target, image(), overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.mrc", "folder.tif", "folder.zarr"]


@pytest.mark.parametrize(
    ("code", "message"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "read-only")]
)
@pytest.mark.parametrize("name", NAMES)
def test_errors_of_the_disk_are_said_and_leave_nothing(tmp_path, name, code, message, monkeypatch):
    def fail(self, *where):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writer.FileWriter, "_write", fail)
    monkeypatch.setattr(zarr_chunks.Chunks, "put", fail)
    with pytest.raises(MendemError, match=message):
        io.write(tmp_path / name, image())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a.btf", "a.mrc"])
def test_an_image_larger_than_the_disk_is_refused_at_once(tmp_path, name):
    with pytest.raises(MendemError, match="GB"):
        io.open_writer(tmp_path / name, (1000, 1 << 20, 1 << 20), "float32")
    assert os.listdir(tmp_path) == []
