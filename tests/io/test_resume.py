"""Outputs are written in boxes, and one that was left unfinished is continued by the next run."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io.copying import boxes

NAMES = ["a.tif", "a.ome.tif", "a.mrc", "a.zarr"]
SHAPE = (70, 80, 90)
DATA = np.random.default_rng(0).integers(0, 60000, SHAPE, np.uint16)
BLOCKS = list(boxes(SHAPE, (32, 40, 45), 1))


def opened(folder, name, **changes):
    options = {"shape": SHAPE, "dtype": "uint16", "voxel_size": VoxelSize((9.0, 5.0, 5.0)), "resume": True} | changes
    return io.open_writer(folder / name, options.pop("shape"), options.pop("dtype"), **options)


def put(writer, block, data=DATA):
    z, y, x = block
    writer.put_box(z.start, y.start, x.start, data[block])


@pytest.mark.parametrize("name", NAMES)
def test_boxes_of_planes_may_come_in_any_order_and_across_volumes(tmp_path, name):
    data = np.random.default_rng(1).normal(size=(3, 20, 60, 70)).astype(np.float32)
    flat = data.reshape(60, 60, 70)
    blocks = list(boxes(flat.shape, (13, 50, 33), 1))
    np.random.default_rng(2).shuffle(blocks)
    with io.open_writer(tmp_path / name, data.shape, data.dtype, ("frame", "z", "y", "x")) as writer:
        for block in blocks:
            put(writer, block, flat)
    back = io.read(tmp_path / name)
    assert np.array_equal(back.data, data) and back.axes == ("frame", "z", "y", "x")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_put_last_counts(tmp_path, name):
    expected = np.zeros(SHAPE, np.uint16)
    rng = np.random.default_rng(3)
    with opened(tmp_path, name, resume=False) as writer:
        for value in range(1, 60):
            start = [int(rng.integers(0, n)) for n in SHAPE]
            block = tuple(slice(a, int(rng.integers(a + 1, n + 1))) for a, n in zip(start, SHAPE, strict=True))
            expected[block] = value
            put(writer, block, expected)
        whole = (slice(0, 64), slice(0, 64), slice(0, 64))
        expected[whole] = 99
        put(writer, whole, expected)
        expected[3, 4, 5] = 100
        writer.put(3, 4, 5, np.full((1, 1), 100, np.uint16))
    assert np.array_equal(io.read(tmp_path / name).data, expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_box_that_does_not_fit_is_refused(tmp_path, name):
    with opened(tmp_path, name, resume=False) as writer:
        for place, pixels in (
            ((69, 0, 0), np.zeros((2, 80, 90), np.uint16)),
            ((0, 0, 1), np.zeros((1, 80, 90), np.uint16)),
            ((0, 0, 0), np.zeros((1, 80, 90), np.int16)),
            ((0, 0, 0), np.zeros((80, 90), np.uint16)),
        ):
            with pytest.raises(ValueError, match="expected|outside"):
                writer.put_box(*place, pixels)


def test_aligned_boxes_are_known_by_the_chunks(tmp_path):
    for name, shape, axes, chunks in (
        ("v.zarr", (100, 200, 300), ("z", "y", "x"), (64, 64, 64)),
        ("t.zarr", (10, 200, 300), ("z", "y", "x"), (10, 64, 64)),
        ("s.zarr", (10, 2000, 300), ("frame", "y", "x"), (1, 512, 300)),
        ("i.zarr", (2000, 300), ("y", "x"), (512, 300)),
        ("w.zarr", (2, 100, 200, 300), ("frame", "z", "y", "x"), (1, 64, 64, 64)),
        ("v.mrc", (100, 200, 300), ("z", "y", "x"), None),
    ):
        writer = io.open_writer(tmp_path / name, shape, "uint8", axes)
        assert writer.chunks == chunks
        writer.discard()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "version"), [*((name, None) for name in NAMES), ("a.zarr", "0.4")])
def test_a_run_killed_three_times_ends_with_the_same_file_and_no_block_is_put_twice(tmp_path, name, version):
    with opened(tmp_path, f"whole_{name}", provenance={"seed": 1}, ome_zarr=version) as writer:
        for block in BLOCKS:
            put(writer, block)
    # A journal of the blocks that are safe, as a run keeps one; blocks that are under way are lost.
    code = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import test_resume as t
from pathlib import Path
folder, name, version = Path(sys.argv[2]), sys.argv[3], sys.argv[4] or None
journal = folder / "journal"
done = journal.read_text().split() if journal.exists() else []
writer = t.opened(folder, name, provenance={"seed": 1}, ome_zarr=version)
assert writer.resumed == bool(done)
for i, block in enumerate(t.BLOCKS):
    if str(i) not in done:
        t.put(writer, block)
        writer.flush()
        with journal.open("a") as file:
            file.write(f"{i} ")
        if i % 4 == 2:
            os.kill(os.getpid(), signal.SIGKILL)
writer.close()
"""
    command = [sys.executable, "-c", code, os.path.dirname(__file__), tmp_path, name, version or ""]
    codes = [subprocess.run(command, check=False).returncode for _ in range(4)]
    assert codes == [-signal.SIGKILL] * 3 + [0]
    assert sorted((tmp_path / "journal").read_text().split(), key=int) == [str(i) for i in range(len(BLOCKS))]
    assert not [left for left in os.listdir(tmp_path) if "part" in left]
    for level, expected in zip(_levels(tmp_path / name), _levels(tmp_path / f"whole_{name}"), strict=True):
        assert np.array_equal(level.data, expected.data) and level.voxel_size == expected.voxel_size
    assert np.array_equal(io.read(tmp_path / name).data, DATA)
    assert io.read(tmp_path / name).metadata["mendem"] == {"seed": 1}
    if name in ("a.tif", "a.mrc"):  # the others hold an identifier or their own name
        first, second = ((tmp_path / n).read_bytes() for n in (f"whole_{name}", name))
        assert first == second


