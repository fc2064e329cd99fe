"""Tiles of network input: blocks of chunks read ahead, each chunk once, and tiles gathered from them.

Contract C7: what later blocks need again of the pixels that were read (the halo of the largest patch)
is kept: a frontier of few rows across the slide, and few columns beside the current block.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window, ceil_div, receptive_window
from morphinfer.images import Slide
from morphinfer.tiles.gather import gather, needed_range
from morphinfer.tiles.model_image import ModelImage, refuse_nan
from morphinfer.tiles.normalisation import Intensity, Normalisation, measure_intensity
from morphinfer.tiles.spans import PositionAxis, Span


@dataclass(frozen=True, slots=True)
class Tiling:
    """How the positions of a slide are cut into blocks and tiles."""

    image: ModelImage
    """The slide at the model's pixel size."""
    patch_size_px: int
    """Largest patch, which sets the halo."""
    stride_px: int
    """Distance of positions in model pixels."""
    tile: int
    """Positions along the side of a tile."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the label image; the last position may overhang the slide."""
        height, width = (ceil_div(side, self.stride_px) for side in self.image.shape)
        return height, width

    def axis(self, axis: int) -> PositionAxis:
        """Positions along an axis (0: rows, 1: columns) over the level that is read."""
        return PositionAxis(
            self.shape[axis],
            self.image.shape[axis],
            self.patch_size_px,
            self.stride_px,
            self.image.slide.levels[self.image.level].chunk[axis],
            lambda first, last: self.image.source_range(axis, first, last),
        )

    def spans(self, axis: int, start: int = 0, stop: int | None = None) -> list[Span]:
        """Spans of an axis, over all its positions or those of [start, stop)."""
        end = self.shape[axis] if stop is None else stop
        return self.axis(axis).spans(start, end, self.tile)

    def seeing(self, pixels: Window) -> Window:
        """Positions whose largest patch sees one of some level pixels; may be none."""
        row, row_stop = self.axis(0).seeing(pixels.row, pixels.row_stop)
        col, col_stop = self.axis(1).seeing(pixels.col, pixels.col_stop)
        return Window(row, col, row_stop - row, col_stop - col)

    def count(self, start: int = 0, stop: int | None = None) -> int:
        """Number of tiles of the rows [start, stop) of positions."""
        rows = sum(len(span.tiles(self.tile)) for span in self.spans(0, start, stop))
        return rows * sum(len(span.tiles(self.tile)) for span in self.spans(1))

    def windows(self, start: int = 0, stop: int | None = None) -> Iterator[Window]:
        """Positions of each tile of the rows [start, stop) of positions, in reading order."""
        cols = [col for span in self.spans(1) for col in span.tiles(self.tile)]
        for span in self.spans(0, start, stop):
            for row, height in span.tiles(self.tile):
                yield from (Window(row, col, height, width) for col, width in cols)


@dataclass(frozen=True, slots=True)
class Block:
    """Level pixels that were read, and the tiles that they complete."""

    tiles: list[Window]
    """The tiles, in positions."""
    pixels: NDArray[Any]
    """Not normalised, in the slide's data type."""
    corner: tuple[int, int]
    """Row and column of the level at which ``pixels`` begins."""


def read_blocks(
    tiling: Tiling, start: int = 0, stop: int | None = None
) -> Generator[Block, None, None]:
    """Blocks of the rows [start, stop) of positions, from top to bottom and left to right.

    A thread reads the next block while this one is used.
    """
    blocks = _blocks(tiling.image, tiling.spans(0, start, stop), tiling.spans(1), tiling.tile)
    with ThreadPoolExecutor(1, thread_name_prefix="morphinfer-read") as pool:
        following = pool.submit(next, blocks, None)
        while (block := following.result()) is not None:
            following = pool.submit(next, blocks, None)
            yield block


def read_block(tiling: Tiling, positions: Window) -> Block:
    """A separate block for a few positions."""
    axes = [tiling.axis(k) for k in (0, 1)]
    rows = axes[0].needed(positions.row, positions.row_stop)
    cols = axes[1].needed(positions.col, positions.col_stop)
    window = Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
    return Block([positions], _read(tiling.image, window), (window.row, window.col))


def _blocks(
    image: ModelImage, rows: Sequence[Span], cols: Sequence[Span], tile: int
) -> Iterator[Block]:
    """Read blocks in order; each is what is kept above it, what is kept left of it, and fresh pixels."""
    slide = image.slide
    kept_rows = max(row.fresh - row.source_start for row in rows)
    frontier = np.empty((kept_rows, cols[-1].source_stop), slide.dtype)
    for row, next_row in zip(rows, [*rows[1:], None], strict=True):
        above = row.fresh - row.source_start
        left = np.empty((row.source_stop - row.source_start, 0), slide.dtype)
        for col, next_col in zip(cols, [*cols[1:], None], strict=True):
            beside = col.fresh - col.source_start
            shape = (row.source_stop - row.source_start, col.source_stop - col.source_start)
            pixels = np.empty(shape, slide.dtype)
            pixels[:, :beside] = left
            pixels[:above, beside:] = frontier[:above, col.fresh : col.source_stop]
            fresh = Window(
                row.fresh,
                col.fresh,
                row.source_stop - row.fresh,
                col.source_stop - col.fresh,
            )
            pixels[above:, beside:] = _read(image, fresh)
            if next_row is not None:
                keep = row.source_stop - next_row.source_start
                frontier[:keep, col.fresh : col.source_stop] = pixels[shape[0] - keep :, beside:]
            if next_col is not None:
                left = pixels[:, shape[1] - (col.source_stop - next_col.source_start) :].copy()
            windows = [
                Window(first_row, first_col, height, width)
                for first_row, height in row.tiles(tile)
                for first_col, width in col.tiles(tile)
            ]
            yield Block(windows, pixels, (row.source_start, col.source_start))


def _read(image: ModelImage, window: Window) -> NDArray[Any]:
    fresh = image.slide.read(window, image.level)
    refuse_nan(fresh, image.slide.name, window)
    return fresh


def gather_tile(
    tiling: Tiling,
    block: Block,
    positions: Window,
    intensity: Intensity,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Network input for ``positions`` of a block: reflected at the slide's edges, normalised.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Exactly what the largest patches of the positions see.
    """
    image = tiling.image
    seen = receptive_window(positions, tiling.patch_size_px, tiling.stride_px)
    row, row_stop = needed_range(seen.row, seen.height, image.shape[0])
    col, col_stop = needed_range(seen.col, seen.width, image.shape[1])
    inside = Window(row, col, row_stop - row, col_stop - col)
    pixels, origin = image.from_block(block.pixels, block.corner, inside)
    return gather(
        pixels,
        origin,
        image.shape,
        seen,
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
    intensity = measure_intensity(slide, normalisation, pixel_size_um)
    tiling = Tiling(ModelImage.of(slide, pixel_size_um), 1, 1, 1024)
    out = np.empty(tiling.shape, np.float32)
    for block in read_blocks(tiling):
        for window in block.tiles:
            out[window.slices] = gather_tile(tiling, block, window, intensity)
    return out
