"""Nuclei at the pixels of a picture: means over squares of pixels of the level that suits it."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import TIE, PixelGrid, Window, ceil_div
from morphinfer.images import Slide, slide_from_array, verify_level_for
from morphinfer.reports.lettering import resampled

BAND_PIXELS = 1 << 24
"""Pixels of a slide that are read at once."""
MOST_PIXELS = 1 << 24
"""Most pixels of a level that is kept in memory, 4 bytes each."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Nuclei:
    """A slide at any resolution: levels that agree with the finest, and a coarse copy where it has none."""

    slide: Slide
    """The slide, with levels that were compared."""
    coarse: Slide | None
    """A copy of no more than `MOST_PIXELS` in memory, of a slide without a level so coarse."""

    @classmethod
    def of(cls, slide: Slide) -> Nuclei:
        """Compare the levels of a slide, and read it whole if it has no coarse one.

        Raises
        ------
        SlideError
            A chunk cannot be read.
        """
        for level in reversed(slide.levels):
            slide = verify_level_for(slide, level.pixel_size_um)
        grid = slide.grid
        while math.prod(grid.shape) > MOST_PIXELS:
            grid = slide.grid.cover(2 * grid.pixel_size_um)
        if slide.levels[slide.level_for(math.inf)].pixel_size_um * 1.001 > grid.pixel_size_um:
            return cls(slide, None)
        logger.warning(
            "%s: has no level as coarse as the whole is shown, so all of it is read first",
            slide.name,
        )
        copy = slide_from_array(read_area(slide, grid), grid.pixel_size_um, slide.name)
        return cls(slide, replace(copy, levels=(replace(copy.levels[0], grid=grid),)))

    def read(self, grid: PixelGrid) -> NDArray[np.float32]:
        """Intensities at the pixels of a grid, see `read_area`."""
        coarse = self.coarse
        if coarse is not None and grid.pixel_size_um * 1.001 > coarse.pixel_size_um:
            return read_area(coarse, grid)
        return read_area(self.slide, grid)


def read_thumbnail(
    slide: Slide, grid: PixelGrid, band_pixels: int = BAND_PIXELS
) -> NDArray[np.float32]:
    """Mean intensities of a slide at the pixels of a picture, of squares of whole pixels of a level.

    Parameters
    ----------
    slide : Slide
        The slide; without a pyramid its finest level is read in bands.
    grid : PixelGrid
        The picture, see `picture_grid`.
    band_pixels : int
        Pixels of the slide that are read at once.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Finite intensities in the unit of the slide.

    Raises
    ------
    SlideError
        A chunk cannot be read.
    """
    index = slide.level_for(grid.pixel_size_um)
    while index and not slide.levels[index].verified:
        slide = verify_level_for(slide, slide.levels[index].pixel_size_um)
        index = slide.level_for(grid.pixel_size_um)
    level_um = slide.levels[index].pixel_size_um
    factor = max(1, int(grid.pixel_size_um / level_um + TIE))
    means = _reduced(slide, index, factor, _whole(slide, index, factor), band_pixels)
    finite = np.isfinite(means)
    means[~finite] = means[finite].min() if finite.any() else 0
    step = grid.pixel_size_um / (level_um * factor)
    return resampled(means, (step, step), grid.shape)


def read_area(slide: Slide, grid: PixelGrid, band_pixels: int = BAND_PIXELS) -> NDArray[np.float32]:
    """Intensities of a slide at the pixels of a grid anywhere on it.

    Each is the mean over the square of whole pixels of a level that holds the centre of the pixel. Beside the
    slide they are those of its edge.

    Parameters
    ----------
    slide : Slide
        The slide; its levels are taken as they are.
    grid : PixelGrid
        The pixels.
    band_pixels : int
        Pixels of the slide that are read at once.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Finite intensities in the unit of the slide.

    Raises
    ------
    SlideError
        A chunk cannot be read.
    """
    index = slide.level_for(grid.pixel_size_um)
    level = slide.levels[index].grid
    factor = max(1, int(grid.pixel_size_um / level.pixel_size_um + TIE))
    squares = _whole(slide, index, factor)
    coarse = PixelGrid(
        (squares.height, squares.width), level.pixel_size_um * factor, level.corner_um
    )
    rows, cols = (
        np.clip(coarse.locate(grid, axis), 0, side - 1) for axis, side in enumerate(coarse.shape)
    )
    row, col = int(rows[0]), int(cols[0])
    part = Window(row, col, int(rows[-1]) + 1 - row, int(cols[-1]) + 1 - col)
    means = _reduced(slide, index, factor, part, band_pixels)
    np.nan_to_num(means, copy=False, nan=0, posinf=0, neginf=0)
    return means.take(rows - row, axis=0).take(cols - col, axis=1)


def _whole(slide: Slide, index: int, factor: int) -> Window:
    """All squares of ``factor`` pixels of a level."""
    return Window(0, 0, *(ceil_div(side, factor) for side in slide.levels[index].shape))


def _reduced(
    slide: Slide, index: int, factor: int, part: Window, band_pixels: int
) -> NDArray[np.float32]:
    """Means over some squares of ``factor`` pixels of a level; those at its far edges may be cut."""
    level = slide.levels[index]
    top, left = part.row * factor, part.col * factor
    height = min(part.row_stop * factor, level.shape[0]) - top
    width = min(part.col_stop * factor, level.shape[1]) - left
    total = np.zeros((part.height, part.width), np.float32)
    starts = np.arange(0, width, factor)
    band = max(1, min(level.chunk[0], band_pixels // width))
    for row in range(0, height, band):
        stop = min(row + band, height)
        block = slide.read(Window(top + row, left, stop - row, width), index)
        narrow = np.add.reduceat(block, starts, axis=1, dtype=np.float32)
        first = row // factor
        cuts = np.arange(first, ceil_div(stop, factor)) * factor - row
        sums = np.add.reduceat(narrow, np.maximum(cuts, 0), axis=0)
        total[first : first + len(sums)] += sums
    rows_of, cols_of = (np.minimum(factor, n - np.arange(0, n, factor)) for n in (height, width))
    for line, rows in zip(total, rows_of, strict=True):  # one by one, without the memory of float64
        line[:] = line / (rows * cols_of)
    return total
