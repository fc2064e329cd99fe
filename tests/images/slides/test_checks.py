"""Which channel and plane are read, and which arrays are refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from slides import pixels, write_array
from zarr.codecs import BytesCodec

from morphinfer.errors import SlideError
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.opening import open_slide

VERSIONS = ["0.4", "0.5"]


def test_a_channel_is_chosen_by_name(make_slide, noise):
    image = noise(3, 20, 20)
    path = make_slide(image, axes="cyx", channels=["a", "b", "DAPI"])
    np.testing.assert_array_equal(pixels(open_slide(path, channel="b")), image[1])


@pytest.mark.parametrize("index", [2, "2"])
def test_a_channel_is_chosen_by_index(make_slide, noise, index):
    image = noise(3, 20, 20)
    path = make_slide(image, axes="cyx", channels=["DAPI", "b", "c"])
    np.testing.assert_array_equal(pixels(open_slide(path, channel=index)), image[2])


def test_a_channel_named_by_a_number_is_chosen_by_name_first(make_slide, noise):
    path = make_slide(noise(2, 20, 20), axes="cyx", channels=["1", "0"])
    assert open_slide(path, channel="0").channel == 1


@pytest.mark.parametrize("name", ["DAPI", "nuclei (Hoechst 33342)", "dapi_405", "Nucleus"])
def test_without_a_wish_the_channel_named_after_nuclei_is_read(make_slide, noise, name):
    image = noise(3, 20, 20)
    path = make_slide(image, axes="cyx", channels=["Cy3", name, "Cy5"])
    np.testing.assert_array_equal(pixels(open_slide(path)), image[1])


def test_an_only_channel_is_read_whatever_its_name(make_slide, noise):
    assert open_slide(make_slide(noise(1, 20, 20), axes="cyx", channels=["Cy3"])).channel == 0


@pytest.mark.parametrize("channels", [["DAPI", "Hoechst"], ["Cy3", "Cy5"], None])
def test_an_ambiguous_channel_is_refused_with_the_list(make_slide, noise, channels):
    path = make_slide(noise(2, 20, 20), axes="cyx", channels=channels)
    listed = f"0: {channels[0]}, 1: {channels[1]}" if channels else "0, 1"
    with pytest.raises(SlideError, match=f"a `channel` out of {listed}"):
        open_slide(path)


@pytest.mark.parametrize("channel", ["GFP", 2, "2", -1, "-1", "²"])
def test_an_unknown_channel_is_refused_with_the_list(make_slide, noise, channel):
    path = make_slide(noise(2, 20, 20), axes="cyx", channels=["Cy3", "DAPI"])
    with pytest.raises(SlideError, match=r"no channel '.*'; choose .* out of 0: Cy3, 1: DAPI"):
        open_slide(path, channel=channel)


def test_a_label_without_a_channel_in_the_array_cannot_be_chosen(make_slide, noise):
    path = make_slide(noise(1, 20, 20), axes="cyx", channels=["Cy3", "DAPI"])
    with pytest.raises(SlideError, match="no channel 'DAPI'"):
        open_slide(path, channel="DAPI")


def test_several_time_points_are_said(make_slide, noise):
    image = noise(3, 20, 20)
    slide = open_slide(make_slide(image, axes="tyx"))
    np.testing.assert_array_equal(pixels(slide), image[0])
    assert slide.warnings == (f"{slide.path}: 3 time points; only the first is read",)


def test_z_is_chosen_by_index(make_slide, noise):
    image = noise(4, 20, 20)
    slide = open_slide(make_slide(image, axes="zyx"), z=2)
    np.testing.assert_array_equal(pixels(slide), image[2])


def test_z_is_the_maximum_by_default(make_slide, noise):
    image = noise(4, 20, 20)
    np.testing.assert_array_equal(pixels(open_slide(make_slide(image, axes="zyx"))), image.max(0))


@pytest.mark.parametrize("z", [4, -1])
def test_a_z_plane_that_is_not_there_is_refused(make_slide, noise, z):
    path = make_slide(noise(4, 20, 20), axes="zyx")
    with pytest.raises(SlideError, match=f"no z plane {z}; choose 0 to 3"):
        open_slide(path, z=z)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_supported_data_types_are_kept(make_slide, noise, dtype):
    image = noise(20, 20, dtype=dtype)
    slide = open_slide(make_slide(image))
    assert pixels(slide).dtype == slide.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize("version", VERSIONS)
def test_big_endian_pixels_come_in_native_order(make_slide, noise, version):
    image = noise(20, 20)
    path = make_slide(image, version=version)
    if version == "0.4":
        write_array(path / "s0", image.astype(">u2"), 2, overwrite=True)
    else:
        write_array(path / "s0", image, overwrite=True, serializer=BytesCodec(endian="big"))
    slide = open_slide(path)
    assert pixels(slide).dtype.isnative
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "float64"],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_other_numbers_are_read_as_float32(make_slide, noise, dtype, version):
    image = (noise(40, 40, dtype="float32") * 200 - (0 if dtype[0] in "ub" else 100)).astype(dtype)
    for slide in (open_slide(make_slide(image, version=version)), slide_from_array(image, 0.5)):
        assert pixels(slide).dtype == slide.dtype == np.float32
        np.testing.assert_array_equal(pixels(slide), image.astype(np.float32))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_unsupported_data_types_are_refused(make_slide, dtype):
    image = np.ones((20, 20), dtype)
    for opened in (lambda: open_slide(make_slide(image)), lambda: slide_from_array(image, 0.5)):
        with pytest.raises(SlideError, match=f"data type {dtype}; supported are uint8"):
            opened()


@pytest.mark.parametrize("image", [np.full((9, 9), "dapi"), np.zeros((9, 9), "datetime64[s]")])
def test_what_is_no_number_is_refused(image):
    with pytest.raises(SlideError, match=r"data type .*; supported are uint8"):
        slide_from_array(image, 0.5)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int32", 2**24 + 1), ("int32", -(2**31) + 1), ("uint32", 2**32 - 1), ("int64", 2**63 - 1),
     ("uint64", 2**64 - 1), ("uint64", 2**53 + 1)],
)  # fmt: skip
def test_an_integer_that_float32_cannot_hold_is_refused_with_its_value(dtype, value):
    image = np.zeros((9, 9), dtype)
    image[3, 4] = value
    with pytest.raises(SlideError, match=f"an intensity of {value} .*without loss"):
        pixels(slide_from_array(image, 0.5))


@pytest.mark.parametrize(
    ("dtype", "value"), [("int32", 2**24), ("int32", -(2**31)), ("uint64", 2**63)]
)
def test_a_large_integer_that_float32_holds_is_read(dtype, value):
    image = np.zeros((9, 9), dtype)
    image[3, 4] = value
    assert pixels(slide_from_array(image, 0.5))[3, 4] == value


def test_a_number_beyond_float32_is_refused():
    with pytest.raises(SlideError, match=r"an intensity of 1e\+200"):
        pixels(slide_from_array(np.full((9, 9), 1e200), 0.5))


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((687194767360, 96), (32, 32)), ((80, 10**30), (32, 32)), ((80, 96), (0, 32))],
)
def test_sides_that_no_slide_has_are_refused(make_slide, noise, shape, chunks):
    path = make_slide(noise(20, 20))
    file = path / "s0" / "zarr.json"
    content = json.loads(file.read_text())
    content["shape"] = shape
    content["chunk_grid"]["configuration"]["chunk_shape"] = chunks
    file.write_text(json.dumps(content))
    with pytest.raises(SlideError):
        open_slide(path)


def test_an_empty_array_is_refused(make_slide):
    path = make_slide(np.zeros((0, 20), np.uint8))
    with pytest.raises(SlideError, match=r"the slide is empty, shape \(0, 20\)"):
        open_slide(path)


def test_an_array_of_another_rank_than_its_axes_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20))
    shutil.rmtree(path / "s0")
    write_array(path / "s0", noise(1, 20, 20))
    with pytest.raises(SlideError, match="axes 'yx' but an array of 3 dimensions"):
        open_slide(path)


def test_chunks_of_single_pixels_are_refused(tmp_path, noise):
    path = write_array(tmp_path / "a.zarr", noise(1, 1), chunks=(1, 1))
    edit = json.loads((path / "zarr.json").read_text())
    edit["shape"] = [80, 96]
    (path / "zarr.json").write_text(json.dumps(edit))
    with pytest.raises(SlideError, match="too few pixels in each"):
        open_slide(path, pixel_size_um=0.5)