def _levels(path):
    return io.read_levels(path) if path.suffix == ".zarr" else [io.read(path)]


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_keeps_what_was_put_and_discard_removes_it(tmp_path, name):
    with pytest.raises(RuntimeError):
        with opened(tmp_path, name) as writer:
            put(writer, BLOCKS[0])
            raise RuntimeError
    assert os.listdir(tmp_path) == [f"{name}.part"] and writer.part_path == str(tmp_path / f"{name}.part")
    with opened(tmp_path, name) as writer:
        assert writer.resumed
        put(writer, BLOCKS[-1])
        writer.set_provenance({"seed": 2})
    back = io.read(tmp_path / name)
    expected = np.zeros_like(DATA)
    for block in (BLOCKS[0], BLOCKS[-1]):
        expected[block] = DATA[block]
    assert np.array_equal(back.data, expected) and back.metadata["mendem"] == {"seed": 2}
    writer = opened(tmp_path, name, overwrite=True)
    assert not writer.resumed
    writer.discard()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (70, 80, 91)}, "another shape"),
        ({"shape": (35, 160, 90)}, "another shape"),
        ({"dtype": "int16"}, "its dtype is uint16 and not int16"),
        ({"axes": ("frame", "y", "x"), "voxel_size": None}, "its axes"),
        ({"voxel_size": VoxelSize((9.0, 6.0, 6.0))}, "its voxel size"),
    ],
)
def test_a_part_of_something_else_is_refused_and_stays(tmp_path, name, change, message):
    _leave(tmp_path, name)
    with pytest.raises(MendemError, match=f"left by another run.*{message}.*remove it or give another name"):
        opened(tmp_path, name, **change)
    assert os.listdir(tmp_path) == [f"{name}.part"]
    assert opened(tmp_path, name).resumed


def _leave(folder, name, **changes):
    writer = opened(folder, name, **changes)
    put(writer, BLOCKS[0])
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def test_a_part_of_another_format_is_refused(tmp_path):
    cases = (
        ("a.mrc", "b.tif", "is no TIFF file"),
        ("a.tif", "b.mrc", "is no MRC file"),
        ("a.zarr", "b.mrc", "of another format"),
        ("a.tif", "b.zarr", "of another format"),
    )
    for number, (name, other, message) in enumerate(cases):
        _leave(tmp_path, name)
        os.rename(tmp_path / f"{name}.part", tmp_path / f"{number}{other}.part")
        with pytest.raises(MendemError, match=message):
            opened(tmp_path, f"{number}{other}")
        assert os.path.exists(tmp_path / f"{number}{other}.part")
    _leave(tmp_path, "c.zarr", ome_zarr="0.4")
    with pytest.raises(MendemError, match="it is no OME-Zarr 0.5"):
        opened(tmp_path, "c.zarr")


