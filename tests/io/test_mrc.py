"""MRC: what is read, what is refused, what comes back."""

import bz2
import gzip
from io import StringIO

import mrcfile
import numpy as np
import pytest

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io.mrc_header import HEADER, IMOD_STAMP, SIGNED_BYTES

DTYPES = ["int8", "int16", "float32", "uint8", "uint16", "float16"]


def pixels(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(10, 3, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def patch(path, **fields):
    raw = bytearray(path.read_bytes())
    header = np.frombuffer(raw, HEADER, count=1)[0]
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(raw)


@pytest.fixture
def volume_file(tmp_path):
    path = tmp_path / "v.mrc"
    with mrcfile.new(path, data=pixels((4, 5, 6), "float32")) as mrc:
        mrc.voxel_size = (2.5, 3.5, 4.5)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 7), ("y", "x")),
        ((3, 5, 7), ("z", "y", "x")),
        ((3, 5, 7), ("tilt", "y", "x")),
        ((2, 3, 5, 7), ("frame", "z", "y", "x")),
        ((1, 1, 7), ("z", "y", "x")),
    ],
)
def test_round_trip_keeps_pixels_dtype_axes_and_voxel_size(tmp_path, dtype, shape, axes):
    lengths = tuple({"z": 0.3, "y": 0.1, "x": 0.2}.get(a) for a in axes)
    image = Image(pixels(shape, dtype), axes, VoxelSize(lengths, "nm"))
    io.write(tmp_path / "a.mrc", image, {"task": "denoise", "seed": 3})
    back = io.read(tmp_path / "a.mrc")
    assert back.dtype == image.dtype
    assert np.array_equal(back.data, image.data)
    assert back.axes == axes
    assert back.voxel_size == image.voxel_size
    assert back.metadata["mendem"] == {"task": "denoise", "seed": 3}


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_written_has_the_same_values_in_mrcfile_and_is_valid_but_for_our_exttyp(tmp_path, dtype):
    data = pixels((3, 8, 9), dtype)
    path = tmp_path / "a.mrc"
    io.write(path, Image(data, voxel_size=VoxelSize((2.0, 3.0, 4.0), "angstrom")), {"version": "0.1"})
    # MRC2014 lets anyone add a type of extended header; mrcfile's validator knows only the published ones.
    complaints = StringIO()
    mrcfile.validate(path, print_file=complaints)
    assert [line[:20] for line in complaints.getvalue().splitlines()[1:]] == ["Extended header type"]
    with mrcfile.open(path) as mrc:
        assert np.array_equal(mrc.data, data)
        assert mrc.voxel_size.tolist() == (4.0, 3.0, 2.0)
        assert mrc.is_volume()
        assert b"mendem 0.1" in mrc.header.label[0]


def test_statistics_in_the_header_are_those_of_the_pixels(tmp_path):
    data = pixels((3, 40, 50), "float32") + 1e4
    path = tmp_path / "a.mrc"
    with io.open_writer(path, data.shape, "float32") as writer:
        for plane in (2, 0, 1):
            for y in (20, 0):
                writer.put(plane, y, 30, data[plane, y : y + 20, 30:])
                writer.put(plane, y, 0, data[plane, y : y + 20, :30])
    with mrcfile.open(path) as mrc:
        header = mrc.header
        assert np.array_equal(mrc.data, data)
    assert header.dmin == data.min() and header.dmax == data.max()
    # The fields are float32, so 1e-6 relative is all they can hold.
    np.testing.assert_allclose([header.dmean, header.rms], [data.mean(dtype="f8"), data.std(dtype="f8")], 1e-6)


def test_statistics_ignore_what_is_not_finite(tmp_path):
    data = np.array([[1, np.nan], [np.inf, 3]], np.float32)
    io.write(tmp_path / "a.mrc", Image(data))
    with mrcfile.open(tmp_path / "a.mrc", header_only=True, permissive=True) as mrc:
        header = mrc.header
    assert (header.dmin, header.dmax, header.dmean, header.rms) == (1, 3, 2, 1)


@pytest.mark.parametrize("kind", ["image", "stack", "volume", "volume stack"])
def test_axes_follow_what_the_header_says(tmp_path, kind):
    data = pixels({"image": (5, 6), "volume stack": (2, 3, 5, 6)}.get(kind, (3, 5, 6)), "int16")
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, data=data) as mrc:
        if kind == "stack":
            mrc.set_image_stack()
        if kind == "volume":
            mrc.set_volume()
        mrc.voxel_size = 7.0
    image = io.read(path)
    expected = {
        "image": ("y", "x"),
        "stack": ("frame", "y", "x"),
        "volume": ("z", "y", "x"),
        "volume stack": ("frame", "z", "y", "x"),
    }
    assert image.axes == expected[kind]
    assert image.voxel_size.values == tuple(None if a == "frame" else 7.0 for a in image.axes)
    assert image.voxel_size.unit == "angstrom"
    assert np.array_equal(image.data, data)


