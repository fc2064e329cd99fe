"""The centres of labelled nuclei: an image of masks, in which each nucleus has a number of its own.

Coordinates are rows and columns in pixels; integers are centres of pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import Slide, open_slide
from morphinfer_training.spots import CellTable

MOST_ROWS, FEWEST_ROWS = 2048, 256
"""Rows that are read at a time: those of a row of chunks, within these."""

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)


def read_masks(path: str | Path, frame: PixelGrid) -> CellTable:
    """The nuclei of an image of masks, by rising number; 0 is no nucleus.

    Parameters
    ----------
    path : str or Path
        OME-Zarr image, labels of a SpatialData store, or TIFF file of integers. One that has as many pixels
        as the slide is on these; another one lies where its metadata say.
    frame : PixelGrid
        Level 0 of the slide.

    Raises
    ------
    SlideError
        The image cannot be read, or is not on the pixels of the slide and has no pixel size.
    SpotsError
        Its pixels are no integers, it has several planes, or holds no nucleus.
    """
    image = replace(open_slide(path, channel=0, pixel_size_um=frame.pixel_size_um), as_stored=True)
    here = image.shape == frame.shape
    if not here:
        image = replace(open_slide(path, channel=0), as_stored=True)
    _check(image, path)
    number, row, col = _centres(image)
    if not len(number):
        raise SpotsError(
            f"{path}: has no labelled nucleus, all pixels are 0; name an image of masks"
        )
    in_frame = row, col
    if not here:
        ratio = image.pixel_size_um / frame.pixel_size_um
        down, right = np.subtract(image.grid.origin_um, frame.origin_um) / frame.pixel_size_um
        in_frame = row * ratio + down, col * ratio + right
    where = "the pixels of the slide" if here else "the place that its metadata say"
    logger.info("%s: %d nuclei, on %s", path, len(number), where)
    return CellTable(Path(path), pa.array(number), None, col, row, *in_frame, image.warnings)


def _check(image: Slide, path: str | Path) -> None:
    deep = [
        axis
        for axis, side in zip(image.axes, image.levels[0].array.shape, strict=True)
        if axis not in "yx" and side > 1
    ]
    if image.dtype.kind not in "iu" or deep:
        what = f"several planes along {', '.join(deep)}" if deep else f"pixels of {image.dtype}"
        raise SpotsError(
            f"{path}: has {what}; masks are one plane of integers, a number for each nucleus"
        )


def _centres(image: Slide) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Number, and mean row and column, of each nucleus."""
    parts = [
        part for band in _bands(image) for part in [_runs(image.read(band), band.row)] if len(part)
    ]
    if not parts:
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    number, pixels, rows, cols = np.concatenate(parts).T
    found, which = np.unique(number.astype(np.int64), return_inverse=True)
    total = np.bincount(which, pixels)
    return found, np.bincount(which, rows) / total, np.bincount(which, cols) / total


def _bands(image: Slide) -> Iterator[Window]:
    height, width = image.shape
    step = min(MOST_ROWS, max(FEWEST_ROWS, image.levels[0].chunk[0]))
    for top in range(0, height, step):
        yield Window(top, 0, min(step, height - top), width)


def _runs(block: NDArray[np.integer], top: int) -> Floats:
    """Number, pixels, and sums of rows and columns of each nucleus in some rows, shape (N, 4)."""
    change = np.ones((block.shape[0], block.shape[1] + 1), np.bool_)
    change[:, 1:-1] = block[:, 1:] != block[:, :-1]
    row, start = np.nonzero(change[:, :-1])
    stop = np.nonzero(change[:, 1:])[1] + 1
    number = block[row, start]
    kept = number > 0
    row, start, stop, number = row[kept] + top, start[kept], stop[kept], number[kept]
    length = (stop - start).astype(np.float64)
    found, which = np.unique(number, return_inverse=True)
    sums = [length, length * row, length * (start + stop - 1) / 2]
    return np.column_stack([found, *(np.bincount(which, s, len(found)) for s in sums)])
