"""Arrays of other libraries as slides: read by window, never as a whole."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import xarray
import zarr
from slides import pixels

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import slide_from_array

UM = 0.65
IMAGE = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80)
STACK = np.stack([IMAGE, IMAGE + 1, IMAGE + 2])


class Watched:
    """An array that notes the windows that are read of it, and cannot be read as a whole."""

    chunks = None

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.sizes = []

    def __getitem__(self, index):
        part = self.array[index]
        self.sizes.append(part.size)
        return part

    def __array__(self, *_, **__):
        raise AssertionError("read as a whole")


@pytest.fixture
def make(tmp_path):
    """An array of a library by its name."""

    def zarr_array(array):
        path = str(tmp_path / "a.zarr")
        made = zarr.create_array(
            path, shape=array.shape, dtype=array.dtype, chunks=(1,) * (array.ndim - 2) + (16, 24)
        )
        made[...] = array
        return made

    makers = {
        "numpy": np.asarray,
        "dask": lambda a: dask.array.from_array(a, chunks=(1,) * (a.ndim - 2) + (16, 24)),
        "zarr": zarr_array,
        "xarray": lambda a: xarray.DataArray(a, dims=("c", "y", "x")[-a.ndim :]),
        "watched": Watched,
    }
    return lambda name, array: makers[name](array)


LIBRARIES = ("numpy", "dask", "zarr", "xarray", "watched")


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_array_of_any_library_is_a_slide(make, library):
    slide = slide_from_array(make(library, IMAGE), UM)
    assert slide.shape == (60, 80)
    np.testing.assert_array_equal(pixels(slide), IMAGE)
    np.testing.assert_array_equal(slide.read(Window(3, 5, 7, 9)), IMAGE[3:10, 5:14])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("channel", [0, 2, "1"])
def test_a_channel_is_chosen_by_its_index(make, library, channel):
    slide = slide_from_array(make(library, STACK), UM, channel=channel)
    np.testing.assert_array_equal(pixels(slide), STACK[int(channel)])


@pytest.mark.parametrize("library", LIBRARIES)
def test_among_several_channels_one_must_be_chosen(make, library):
    with pytest.raises(SlideError, match=r"array: 3 channels .*choose a `channel` out of 0, 1, 2"):
        slide_from_array(make(library, STACK), UM)


def test_a_lone_channel_needs_no_choice():
    np.testing.assert_array_equal(pixels(slide_from_array(STACK[1:2], UM)), STACK[1])


def test_many_unnamed_channels_are_not_listed_one_by_one():
    with pytest.raises(SlideError, match=r"out of 0 to 59$"):
        slide_from_array(np.zeros((60, 80, 3), np.uint8), UM)


def test_chunks_are_those_of_the_array(make):
    for library in ("dask", "zarr"):
        assert slide_from_array(make(library, STACK), UM, channel=0).levels[0].chunk == (16, 24)
    uneven = dask.array.from_array(IMAGE, chunks=((10, 50), (30, 30, 20)))
    assert slide_from_array(uneven, UM).levels[0].chunk == (50, 30)
    assert slide_from_array(IMAGE, UM, chunk=32).levels[0].chunk == (32, 32)


def test_xarray_names_its_axes_and_channels():
    array = xarray.DataArray(
        STACK.transpose(2, 1, 0), dims=("x", "y", "channel"),
        coords={"channel": ["Cy3", "DAPI", "Cy5"]},
    )  # fmt: skip
    for chosen, index in ((None, 1), ("Cy5", 2), (0, 0)):
        slide = slide_from_array(array, UM, channel=chosen)
        assert slide.channels == ("Cy3", "DAPI", "Cy5")
        np.testing.assert_array_equal(pixels(slide), STACK[index])


def test_a_stack_of_xarray_becomes_its_maximum_projection():
    slide = slide_from_array(xarray.DataArray(STACK, dims=("z", "y", "x")), UM)
    np.testing.assert_array_equal(pixels(slide), IMAGE + 2)


@pytest.mark.parametrize(
    ("array", "part"),
    [
        ([[1, 2], [3, 4]], "a list is not an array"),
        (np.zeros(5, np.uint8), r"shape \(5,\); it must have rows and columns"),
        (np.zeros((1, 1, 4, 4), np.uint8), "name the axes of others"),
        (np.zeros((0, 4), np.uint8), "the slide is empty"),
        (np.zeros((4, 4), complex), "data type complex128"),
        (xarray.DataArray(STACK, dims=("y", "z", "w")), "axes .*'w'"),
        (xarray.DataArray(STACK, dims=("y", "y2", "x")), "axes .*'y2'"),
    ],
)
def test_what_is_no_image_is_refused(array, part):
    with pytest.raises(SlideError, match=part):
        slide_from_array(array, UM)


@pytest.mark.parametrize("library", LIBRARIES)
def test_arrays_of_other_pixels_have_another_identity_and_few_are_read(make, library):
    large = np.random.default_rng(0).integers(0, 999, (700, 900), np.uint16)
    array = make(library, large)
    slide = slide_from_array(array, UM)
    assert slide.identity == slide.identity == slide_from_array(large.copy(), UM).identity
    assert slide.identity != slide_from_array(large[::-1], UM).identity
    if library == "watched":
        assert sum(array.sizes) == 3 * 16 * 64 * 64


def test_the_identity_is_that_of_the_channel_that_is_read():
    first, again, other = (slide_from_array(STACK, UM, channel=c).identity for c in (0, 0, 1))
    assert first == again != other


def test_nothing_is_read_before_a_window_is_and_then_only_that():
    array = Watched(IMAGE)
    slide = slide_from_array(array, UM)
    assert array.sizes == []
    slide.read(Window(0, 0, 4, 5))
    assert array.sizes == [20]