def test_tilt_series_suffix_means_a_stack_though_old_headers_count_sections_along_z(volume_file):
    renamed = volume_file.with_suffix(".st")
    volume_file.rename(renamed)
    assert io.read(renamed).axes == ("frame", "y", "x")


def test_big_endian_files_are_read(tmp_path):
    data = pixels((3, 4, 5), "float32")
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, data=data.astype(">f4")) as mrc:
        mrc.voxel_size = 2.0
        assert mrc.header.nx.dtype.byteorder == ">"
    image = io.read(path, lazy_above=0)
    assert image.dtype == np.dtype("float32") and image.dtype.isnative
    assert np.array_equal(image.data[1:, ::-1], data[1:, ::-1])
    assert image.voxel_size.values == (2.0, 2.0, 2.0)


def test_a_wrong_byte_order_stamp_is_seen_through_and_noted(volume_file):
    expected = mrcfile.read(volume_file)
    patch(volume_file, machst=(0x11, 0x11, 0, 0))
    image = io.read(volume_file)
    assert np.array_equal(image.data, expected)
    assert any("byte order" in note for note in image.metadata["notes"])


@pytest.mark.parametrize(
    ("fields", "dtype"),
    [
        ({"imod_stamp": IMOD_STAMP, "imod_flags": 0}, "uint8"),
        ({"imod_stamp": IMOD_STAMP, "imod_flags": SIGNED_BYTES}, "int8"),
        ({"dmin": 0, "dmax": 250}, "uint8"),
        ({"dmin": -3, "dmax": 100}, "int8"),
        ({"dmin": 0, "dmax": 0}, "int8"),
    ],
)
def test_sign_of_8_bit_pixels_is_what_the_file_says(tmp_path, fields, dtype):
    data = pixels((4, 5), "int8")
    path = tmp_path / "a.mrc"
    mrcfile.new(path, data=data).close()
    patch(path, **fields)
    image = io.read(path)
    assert image.dtype == dtype
    assert np.array_equal(image.data, data.view(dtype))


def test_zeroed_statistics_and_voxel_size_are_noted_and_harmless(volume_file):
    expected = mrcfile.read(volume_file)
    patch(volume_file, dmin=0, dmax=0, dmean=0, rms=0, cell=(0, 0, 0), map=b"")
    image = io.read(volume_file)
    assert np.array_equal(image.data, expected)
    assert image.voxel_size.values == (None, None, None)
    notes = " ".join(image.metadata["notes"])
    assert "voxel size is unknown" in notes and "statistics" in notes and "MAP" in notes


@pytest.mark.parametrize("cell", [(np.nan, 1, 1), (-5, 1, 1), (np.inf, 1, 1)])
def test_impossible_cell_is_an_unknown_length(volume_file, cell):
    patch(volume_file, cell=cell)
    assert io.read(volume_file).voxel_size.values[-1] is None


def test_permuted_axes_give_each_array_axis_its_own_length(volume_file):
    patch(volume_file, map_axes=(3, 1, 2), m=(5, 4, 6), cell=(5 * 1.0, 4 * 2.0, 6 * 3.0))
    image = io.read(volume_file)
    assert image.voxel_size.values == (2.0, 1.0, 3.0)
    io.write(volume_file, image, overwrite=True)
    with mrcfile.open(volume_file) as mrc:
        assert (mrc.header.mapc, mrc.header.mapr, mrc.header.maps) == (3, 1, 2)
        assert mrc.header.cella.tolist() == (5.0, 8.0, 18.0)
    assert io.read(volume_file).voxel_size == image.voxel_size


def test_voxel_size_changed_by_another_program_is_believed(tmp_path):
    path = tmp_path / "a.mrc"
    io.write(path, Image(pixels((3, 4, 5), "int16"), voxel_size=VoxelSize((1.0, 1.0, 1.0), "nm")))
    with mrcfile.open(path, "r+") as mrc:
        mrc.voxel_size = 12.0
    assert io.read(path).voxel_size == VoxelSize((12.0, 12.0, 12.0), "angstrom")


