"""Tiles of network input: row bands of the slide read ahead, tiles gathered from them.

Contract C7: rows of chunks are decoded once and kept while they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.cards import Normalisation
from morphinfer.gathering import gather, needed_range
from morphinfer.grid import TileGrid, Window, ceil_div, receptive_window
from morphinfer.model_image import ModelImage, refuse_nan
from morphinfer.normalising import Intensity, measure_intensity
from morphinfer.slide import Slide


class RowSource:
    """Full-width rows of one level, decoded by whole rows of chunks, each once, in rising order."""

    def __init__(self, slide: Slide, level: int) -> None:
        self._slide = slide
        self._level = level
        self._start = 0
        self._block: NDArray[Any] = np.empty((0, slide.levels[level].shape[1]), slide.dtype)

    def rows(self, start: int, stop: int) -> tuple[NDArray[Any], int]:
        """A block that holds the rows [start, stop), and the row at which it begins."""
        height, width = self._slide.levels[self._level].shape
        chunk_rows = self._slide.levels[self._level].chunk[0]
        have = self._start + len(self._block)
        want = min(height, ceil_div(stop, chunk_rows) * chunk_rows)
        parts = [self._block[max(0, start - self._start) :]]
        self._start = max(self._start, min(start, have))
        if want > have:
            window = Window(have, 0, want - have, width)
            fresh = self._slide.read(window, self._level)
            refuse_nan(fresh, self._slide.name, window)
            parts.append(fresh)
        self._block = np.concatenate(parts)
        return self._block, self._start


@dataclass(frozen=True, slots=True)
class Band:
    """The model pixels that one row of tiles needs, full width."""

    tiles: list[Window]
    """The tiles, in cells."""
    row: int
    """First model row of ``pixels``."""
    pixels: NDArray[Any]
    """Not normalised, shape (rows, width of the model image)."""


def read_bands(
    image: ModelImage, grid: TileGrid, patch_size_px: int, stride_px: int
) -> Iterator[Band]:
    """Bands from top to bottom; the next one is read by a thread while this one is used.

    Parameters
    ----------
    image : ModelImage
        The slide.
    grid : TileGrid
        The tiles.
    patch_size_px : int
        Largest patch, which sets the halo.
    stride_px : int
        Distance of cells in model pixels.
    """
    source = RowSource(image.slide, image.level)

    def prepare(tiles: list[Window]) -> Band:
        seen = receptive_window(tiles[0], patch_size_px, stride_px)
        row, stop = needed_range(seen.row, seen.height, image.shape[0])
        block, start = source.rows(*image.source_rows(row, stop))
        return Band(tiles, row, image.from_source(block, start, row, stop))

    with ThreadPoolExecutor(1, thread_name_prefix="morphinfer-read") as pool:
        pending = None
        for tiles in grid.bands():
            following = pool.submit(prepare, tiles)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def gather_tile(
    band: Band,
    image_shape: tuple[int, int],
    window: Window,
    intensity: Intensity,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Network input for ``window`` (model pixels): reflected at the slide's edges, normalised."""
    return gather(
        band.pixels,
        (band.row, 0),
        image_shape,
        window,
        low=intensity.low,
        high=intensity.high,
        clip=intensity.clip,
        out=out,
    )


def read_model_image(
    slide: Slide, pixel_size_um: float, normalisation: Normalisation
) -> NDArray[np.float32]:
    """The whole slide at ``pixel_size_um``, normalised as in inference; for training sections.

    Returns
    -------
    ndarray of float32, shape (M, N)
        M and N are the sides of the slide in model pixels, rounded up.
    """
    intensity = measure_intensity(slide, normalisation)
    image = ModelImage.of(slide, pixel_size_um)
    out = np.empty(image.shape, np.float32)
    grid = TileGrid.over(image.shape, 1, 1024)
    for band in read_bands(image, grid, 1, 1):
        rows = Window(band.row, 0, band.tiles[0].height, image.shape[1])
        gather_tile(band, image.shape, rows, intensity, out=out[rows.slices[0]])
    return out