def test_an_unfinished_zarr_can_be_looked_at_while_it_grows(tmp_path):
    with opened(tmp_path, "a.zarr") as writer:
        seen = io.read(writer.part_path, lazy_above=0).data
        assert not seen[10, 3:60].any()
        writer.put_box(0, 0, 0, DATA[:64, :64, :64])
        assert np.array_equal(seen[10, 3:60, :64], DATA[10, 3:60, :64])
        writer.put_box(0, 0, 0, DATA[:64, :64, :64] + 1)
        assert np.array_equal(seen[10, 3:60, :64], DATA[10, 3:60, :64] + 1)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_left_before_anything_could_be_put_is_removed(tmp_path, name):
    (tmp_path / f"{name}.part.new").write_bytes(b"half a header")
    with opened(tmp_path, name) as writer:
        assert not writer.resumed
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_does_not_resume_leaves_the_part_alone(tmp_path, name):
    _leave(tmp_path, name)
    io.write(tmp_path / name, Image(DATA))
    assert sorted(os.listdir(tmp_path)) == [name, f"{name}.part"]
    with pytest.raises(MendemError, match="exists"):
        opened(tmp_path, name)
    assert opened(tmp_path, name, overwrite=True).resumed


@pytest.mark.parametrize("name", NAMES)
def test_two_writers_of_one_part_are_refused_and_a_killed_one_is_not_in_the_way(tmp_path, name):
    code = f"""
import os, sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
import test_resume as t
from pathlib import Path
writer = t.opened(Path(sys.argv[1]), {name!r}); print("open", flush=True); sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], **pipes) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(MendemError, match="being written by another process; wait until"):
            opened(tmp_path, name)
        other.send_signal(signal.SIGKILL)
    writer = opened(tmp_path, name)
    assert writer.resumed
    with pytest.raises(MendemError, match="being written"):
        opened(tmp_path, name)
    writer.close()
    assert os.listdir(tmp_path) == [name]


def test_a_part_cut_short_is_refused(tmp_path):
    for name in ("a.mrc", "a.tif"):
        _leave(tmp_path, name)
        os.truncate(tmp_path / f"{name}.part", 100_000)
        with pytest.raises(MendemError, match="it is damaged"):
            opened(tmp_path, name)


def test_a_failure_at_the_end_keeps_what_can_be_resumed(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    writer = opened(tmp_path, "a.zarr")
    for block in BLOCKS:
        put(writer, block)
    with monkeypatch.context() as patch:
        patch.setattr("mendem.io.zarr_write.ZarrWriter._pyramid", fail)
        with pytest.raises(MendemError, match="disk is full"):
            writer.close()
    assert os.listdir(tmp_path) == ["a.zarr.part"]
    opened(tmp_path, "a.zarr").close()
    assert np.array_equal(io.read(tmp_path / "a.zarr").data, DATA)


@pytest.mark.parametrize("name", ["a.btf", "a.mrc"])
def test_files_beyond_four_gigabytes_are_written_and_read_where_they_are_asked(tmp_path, name):
    # Sparse: almost nothing of it is on the disk.
    shape, box = (300, 2048, 2048), np.arange(60, dtype=np.float32).reshape(2, 5, 6)
    writer = io.open_writer(tmp_path / name, shape, "float32", resume=True)
    assert os.path.getsize(writer.part_path) > 5e9
    assert os.stat(writer.part_path).st_blocks * 512 < 1e7
    writer.put_box(298, 2000, 2000, box)
    writer.put(0, 0, 0, box[0])
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    # Its header states the statistics of all pixels only when it is closed, and it can be read before.
    data = io.read(writer.part_path).data
    assert np.array_equal(data[298:, 2000:2005, 2000:2006], box) and np.array_equal(data[0, :5, :6], box[0])
    writer = io.open_writer(tmp_path / name, shape, "float32", resume=True)
    assert writer.resumed
    writer.discard()