def test_origin_labels_and_extended_header_survive(tmp_path):
    source, target = tmp_path / "a.mrc", tmp_path / "b.mrc"
    with mrcfile.new(source, data=pixels((3, 4, 5), "int16")) as mrc:
        mrc.set_extended_header(np.frombuffer(bytes(range(96)), "V96"))
        mrc.header.exttyp = b"SERI"
        mrc.header.origin = (1, 2, 3)
        mrc.add_label("made by a microscope")
    for _ in range(2):
        io.write(target, io.read(source), {"seed": 1}, overwrite=True)
        source = target
    assert mrcfile.validate(target)
    with mrcfile.open(target) as mrc:
        assert mrc.header.exttyp == b"SERI"
        assert mrc.extended_header.tobytes()[:96] == bytes(range(96))
        assert mrc.header.origin.tolist() == (1, 2, 3)
        assert b"made by a microscope" in mrc.header.label[0] + mrc.header.label[1]
    again = io.read(target)
    assert again.metadata["mrc"]["extended_header"] == bytes(range(96))
    assert again.metadata["mendem"] == {"seed": 1}


def test_fei_extended_header_stays_readable_by_other_programs(tmp_path):
    source, target = tmp_path / "a.mrc", tmp_path / "b.mrc"
    record = np.zeros(3, mrcfile.dtypes.get_ext_header_dtype(b"FEI1", "<"))
    record["Metadata size"] = 768
    record["Alpha tilt"] = (-60, 0, 60)
    with mrcfile.new(source, data=pixels((3, 4, 5), "int16")) as mrc:
        mrc.set_image_stack()
        mrc.set_extended_header(record)
        mrc.header.exttyp = b"FEI1"
    io.write(target, io.read(source), {"seed": 1})
    with mrcfile.open(target) as mrc:
        assert mrc.indexed_extended_header["Alpha tilt"][:3].tolist() == [-60, 0, 60]


@pytest.mark.parametrize("packing", [gzip, bz2])
def test_packed_files_are_read(volume_file, packing):
    suffix = {gzip: ".gz", bz2: ".bz2"}[packing]
    packed = volume_file.with_name("v.map" + suffix)
    packed.write_bytes(packing.compress(volume_file.read_bytes()))
    image = io.read(packed)
    assert np.array_equal(image.data, mrcfile.read(volume_file))
    assert image.axes == ("z", "y", "x")
    packed.write_bytes(packing.compress(volume_file.read_bytes()[:-9]))
    with pytest.raises(MendemError, match="truncated"):
        io.read(packed)
    packed.write_bytes(packing.compress(volume_file.read_bytes())[:-30])
    with pytest.raises(MendemError):
        io.read(packed)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": 4}, "complex"),
        ({"mode": 3}, "complex"),
        ({"mode": 16}, "RGB"),
        ({"mode": 101}, "4-bit"),
        ({"mode": 77}, "mode 77"),
        ({"n": (6, 5, -4)}, "damaged header"),
        ({"n": (0, 5, 4)}, "damaged header"),
        ({"n": (6, 5, 5)}, "truncated"),
        ({"n": (16000000, 16000000, 16000000)}, "truncated"),
        ({"nsymbt": 10**6}, "truncated"),
        ({"nsymbt": -10}, "damaged header"),
    ],
)
def test_lying_headers_are_refused_in_one_sentence(volume_file, fields, message):
    patch(volume_file, **fields)
    with pytest.raises(MendemError, match=message) as caught:
        io.read(volume_file)
    assert str(volume_file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [1, 500, 1024, 1100])
def test_truncated_files_are_refused(volume_file, keep):
    volume_file.write_bytes(volume_file.read_bytes()[:keep])
    with pytest.raises(MendemError, match="truncated"):
        io.read(volume_file)


def test_text_named_mrc_is_refused(tmp_path):
    path = tmp_path / "a.mrc"
    path.write_text("not an image " * 200)
    with pytest.raises(MendemError, match="not an MRC file"):
        io.read(path)


def test_longer_files_are_read_with_a_note(volume_file):
    expected = mrcfile.read(volume_file)
    with volume_file.open("ab") as file:
        file.write(b"tail")
    image = io.read(volume_file)
    assert np.array_equal(image.data, expected)
    assert any("4 bytes longer" in note for note in image.metadata["notes"])


@pytest.mark.parametrize("dtype", ["int32", "float64", "uint32", "bool"])
def test_dtypes_that_mrc_lacks_are_refused_by_name(tmp_path, dtype):
    with pytest.raises(MendemError, match=rf"{dtype}.*\.tif.*--dtype"):
        io.write(tmp_path / "a.mrc", Image(np.zeros((3, 4), dtype)))
    assert list(tmp_path.iterdir()) == []
