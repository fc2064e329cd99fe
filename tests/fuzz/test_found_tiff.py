"""Damaged TIFF files that once ended in a traceback, a hang or gigabytes, rebuilt in a few lines."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from morphinfer import open_slide
from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images.convert import convert


def tags_of(data: bytes) -> dict[int, int]:
    """Offset of the entry of each tag of the first directory of a little-endian file."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [at + 2 + 12 * k for k in range(count)]
    return {struct.unpack_from("<H", data, entry)[0]: entry for entry in entries}


TYPE, COUNT, VALUE = 2, 4, 8
WIDTH, LENGTH, BITS, COMPRESSION, SAMPLES, STRIP_ROWS = 256, 257, 258, 259, 277, 278
STRIP_OFFSETS, TILE_WIDTH, TILE_OFFSETS, TILE_BYTES = 273, 322, 324, 325


@pytest.mark.parametrize(
    ("tag", "field", "form", "value"),
    [
        (WIDTH, COUNT, "I", 2),  # several widths
        (LENGTH, TYPE, "H", 2),  # a text
        (LENGTH, VALUE, "I", 0),
        (BITS, COUNT, "I", 3),
        (BITS, VALUE, "I", 0),
        (COMPRESSION, VALUE, "I", 1),  # compressed tiles as raw ones
        (COMPRESSION, COUNT, "I", 7),
        (SAMPLES, VALUE, "I", 0),
        (SAMPLES, VALUE, "I", 40000),
        (TILE_WIDTH, VALUE, "I", 0),
        (TILE_WIDTH, VALUE, "I", 2**31),
        (TILE_WIDTH, TYPE, "H", 12),  # a real number
        (TILE_OFFSETS, COUNT, "I", 1),
        (TILE_OFFSETS, TYPE, "H", 2),  # a text
        (TILE_BYTES, COUNT, "I", 2),
        (TILE_BYTES, TYPE, "H", 5),  # fractions
    ],
)
def test_a_tag_of_a_tiff_file_cannot_be(tmp_path, tag, field, form, value):
    path = tmp_path / "a.tif"
    image = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
    tifffile.imwrite(path, image, tile=(32, 32), compression="zlib")
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{form}", data, tags_of(data)[tag] + field, value)
    path.write_bytes(data)
    with pytest.raises(SlideError):
        open_slide(path, pixel_size_um=0.65).read(Window(0, 0, 64, 96))


def test_the_place_of_the_pixels_is_a_real_number(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((32, 32), np.uint8), photometric="minisblack")
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, tags_of(data)[STRIP_OFFSETS] + TYPE, 11)
    struct.pack_into("<f", data, tags_of(data)[STRIP_OFFSETS] + VALUE, 8.5)
    path.write_bytes(data)
    with pytest.raises(SlideError):
        convert(path, tmp_path / "a.zarr", pixel_size_um=0.65)


def test_the_pages_of_a_tiff_file_run_in_a_circle(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.zeros((2, 32, 32), np.uint16), photometric="minisblack", metadata=None
    )
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * count, second)
    path.write_bytes(data)
    with pytest.raises(SlideError):
        open_slide(path, pixel_size_um=0.65)
