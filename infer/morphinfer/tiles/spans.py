"""Along one axis: which cells can be computed once the slide was read up to a chunk's end.

A slide is read in blocks of whole chunks, each once. The pixels that later cells need again (the
halo) are kept, so a span of cells ends where the pixels read so far end, not where a tile would.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from morphinfer.geometry import ceil_div, patch_offset

MOST_TILES = 4
"""Tiles along one side of a block, at most, unless a single chunk is larger."""
SMALL_WASTE = 0.05
"""Share by which tiles may fall short of the size asked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of cells along one axis, and the level pixels that they need."""

    start: int
    """First cell."""
    stop: int
    """One past the last cell."""
    source_start: int
    """First level pixel that this span or a later one needs."""
    fresh: int
    """First level pixel that no earlier span has read."""
    source_stop: int
    """One past the last level pixel that is read for this span."""

    def tiles(self, tile: int) -> list[tuple[int, int]]:
        """First cells and counts of the tiles, of nearly equal size, about ``tile`` cells or fewer."""
        count = self.stop - self.start
        parts = ceil_div(count, tile + tile // 8)
        edges = [self.start + count * k // parts for k in range(parts + 1)]
        return [(a, b - a) for a, b in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class CellAxis:
    """One axis of the label image over one axis of the level that is read."""

    cells: int
    """Number of cells."""
    model_size: int
    """Number of model pixels."""
    patch_size_px: int
    """Largest patch, in model pixels."""
    stride_px: int
    """Distance of cells in model pixels."""
    chunk: int
    """Level pixels of a chunk."""
    source_range: Callable[[int, int], tuple[int, int]]
    """Level pixels [first, stop) that the model pixels [start, stop) are made of."""

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """Level pixels [first, stop) that the patches of the cells [start, stop) see, reflected."""
        first = start * self.stride_px + patch_offset(self.patch_size_px, self.stride_px)
        last = first + (stop - start - 1) * self.stride_px + self.patch_size_px
        low, high, size = first, last, self.model_size
        if first < 0:
            low, high = 0, max(high, -first)
        if last > size:
            low, high = min(low, 2 * size - last), size
        low, high = min(max(low, 0), size - 1), min(max(high, 1), size)
        return self.source_range(low, max(high, low + 1))

    def spans(self, start: int, stop: int, tile: int) -> list[Span]:
        """Spans that cover the cells [start, stop), with tiles of about ``tile`` cells.

        Parameters
        ----------
        start, stop : int
            The cells that are wanted, in order.
        tile : int
            Cells along the side of a tile.
        """
        end = self.needed(start, stop)[1]
        step = self._block(tile, self.needed(0, self.cells)[1])
        read = self.needed(start, stop)[0]
        spans: list[Span] = []
        cell, edge = start, read // self.chunk * self.chunk
        while cell < stop:
            edge = min(edge + step, end)
            done = self._complete(cell, stop, edge) if edge < end else stop
            if done > cell:
                # Patches that lie apart leave pixels between them that are read and not needed.
                first = min(self.needed(cell, stop)[0], read)
                spans.append(Span(cell, done, first, read, edge))
                cell, read = done, edge
        return spans

    def _complete(self, start: int, stop: int, edge: int) -> int:
        """One past the last cell whose patch lies before level pixel ``edge``."""
        cells = range(start, stop)
        return start + bisect_right(cells, edge, key=lambda cell: self.needed(cell, cell + 1)[1])

    def _block(self, tile: int, size: int) -> int:
        """Level pixels of a block: whole chunks that tiles of ``tile`` cells fill with little waste."""
        wanted = tile * self.stride_px * size / self.model_size
        most = max(1, int(MOST_TILES * wanted / self.chunk))
        best, least = 1, float("inf")
        for chunks in range(1, most + 1):
            length = chunks * self.chunk
            waste = 1 - length / (wanted * ceil_div(length, max(1, round(wanted))))
            if waste < least - SMALL_WASTE or (waste < SMALL_WASTE < least):
                best, least = chunks, waste
        return best * self.chunk
