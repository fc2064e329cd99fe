"""Along one axis: which positions can be computed once the slide was read up to a chunk's end.

A slide is read in blocks of whole chunks, each once. The pixels that later positions need again (the
halo) are kept, so a span of positions ends where the pixels read so far end, not at the end of a tile.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from morphinfer.geometry import ceil_div, patch_offset

MOST_TILES = 4
"""Tiles along one side of a block, at most, unless a single chunk is larger."""
SMALL_WASTE = 0.05
"""Share by which tiles may be smaller than requested."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of positions along one axis, and the level pixels that they need."""

    start: int
    """First position."""
    stop: int
    """One past the last position."""
    source_start: int
    """First level pixel that this span or a later one needs."""
    fresh: int
    """First level pixel that no earlier span has read."""
    source_stop: int
    """One past the last level pixel that is read for this span."""

    def tiles(self, tile: int) -> list[tuple[int, int]]:
        """First positions and counts of the tiles: of nearly equal size, about ``tile`` or fewer."""
        count = self.stop - self.start
        parts = ceil_div(count, tile + tile // 8)
        edges = [self.start + count * k // parts for k in range(parts + 1)]
        return [(a, b - a) for a, b in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class PositionAxis:
    """One axis of the label image over one axis of the level that is read."""

    positions: int
    """Number of positions."""
    model_size: int
    """Number of model pixels."""
    patch_size_px: int
    """Largest patch, in model pixels."""
    stride_px: int
    """Distance of positions in model pixels."""
    chunk: int
    """Level pixels of a chunk."""
    source_range: Callable[[int, int], tuple[int, int]]
    """Level pixels [first, stop) from which the model pixels [start, stop) are computed."""

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """Level pixels [first, stop) that the patches of the positions [start, stop) see, reflected."""
        first = start * self.stride_px + patch_offset(self.patch_size_px, self.stride_px)
        last = first + (stop - start - 1) * self.stride_px + self.patch_size_px
        low, high, size = first, last, self.model_size
        if first < 0:
            low, high = 0, max(high, -first)
        if last > size:
            low, high = min(low, 2 * size - last), size
        low, high = min(max(low, 0), size - 1), min(max(high, 1), size)
        return self.source_range(low, max(high, low + 1))

    def seeing(self, start: int, stop: int) -> tuple[int, int]:
        """Positions [first, last) whose patches see one of the level pixels [start, stop)."""
        all_positions = range(self.positions)
        first = bisect_right(all_positions, start, key=lambda k: self.needed(k, k + 1)[1])
        last = bisect_left(all_positions, stop, key=lambda k: self.needed(k, k + 1)[0])
        return first, max(first, last)

    def spans(self, start: int, stop: int, tile: int) -> list[Span]:
        """Spans that cover the positions [start, stop), with tiles of about ``tile`` positions.

        Parameters
        ----------
        start, stop : int
            The first position, and one past the last.
        tile : int
            Positions along the side of a tile.
        """
        end = self.needed(start, stop)[1]
        step = self._block(tile, self.needed(0, self.positions)[1])
        read = self.needed(start, stop)[0]
        spans: list[Span] = []
        position, edge = start, read // self.chunk * self.chunk
        while position < stop:
            edge = min(edge + step, end)
            done = self._complete(position, stop, edge) if edge < end else stop
            if done > position:
                # Patches that lie apart leave pixels between them that are read and not needed.
                first = min(self.needed(position, stop)[0], read)
                spans.append(Span(position, done, first, read, edge))
                position, read = done, edge
        return spans

    def _complete(self, start: int, stop: int, edge: int) -> int:
        """One past the last position whose patch lies before level pixel ``edge``."""
        positions = range(start, stop)
        return start + bisect_right(positions, edge, key=lambda k: self.needed(k, k + 1)[1])

    def _block(self, tile: int, size: int) -> int:
        """Level pixels of a block: whole chunks that tiles of ``tile`` positions fill with little waste."""
        side_px = tile * self.stride_px * size / self.model_size
        most = max(1, int(MOST_TILES * side_px / self.chunk))
        best, least = 1, float("inf")
        for chunks in range(1, most + 1):
            length = chunks * self.chunk
            waste = 1 - length / (side_px * ceil_div(length, max(1, round(side_px))))
            if waste < least - SMALL_WASTE or (waste < SMALL_WASTE < least):
                best, least = chunks, waste
        return best * self.chunk
