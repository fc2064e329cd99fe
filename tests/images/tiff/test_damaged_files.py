"""Damaged TIFF files are refused, or read with a warning, and the damage is named."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from slides import pixels
from tiff_files import TILED, noise, write

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import open_slide


def test_tiles_of_which_nothing_is_stored_are_said(tmp_path):
    path = write(tmp_path / "a.tif", noise(100, 90), **TILED)
    with tifffile.TiffFile(path, mode="r+") as file:
        counts = list(file.pages.first.databytecounts)
        file.pages.first.tags["TileByteCounts"].overwrite([0, *counts[1:]])
    slide = open_slide(path, pixel_size_um=1)
    assert re.search(r"1 of 8 tiles .* read as 0", slide.warnings[0])
    assert not slide.read(Window(0, 0, 32, 48)).any()
    with pytest.raises(SlideError, match=r"1 tiles or strips .* hold nothing"):
        open_slide(path, pixel_size_um=1, missing_chunks="refuse")


def test_a_damaged_tile_is_named(tmp_path):
    path = write(tmp_path / "a.tif", noise(100, 90), **TILED)
    with tifffile.TiffFile(path) as file:
        start, count = file.pages.first.dataoffsets[3], file.pages.first.databytecounts[3]
    content = bytearray(path.read_bytes())
    content[start : start + count] = bytes(count)
    path.write_bytes(content)
    with pytest.raises(SlideError, match=r"level 0, rows 0 to 100.*tile or strip 3 is damaged"):
        pixels(open_slide(path, pixel_size_um=1))


def test_a_chain_of_pages_in_a_circle_ends(tmp_path):
    path = write(tmp_path / "a.tif", noise(20, 30), metadata=None)
    with tifffile.TiffFile(path) as file:
        place = file.pages.next_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 4] = content[4:8]
    path.write_bytes(content)
    assert open_slide(path, pixel_size_um=1).shape == (20, 30)


def test_tifffile_logs_as_before_once_a_file_was_opened(tmp_path):
    level = logging.getLogger("tifffile").level
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + bytes(20))
    with pytest.raises(SlideError, match="damaged"):
        open_slide(path)
    assert logging.getLogger("tifffile").level == level
    assert Path(path).exists()


def test_a_size_that_is_no_integer_is_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        for rows in (30, 40):
            out.write(np.zeros((rows, 50), np.uint8), photometric="minisblack", metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = data.rindex(b"\x01\x01\x04\x00")  # ImageLength, a 32-bit integer
    data[at + 2] = 11  # a 32-bit float
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(SlideError, match=r"damaged, with an image of 5\.6\d*e-44 x 50 pixels"):
        open_slide(tmp_path / "a.tif", pixel_size_um=1)
