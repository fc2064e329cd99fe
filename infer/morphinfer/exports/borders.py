"""Borders between the classes of a label map, as arcs that the areas on both sides share.

Places are corners of positions, as (row, column); position (i, j) has the corners (i, j) to (i + 1, j + 1).
A corner where three or four borders meet, and each corner of the map, is a node. An arc leads along the
border from node to node, or round an area without nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BAND = 512
"""Rows that are compared at a time, which bounds the memory."""
OUTSIDE = -1
MOST_CUT = 0.5
"""The largest part of a position that is cut off the edges at a corner."""
AREA_KEPT = 0.0049
"""Largest share by which smoothing may change the area of a class."""
Ends = NDArray[np.intp]
"""Numbers of ends of pieces, shape (2 N,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Arcs:
    """Straight pieces of border in the order of the arcs that they make up."""

    start: NDArray[np.int32]
    """Where each piece begins, shape (N, 2)."""
    stop: NDArray[np.int32]
    """Where it ends: the start of the next piece of its arc, except that of the last."""
    arc: NDArray[np.intp]
    """Number of its arc, rising, shape (N,)."""
    closed: NDArray[np.bool_]
    """Of each arc whether it leads round an area without a node."""

    def lines(
        self, cut: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Points of the arcs, and the number of the arc of each.

        Parameters
        ----------
        cut : ndarray of float64, shape (number of arcs,), optional
            How much of both edges is cut off at each corner within an arc, 0 to `MOST_CUT`.

        Returns
        -------
        tuple of ndarray of float64, shape (M, 2), and ndarray of intp, shape (M,)
        """
        first, last = self._ends()
        open_first, open_last = first & ~self.closed[self.arc], last & ~self.closed[self.arc]
        share = (np.zeros(len(self.closed)) if cut is None else cut)[self.arc, None]
        step = np.sign(self.stop - self.start) * share
        points = np.stack(
            [
                self.start + np.where(open_first[:, None], 0, step),
                self.stop - np.where(open_last[:, None], 0, step),
                np.zeros(self.start.shape),
            ],
            axis=1,
        )  # the third point closes an arc
        points[last, 2] = points[first, 0]
        kept = np.ones((len(points), 3), np.bool_)
        kept[:, 2] = last & self.closed[self.arc]
        flat, arc = points[kept], np.repeat(self.arc, kept.sum(axis=1))
        new = np.ones(len(flat), np.bool_)
        new[1:] = (flat[1:] != flat[:-1]).any(axis=1) | (arc[1:] != arc[:-1])
        return flat[new], arc[new]

    def cuts(self, values: NDArray[np.uint8]) -> NDArray[np.float64]:
        """For each arc the largest cut that keeps the area of every class within `AREA_KEPT`.

        A cut corner takes a triangle from the class inside the corner and gives it to that around it. Classes
        whose area changes too much have the corners of their arcs cut less, until none does.
        """
        first, last = self._ends()
        ahead = np.arange(1, len(self.arc) + 1)
        ahead[last] = np.flatnonzero(first)
        corner = ~last | self.closed[self.arc]
        into = np.sign(self.stop - self.start)[corner]
        out = np.sign(self.stop - self.start)[ahead[corner]]
        place = self.stop[corner]
        inside = values[tuple(np.floor(place + (out - into) / 2).astype(np.intp).T)]
        around = values[tuple(np.floor(place + (into - out) / 2).astype(np.intp).T)]
        areas = np.bincount(values.ravel(), minlength=256)
        pairs = np.stack([inside, around])
        most, arc = np.full(256, MOST_CUT), self.arc[corner]
        while True:
            corner_cut = most[pairs].min(axis=0)
            triangle = corner_cut**2 / 2
            change = np.bincount(around, triangle, 256) - np.bincount(inside, triangle, 256)
            over = np.abs(change) > AREA_KEPT * areas
            if not over.any():
                break
            most[over] *= 0.8
        cut = np.zeros(len(self.closed))
        cut[arc] = corner_cut
        return cut

    def _ends(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which pieces are the first, and which the last, of their arc."""
        first = np.ones(len(self.arc), np.bool_)
        first[1:] = self.arc[1:] != self.arc[:-1]
        return first, np.roll(first, -1)


def border_arcs(values: NDArray[np.uint8]) -> Arcs:
    """The arcs along which the class changes, and those around the map.

    Parameters
    ----------
    values : ndarray of uint8, shape (height, width)
        Class values.
    """
    pieces = _pieces(values)
    following = _following(pieces, values.shape)
    last, steps, closed, kept = _chains(following)
    order = np.flatnonzero(kept)
    order = order[np.lexsort((-steps[order], last[order]))]
    arcs, arc = np.unique(last[order], return_inverse=True)
    ends = pieces.reshape(-1, 2)
    return Arcs(ends[order], ends[order ^ 1], arc, closed[arcs])


def _pieces(values: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Straight borders from turn or node to turn or node, shape (N, 2, 2): start, stop; row, column."""
    found: list[list[NDArray[np.int32]]] = [[], [], [], []]
    for top in range(0, values.shape[0] + 1, BAND):
        for each, marks in zip(found, _marks(values, top, top + BAND), strict=True):
            each.append(np.argwhere(marks).astype(np.int32) + np.array([top, 0], np.int32))
    across = [np.concatenate(each) for each in found[:2]]
    down = [np.concatenate(each) for each in found[2:]]
    down = [each[np.lexsort((each[:, 0], each[:, 1]))] for each in down]
    return np.concatenate([np.stack(across, axis=1), np.stack(down, axis=1)])


def _marks(values: NDArray[np.uint8], top: int, stop: int) -> tuple[NDArray[np.bool_], ...]:
    """At which corners of a band pieces begin and end: those to the right, and those down."""
    height, width = values.shape
    stop = min(stop, height + 1)
    cells = np.full((stop - top + 1, width + 2), OUTSIDE, np.int16)
    first, past = max(top - 1, 0), min(stop, height)
    cells[first - top + 1 : past - top + 1, 1:-1] = values[first:past]
    edges = cells[:-1, 1:-1] != cells[1:, 1:-1]
    left, right = (np.pad(edges, ((0, 0), pad)) for pad in ((1, 0), (0, 1)))
    upright = cells[:, :-1] != cells[:, 1:]
    up, down = upright[:-1], upright[1:]
    turns, turns_down = up | down, left | right
    return (
        right & (turns | ~left), left & (turns | ~right),
        down & (turns_down | ~up), up & (turns_down | ~down),
    )  # fmt: skip


def _following(pieces: NDArray[np.int32], shape: tuple[int, ...]) -> Ends:
    """The end at which the next piece of the arc is entered; itself where a node comes.

    End 2 i is the start of piece i, end 2 i + 1 its stop; a piece is entered at one and left by the other.
    """
    height, width = shape
    rows, cols = pieces.reshape(-1, 2).T
    corner = rows.astype(np.int64) * (width + 1) + cols
    order = np.argsort(corner, kind="stable")
    new = np.append(np.flatnonzero(np.diff(corner[order], prepend=-1)), len(order))
    pair = new[:-1][np.diff(new) == 2]
    corners = [0, width, height * (width + 1), (height + 1) * (width + 1) - 1]
    pair = pair[~np.isin(corner[order[pair]], corners)]
    one, other = order[pair], order[pair + 1]
    following = np.arange(len(corner))
    following[one ^ 1] = other
    following[other ^ 1] = one
    return following


def _chains(following: Ends) -> tuple[Ends, Ends, NDArray[np.bool_], NDArray[np.bool_]]:
    """Last end of the arc of each end, pieces until there, whether it is closed, and whether it counts.

    Each arc is there in both directions, one of which counts. A closed one begins with its least end.
    """
    own = np.arange(len(following))
    last, _, least = _doubled(following)
    closed = following[last] != last
    cut = np.where(closed & (following == least), own, following)
    last, steps, _ = _doubled(cut)
    kept = np.where(closed, least % 2 == 0, last[own ^ 1] ^ 1 < last ^ 1)
    return last, steps, closed, kept


def _doubled(following: Ends) -> tuple[Ends, Ends, Ends]:
    """Where each end leads to, in how many steps, and the least end on the way; rounds double the way."""
    jump, least = following, np.arange(len(following))
    steps = (jump != least).astype(np.intp)
    under_way = -1
    while True:
        lesser = np.minimum(least, least[jump])
        steps += steps[jump]
        jump = jump[jump]
        moving = int(np.count_nonzero(following[jump] != jump))
        if moving == under_way and np.array_equal(lesser, least):
            return jump, steps, least
        under_way, least = moving, lesser
