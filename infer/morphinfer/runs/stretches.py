"""Which tiles of missing rows of chunks have to be computed, and which of them an earlier run has left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from morphinfer.geometry import Window
from morphinfer.runs.draft import Draft
from morphinfer.runs.open_rows import uncovered
from morphinfer.tiles import Tiling


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring rows of chunks, which are computed together."""

    start: int
    """First row of positions that is not kept whole."""
    stop: int
    """One past the last row of positions."""
    kept: tuple[Window, ...] = ()
    """Positions that are kept."""

    def is_kept(self, tile: Window) -> bool:
        """Whether a tile need not be computed."""
        return bool(self.kept) and not uncovered(tile, self.kept).any()

    def missing(self, tiling: Tiling) -> Iterator[Window]:
        """The tiles that have to be computed."""
        return (tile for tile in tiling.windows(self.start, self.stop) if not self.is_kept(tile))


def stretches(
    draft: Draft,
    rows: Sequence[int],
    kept: Callable[[int], Sequence[Window]] = lambda _: (),
) -> list[Stretch]:
    """Rows of chunks in stretches of neighbours; ``kept`` returns what is kept of a row."""
    found = []
    for _, group in groupby(enumerate(sorted(rows)), lambda pair: pair[1] - pair[0]):
        run = [row for _, row in group]
        windows = tuple(window for row in run for window in kept(row))
        first, last = draft.window(run[0]), draft.window(run[-1])
        left = uncovered(first, windows).any(axis=1)
        found.append(Stretch(first.row + int(np.argmax(left)), last.row_stop, windows))
    return found
