"""Check for seams: how often the class changes across tile borders in a label image.

Two neighbouring positions are a pair; a pair counts if both have a label. The share of pairs with
different classes across tile borders is compared with the share of all other pairs. Since tissue
varies, it is also compared with the share at every other offset of the same grid, where no tiles
end. Its rank among these is a permutation test; no distribution is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.geometry import Window
from morphinfer.images import LabelImage
from morphinfer.records import SeamFigures, SeamVerdict

FEWEST_OFFSETS = 19
"""With fewer other offsets, even the highest rank occurs by chance more often than 1 in 20 times."""
CHANCE = 0.01
"""Tiles show if at most this share of the other offsets reaches the share at the borders."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Pairs of neighbouring positions by the border between them, along one axis."""

    changed: NDArray[np.int64]
    """Pairs of different classes, shape (N,); entry i is for positions i - 1 and i, entry 0 is 0."""
    pairs: NDArray[np.int64]
    """All pairs of labelled positions, shape (N,)."""


@dataclass(frozen=True, slots=True)
class Seams:
    """Changes of class at the borders of a grid, and elsewhere."""

    borders: int
    """Number of borders, rows and columns together."""
    at_borders: float
    """Share of the pairs at the borders whose classes differ, 0 to 1."""
    elsewhere: float
    """The same share of all other pairs."""
    offsets: tuple[int, ...]
    """Other offsets of the grid, in positions."""
    shares: tuple[float, ...]
    """Share of pairs of different classes at each of them."""

    @property
    def ratio(self) -> float | None:
        """Share at the borders divided by the share elsewhere; None if the latter is zero."""
        return self.at_borders / self.elsewhere if self.elsewhere else None

    @property
    def reached(self) -> int:
        """Number of other offsets at which classes change at least as often."""
        return sum(share >= self.at_borders for share in self.shares)

    @property
    def seen(self) -> bool | None:
        """Whether tiles show; None if there are too few offsets to compare with."""
        if len(self.offsets) < FEWEST_OFFSETS:
            return None
        return self.reached <= CHANCE * len(self.offsets)


def count_changes(labels: LabelImage) -> tuple[Changes, Changes]:
    """Changes along rows (between a row and the one above) and along columns.

    Memory is for one row of chunks and two counts for each row and column.
    """
    height, width = labels.image.shape
    down, across = (Changes(np.zeros(n, np.int64), np.zeros(n, np.int64)) for n in (height, width))
    above = np.full((1, width), UNLABELLED, np.uint8)
    chunk = labels.image.levels[0].chunk[0]
    for row in range(0, height, chunk):
        stop = min(row + chunk, height)
        band = np.vstack([above, labels.read(Window(row, 0, stop - row, width))])
        for changes, first, second, axis, borders in (
            (down, band[:-1], band[1:], 1, slice(row, stop)),
            (across, band[1:, :-1], band[1:, 1:], 0, slice(1, width)),
        ):
            both = (first != UNLABELLED) & (second != UNLABELLED)
            changes.pairs[borders] += np.count_nonzero(both, axis=axis)
            changes.changed[borders] += np.count_nonzero(both & (first != second), axis=axis)
        above = band[-1:]
    return down, across


def find_seams(
    changes: tuple[Changes, Changes], row_edges: Sequence[int], col_edges: Sequence[int]
) -> Seams | None:
    """Changes of class at the borders of a grid; None if no border has labelled pairs.

    Parameters
    ----------
    changes : tuple of Changes
        Return value of `count_changes`.
    row_edges, col_edges : sequence of int
        First position of each tile except the first, along rows and along columns.
    """
    edges = [_inside(e, c) for e, c in zip((row_edges, col_edges), changes, strict=True)]
    at = [_sums(c, e) for c, e in zip(changes, edges, strict=True)]
    changed, pairs = sum(a[0] for a in at), sum(a[1] for a in at)
    if not pairs:
        return None
    others = sum(int(c.pairs.sum()) for c in changes) - pairs
    changed_else = sum(int(c.changed.sum()) for c in changes) - changed
    shifted = list(_shifted(changes, edges))
    return Seams(
        borders=sum(map(len, edges)),
        at_borders=changed / pairs,
        elsewhere=changed_else / others if others else 0.0,
        offsets=tuple(offset for offset, _ in shifted),
        shares=tuple(share for _, share in shifted),
    )


def _shifted(
    changes: tuple[Changes, Changes], edges: list[NDArray[np.intp]]
) -> list[tuple[int, float]]:
    """Each other offset, up to half a tile in both directions, and its share without true borders."""
    gaps = [
        int(np.diff([0, *e, len(c.pairs)]).max()) if len(e) else 0
        for c, e in zip(changes, edges, strict=True)
    ]
    shares = []
    for offset in range(-((max(gaps) - 1) // 2), max(gaps) // 2 + 1):
        at = [
            _sums(c, np.setdiff1d(_inside(e + offset, c), e))
            for c, e in zip(changes, edges, strict=True)
        ]
        changed, pairs = sum(a[0] for a in at), sum(a[1] for a in at)
        if offset and pairs:
            shares.append((offset, changed / pairs))
    return shares


def _inside(edges: Sequence[int] | NDArray[np.intp], changes: Changes) -> NDArray[np.intp]:
    """The edges between two positions."""
    array = np.asarray(edges, np.intp)
    return array[(array > 0) & (array < len(changes.pairs))]


def _sums(changes: Changes, edges: NDArray[np.intp]) -> tuple[int, int]:
    return int(changes.changed[edges].sum()), int(changes.pairs[edges].sum())


@dataclass(frozen=True, slots=True)
class SeamCheck:
    """Result of the check for seams of a label image."""

    verdict: str
    """One sentence."""
    seams: Seams | None
    """The figures; None if there are no tile borders, or the run record does not state them."""


def check_seams(labels: LabelImage) -> SeamCheck:
    """Look for seams at the tile borders that the run record of a label image states.

    Raises
    ------
    RecordError
        The label image has no run record.
    SlideError
        A chunk of the label image cannot be read.
    """
    tiling = labels.run_record().tiling
    if tiling is None or tiling.row_edges is None or tiling.col_edges is None:
        return SeamCheck(
            "The run record does not state the tile borders, so they were not checked (n/a).",
            None,
        )
    seams = find_seams(count_changes(labels), tiling.row_edges, tiling.col_edges)
    return SeamCheck(verdict(seams), seams)


def verdict(seams: Seams | None) -> str:
    """One sentence on the seams."""
    if seams is None:
        return "There is one tile only, so there are no borders to check (n/a)."
    text = (
        f"The class changes in {seams.at_borders:.2%} of the neighbouring pairs at tile borders and in "
        f"{seams.elsewhere:.2%} of those elsewhere"
    )
    if seams.ratio is not None:
        text += f" (ratio {seams.ratio:.2f})"
    count = len(seams.offsets)
    if seams.seen is None:
        return f"{text}; the tiles are too small to test whether this is chance."
    text += f"; {seams.reached} of {count} other offsets of the same grid reach this share"
    return f"{text}: {'the tiles show' if seams.seen else 'no sign of seams'}."


def seams_json(check: SeamCheck) -> SeamVerdict | SeamFigures:
    """The check as JSON values; only the verdict if there are no figures."""
    seams = check.seams
    if seams is None:
        return {"verdict": check.verdict}
    return {
        "verdict": check.verdict,
        "borders": seams.borders,
        "at_borders": seams.at_borders,
        "elsewhere": seams.elsewhere,
        "ratio": seams.ratio,
        "reached": seams.reached,
        "offsets": len(seams.offsets),
        "seen": seams.seen,
    }
