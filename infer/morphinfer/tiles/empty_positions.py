"""Positions whose whole patch is empty glass, and a few rectangles that cover all others.

A position is empty where the mean of every block of about ``BLOCK_PX`` x ``BLOCK_PX`` model pixels of
its largest patch lies below a limit, in normalised intensity (0: between the nuclei of the slide's
tissue, 1: its bright nuclei; see `normalisation`). The blocks lie on a lattice that moves with the
patch, so the result depends on the pixels of that patch alone, in any tile (contract C2).
Whether the networks predict background at such positions differs by slide and set; `count_agreeing` counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window, ceil_div

BLOCK_PX = 8
"""About the side of a nucleus at 0.65 micrometres; a lone bright pixel is none."""
LIMIT = 0.1
"""A block whose mean is at least this may be tissue. On three real and three synthetic sections the shipped
networks predicted background at 99.95 % or more of the positions below it; below 0.4 at only 97 % on one. A
limit of 0.25 would skip at most another 0.4 % of all positions, and networks take flat grey of 0.05
(phantom) or 0.15 (hippocampus) for tissue already."""
MOST_CUTS = 6
"""How often a rectangle is halved at most; four times were enough on those sections."""


def find_empty(
    tile: NDArray[np.float32],
    positions: tuple[int, int],
    patch_size_px: int,
    stride_px: int,
    limit: float = LIMIT,
) -> NDArray[np.bool_]:
    """Which positions of a tile see no tissue.

    Parameters
    ----------
    tile : ndarray of float32, shape ((rows - 1) * stride + P, (cols - 1) * stride + P)
        Network input: exactly what the largest patches, of side P, of these positions see.
    positions : tuple of int
        Rows and columns, in positions.
    patch_size_px : int
        Side P of the largest patch.
    stride_px : int
        Distance of two positions in model pixels.
    limit : float
        A block whose mean is at least this may be tissue.

    Returns
    -------
    ndarray of bool, shape positions
        A position whose blocks hold NaN is not empty.

    Raises
    ------
    ValueError
        The tile is not float32, or not of that shape.

    Notes
    -----
    Where whole blocks do not fill a patch, less than half a step of their lattice stays unseen
    along its sides: 3 of 158 pixels at a stride of 8.
    """
    shape = tuple((n - 1) * stride_px + patch_size_px for n in positions)
    if tile.dtype != np.float32 or tile.shape != shape or min(positions) < 1:
        raise ValueError(
            f"a tile of {tile.dtype}, shape {tile.shape}; float32, {shape} is needed for {positions} "
            f"positions of patches of {patch_size_px} px every {stride_px} px"
        )
    step = max(d for d in range(1, min(BLOCK_PX, patch_size_px) + 1) if stride_px % d == 0)
    block = step * min(ceil_div(BLOCK_PX, step), patch_size_px // step)
    blocks = (patch_size_px - block) // step + 1
    start = (patch_size_px - block) % step // 2
    field = tile
    for count in positions:  # rows, then columns: transposed twice
        field = _sums(field[start:], (count - 1) * stride_px // step + blocks, step, block).T
    for _ in positions:
        field = _running_maximum(field, blocks)[:: stride_px // step].T
    return np.less(field, np.float32(limit * block**2))


def busy_windows(empty: NDArray[np.bool_], halo_positions: float) -> list[Window]:
    """Rectangles that cover all positions that are not empty, and together cost little.

    A rectangle costs (height + halo) * (width + halo). Each is cut in two, the parts are shrunk to
    their busy positions and cut in turn, and they stay where they cost less together.

    Parameters
    ----------
    empty : ndarray of bool, shape (rows, cols)
        What `find_empty` returned.
    halo_positions : float
        By how much the input of a rectangle is higher and wider than the rectangle, at least 0:
        the mean patch divided by the stride, less 1.

    Returns
    -------
    list of Window
        In positions of the tile, without overlap; none where all positions are empty.
    """
    return _cover(~empty, Window(0, 0, *empty.shape), float(halo_positions), MOST_CUTS)


def count_agreeing(
    empty: NDArray[np.bool_], labels: NDArray[np.uint8], background: Sequence[int]
) -> tuple[int, int]:
    """Number of empty positions, and of those among them that have one of the values ``background``.

    >>> count_agreeing(np.array([[True, True, False]]), np.array([[0, 2, 0]], np.uint8), (0,))
    (2, 1)
    """
    return int(np.count_nonzero(empty)), int(np.isin(labels[empty], background).sum())


def _sums(rows: NDArray[np.float32], count: int, step: int, size: int) -> NDArray[np.float32]:
    """Sums of ``size`` rows each, ``count`` of them, ``step`` rows apart."""
    stop = (count - 1) * step + 1
    total = rows[:stop:step].copy()
    for i in range(1, size):  # always in this order: equal pixels give equal bits in any tile
        total += rows[i : i + stop : step]
    return total


def _running_maximum(rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Maximum of each row and the ``size`` - 1 rows after it, by doubling."""
    reach = 1
    while 2 * reach <= size:
        rows = np.maximum(rows[:-reach], rows[reach:])
        reach *= 2
    return np.maximum(rows[: reach - size], rows[size - reach :]) if reach < size else rows


