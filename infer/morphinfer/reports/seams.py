"""Whether tiles show in a label image: how often the class changes across their borders.

Two neighbouring cells are a pair; a pair counts where both are labelled. The share of pairs of different
classes that tile borders cut is compared with the share of all other pairs, and, since tissue is not
alike everywhere, with the same figure for the same grid at every other offset: borders that lie where
no tile ends. The rank among those is a permutation check; no distribution is assumed.
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
"""Below so many other offsets even the highest rank is met by chance more often than 1 in 20 times."""
CHANCE = 0.01
"""Share of other offsets that may reach the borders' own figure where it counts as a seam."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Pairs of neighbouring cells by the border between them, along one axis."""

    changed: NDArray[np.int64]
    """Pairs of different classes, shape (N,); entry i lies between the cells i - 1 and i, 0 is empty."""
    pairs: NDArray[np.int64]
    """All pairs of labelled cells, shape (N,)."""


@dataclass(frozen=True, slots=True)
class Seams:
    """Changes of class at the borders of a grid against elsewhere."""

    borders: int
    """Number of borders, rows and columns together."""
    at_borders: float
    """Share of the pairs there whose classes differ, 0 to 1."""
    elsewhere: float
    """The same of all other pairs."""
    offsets: tuple[int, ...]
    """Other offsets of the grid, in cells."""
    shares: tuple[float, ...]
    """Share of pairs of different classes at each of them."""

    @property
    def ratio(self) -> float | None:
        """How many times as often classes change at the borders; None where they never change."""
        return self.at_borders / self.elsewhere if self.elsewhere else None

    @property
    def reached(self) -> int:
        """Number of other offsets where classes change at least as often."""
        return sum(share >= self.at_borders for share in self.shares)

    @property
    def seen(self) -> bool | None:
        """Whether the borders stand out; None where there are too few offsets to compare with."""
        if len(self.offsets) < FEWEST_OFFSETS:
            return None
        return self.reached <= CHANCE * len(self.offsets)


def count_changes(labels: LabelImage) -> tuple[Changes, Changes]:
    """Changes along rows (between a row and the one above) and along columns.

    Memory depends on a row of chunks and on the sides of the label image.
    """
    height, width = labels.image.shape
    down, across = (Changes(np.zeros(n, np.int64), np.zeros(n, np.int64)) for n in (height, width))
    above = np.full((1, width), UNLABELLED, np.uint8)
    chunk = labels.image.levels[0].chunk[0]
    for row in range(0, height, chunk):
        stop = min(row + chunk, height)
        band = np.vstack([above, labels.read(Window(row, 0, stop - row, width))])
        for told, first, second, axis, place in (
            (down, band[:-1], band[1:], 1, slice(row, stop)),
            (across, band[1:, :-1], band[1:, 1:], 0, slice(1, width)),
        ):
            both = (first != UNLABELLED) & (second != UNLABELLED)
            told.pairs[place] += np.count_nonzero(both, axis=axis)
            told.changed[place] += np.count_nonzero(both & (first != second), axis=axis)
        above = band[-1:]
    return down, across


def find_seams(
    changes: tuple[Changes, Changes], row_edges: Sequence[int], col_edges: Sequence[int]
) -> Seams | None:
    """Changes of class at the borders of a grid; None where no border lies between labelled cells.

    Parameters
    ----------
    changes : tuple of Changes
        What `count_changes` returned.
    row_edges, col_edges : sequence of int
        First cell of each tile but the first, along rows and along columns.
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
    """Each other offset, up to half a tile either way, and its share; true borders are left out."""
    gaps = [
        int(np.diff([0, *e, len(c.pairs)]).max()) if len(e) else 0
        for c, e in zip(changes, edges, strict=True)
    ]
    told = []
    for offset in range(-((max(gaps) - 1) // 2), max(gaps) // 2 + 1):
        at = [
            _sums(c, np.setdiff1d(_inside(e + offset, c), e))
            for c, e in zip(changes, edges, strict=True)
        ]
        changed, pairs = sum(a[0] for a in at), sum(a[1] for a in at)
        if offset and pairs:
            told.append((offset, changed / pairs))
    return told


def _inside(edges: Sequence[int] | NDArray[np.intp], changes: Changes) -> NDArray[np.intp]:
    """The edges that lie between two cells."""
    array = np.asarray(edges, np.intp)
    return array[(array > 0) & (array < len(changes.pairs))]


def _sums(changes: Changes, edges: NDArray[np.intp]) -> tuple[int, int]:
    return int(changes.changed[edges].sum()), int(changes.pairs[edges].sum())


@dataclass(frozen=True, slots=True)
class SeamCheck:
    """What is told of the seams of a label image."""

    verdict: str
    """One sentence."""
    seams: Seams | None
    """The figures; None where there are no tile borders, or none that are known."""


def check_seams(labels: LabelImage) -> SeamCheck:
    """Look for seams at the tile borders that the run record of a label image tells."""
    tiling = labels.run_record().tiling
    if tiling is None or tiling.row_edges is None or tiling.col_edges is None:
        return SeamCheck(
            "The run record does not tell where the tiles ended, so seams were not looked for (n/a).",
            None,
        )
    seams = find_seams(count_changes(labels), tiling.row_edges, tiling.col_edges)
    return SeamCheck(verdict(seams), seams)


def verdict(seams: Seams | None) -> str:
    """One sentence on the seams."""
    if seams is None:
        return "There is one tile only, so there are no borders to check (n/a)."
    told = (
        f"The class changes across {seams.at_borders:.2%} of the pairs of cells at tile borders and "
        f"across {seams.elsewhere:.2%} elsewhere"
    )
    if seams.ratio is not None:
        told += f" (ratio {seams.ratio:.2f})"
    count = len(seams.offsets)
    if seams.seen is None:
        return f"{told}; the tiles are too small to tell whether that is chance."
    told += f"; {seams.reached} of {count} other positions of the same grid reach as much"
    return f"{told}: {'the tiles show' if seams.seen else 'no sign of seams'}."


def seams_json(check: SeamCheck) -> SeamVerdict | SeamFigures:
    """The check as JSON values; only the verdict where there are no figures."""
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
