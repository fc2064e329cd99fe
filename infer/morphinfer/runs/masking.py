"""Positions that have no label, since a chunk that their patches see cannot be decoded.

All chunks of the level are decoded once before the run, so the positions are known at the start and
do not depend on tiles, shards or tasks (contract C2). No label depends on the zeros that such a chunk is read
as: every position whose largest patch sees one of its pixels is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import Slide
from morphinfer.records import RunBadChunks
from morphinfer.tiles import Tiling


@dataclass(frozen=True, slots=True)
class Masked:
    """What is left out."""

    chunks: int = 0
    """Number of chunks that cannot be decoded."""
    windows: tuple[Window, ...] = ()
    """Positions that see them; windows may overlap."""

    def covers(self, window: Window) -> NDArray[np.bool_]:
        """Which positions of a window are left out, shape (height, width)."""
        mask = np.zeros((window.height, window.width), bool)
        for each in self.windows:
            row, col = each.row - window.row, each.col - window.col
            mask[
                max(0, row) : max(0, row + each.height), max(0, col) : max(0, col + each.width)
            ] = True
        return mask

    def count(self, shape: tuple[int, int], inside: Callable[[Window], NDArray[np.bool_]]) -> int:
        """Number of the positions that are left out, of those that count.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns of positions.
        inside : callable
            Which positions of a window count, as an array of bool.
        """
        edges = sorted({edge for w in self.windows for edge in (w.row, w.row_stop)})
        total = 0
        for first, after in pairwise(edges):
            strip = Window(first, 0, after - first, shape[1])
            mask = self.covers(strip)
            if mask.any():
                total += int(np.count_nonzero(mask & inside(strip)))
        return total


def with_masked(slide: Slide, level: int) -> Slide:
    """The slide with the bad chunks of a level found and read as zeros."""
    if slide.on_bad_chunk == "mask" and slide.bad_chunks is not None:
        return slide
    return replace(slide, on_bad_chunk="mask", bad_chunks=slide.find_bad_chunks(level))


def masked_positions(tiling: Tiling) -> Masked:
    """The positions that see a bad chunk of the slide."""
    chunks = tiling.image.slide.bad_chunks or ()
    windows = (tiling.seeing(chunk) for chunk in chunks)
    return Masked(len(chunks), tuple(w for w in windows if w.height and w.width))


def masked_warning(slide: Slide, bad: RunBadChunks, all_positions: int) -> str:
    """The sentence on what is left out.

    Raises
    ------
    SlideError
        Nothing is left to label.
    """
    first = (slide.bad_chunks or ())[0]
    found = (
        f"{slide.name}: {bad.chunks} chunk(s) cannot be decoded, the first at row {first.row}, column "
        f"{first.col} of the level that is read"
    )
    if bad.positions == all_positions:
        raise SlideError(
            f"{found}, and every position sees one; copy the slide again from its source"
        )
    return f"{found}; the {bad.positions} positions that see them are unlabelled"