def _cover(busy: NDArray[np.bool_], area: Window, halo: float, cuts: int) -> list[Window]:
    """Cheap rectangles over the busy positions of ``area``."""
    rows, cols = (np.flatnonzero(busy[area.slices].any(axis)) for axis in (1, 0))
    if rows.size == 0:
        return []
    height, width = (int(n[-1] - n[0]) + 1 for n in (rows, cols))
    box = Window(area.row + int(rows[0]), area.col + int(cols[0]), height, width)
    inside = busy[box.slices]
    # Parts are together at least as large, as high and as wide as the busy positions.
    least = np.count_nonzero(inside) + halo * (rows.size + cols.size) + 2 * halo**2
    if cuts == 0 or least >= _cost([box], halo):
        return [box]
    # A cut that gains nothing by itself may open the way to one that does.
    halves = _halves(inside, box, halo)
    parts = [w for half in halves for w in _cover(busy, half, halo, cuts - 1)]
    return parts if _cost(parts, halo) < _cost([box], halo) else [box]


def _halves(inside: NDArray[np.bool_], box: Window, halo: float) -> tuple[Window, Window]:
    """Both parts of ``box``, cut where their bounding boxes cost least together."""
    row_cost, height = _best_cut(inside, halo)
    col_cost, width = _best_cut(inside.T, halo)
    if row_cost <= col_cost:
        upper = Window(box.row, box.col, height, box.width)
        return upper, Window(box.row + height, box.col, box.height - height, box.width)
    left = Window(box.row, box.col, box.height, width)
    return left, Window(box.row, box.col + width, box.height, box.width - width)


def _best_cut(inside: NDArray[np.bool_], halo: float) -> tuple[float, int]:
    """Least cost of the parts above and below a cut, and the row of the most central such cut."""
    if len(inside) == 1:
        return np.inf, 0
    costs = _costs_above(inside, halo)[:-1] + _costs_above(inside[::-1], halo)[-2::-1]
    best = np.flatnonzero(costs == costs.min())
    return float(costs.min()), int(best[np.abs(best - (len(costs) - 1) / 2).argmin()]) + 1


def _costs_above(inside: NDArray[np.bool_], halo: float) -> NDArray[np.float64]:
    """Cost of the bounding box of the first row, of the first two rows, and so on."""
    height, width = inside.shape
    busy = inside.any(axis=1)
    first = np.where(busy, inside.argmax(axis=1), width)
    last = np.where(busy, width - inside[:, ::-1].argmax(axis=1), 0)
    stop = np.maximum.accumulate(np.where(busy, np.arange(1, height + 1), 0))
    across = np.maximum.accumulate(last) - np.minimum.accumulate(first)
    return (stop + halo) * (across + halo)


def _cost(windows: Iterable[Window], halo: float) -> float:
    return sum((w.height + halo) * (w.width + halo) for w in windows)
