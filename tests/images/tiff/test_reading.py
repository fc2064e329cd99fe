"""Any window of a TIFF file has the pixels of the file, and only what it needs is decoded."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from slides import pixels
from tiff_files import TILED, noise, write, write_ome

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import open_slide
from morphinfer.images.convert import convert
from morphinfer.images.tiff.segments import SegmentPlane


@pytest.mark.parametrize(
    "options",
    [
        TILED,
        {"tile": (32, 48)},
        {"tile": (64, 64), "compression": "zlib", "predictor": True, "byteorder": ">"},
        {"rowsperstrip": 7, "compression": "lzw"},
        {"rowsperstrip": 7},
        {"byteorder": ">"},
        {"bigtiff": True, **TILED},
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_window_has_the_pixels_of_the_file(tmp_path, options, dtype):
    image = noise(150, 201, dtype=dtype)
    slide = open_slide(write(tmp_path / "a.tif", image, **options), pixel_size_um=0.5)
    assert (slide.dtype, slide.axes, slide.version) == (image.dtype, "yx", "0.5")
    for window in (Window(0, 0, 150, 201), Window(31, 47, 2, 2), Window(149, 5, 1, 190)):
        np.testing.assert_array_equal(slide.read(window), image[window.slices])


def test_only_the_tiles_of_a_window_are_decoded(tmp_path, monkeypatch):
    decoded = []
    real = SegmentPlane._decode
    monkeypatch.setattr(
        SegmentPlane,
        "_decode",
        lambda self, index, data: decoded.append(index) or real(self, index, data),
    )
    slide = open_slide(write(tmp_path / "a.tif", noise(128, 192), **TILED), pixel_size_um=0.5)
    assert slide.levels[0].chunk == (32, 48)
    slide.read(Window(33, 50, 10, 60))
    assert sorted(decoded) == [5, 6]


def test_large_images_in_compressed_strips_are_sent_to_convert(tmp_path, monkeypatch):
    image = noise(200, 300)
    path = write(
        tmp_path / "a.ome.tif", image, rowsperstrip=50, compression="deflate", metadata=None
    )
    assert open_slide(path, pixel_size_um=1).levels[0].chunk == (200, 300)
    for module in ("source", "slide"):
        monkeypatch.setattr(f"morphinfer.images.tiff.{module}.SMALL_BYTES", image.nbytes - 1)
    with pytest.raises(SlideError, match=r"strips.*'morphinfer convert a\.ome\.tif a\.zarr'"):
        open_slide(path, pixel_size_um=1)
    convert(path, tmp_path / "a.zarr", pixel_size_um=1)
    np.testing.assert_array_equal(pixels(open_slide(tmp_path / "a.zarr")), image)


def test_a_slide_goes_to_another_process_and_keeps_no_file_open(tmp_path):
    image = noise(3, 100, 90)
    path = write(tmp_path / "a.tif", image, **TILED)
    slide = pickle.loads(pickle.dumps(open_slide(path, z="max", pixel_size_um=1)))
    np.testing.assert_array_equal(pixels(slide), image.max(axis=0))
    path.rename(tmp_path / "b.tif")
    with pytest.raises(SlideError, match="cannot be read"):
        pixels(slide)


def test_slices_of_a_level_are_those_of_an_array(tmp_path):
    image = noise(2, 3, 40, 50)
    path = write_ome(tmp_path / "a.ome.tif", image, "CZYX", ["DAPI", "x"], **TILED)
    array = open_slide(path).levels[0].array
    assert (array.shape, array.ndim, array.chunks) == (image.shape, 4, (1, 1, 32, 48))
    for index in (
        (1, slice(None), slice(3, 9), slice(40, 50)),
        (..., 7),
        (slice(None), -1, slice(None, None, 3), slice(30, 2, -4)),
        (0, 0, 5, 6),
        (0, 0, slice(4, 4), slice(None)),
    ):
        np.testing.assert_array_equal(array[index], image[index])
    np.testing.assert_array_equal(np.asarray(array), image)
