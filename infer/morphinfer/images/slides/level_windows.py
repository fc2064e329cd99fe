"""Whether a few pixels of a coarser level are those of level 0 at their place, shrunk.

Writers shrink by the mean, a Gaussian, the maximum, or by taking every second pixel; what all these share
is held against a level: each of its pixels lies between the smallest and the largest of the pixels of
level 0 around its place, and together they follow the means over these places. Levels that were left blank,
belong to another image or an earlier version of this one, or lie beside their place, do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_INSIDE = 0.95
"""Share of the pixels that must lie between the smallest and the largest around their place."""
RANGE_TOLERANCE = 0.05
"""Part of the range of a window by which a pixel may lie outside: sharp filters overshoot."""
GREY_TOLERANCE = 2.0
"""The same for integers, in grey levels."""
STRUCTURED = 0.15
"""Correlation of single pixels of level 0 with the means around them; below it a window shows noise only."""
LEAST_CORRELATION = 0.6
"""Of a level with the means, as a part of that of single pixels."""
FARTHEST_PX = 4
"""Shifts that are tried, in pixels of the level."""
LEAST_SLOPE, MOST_SLOPE = 0.4, 1.7
"""Limits of the contrast of a level, as a part of that of the means, where single pixels follow these."""
SLOPE_NEEDS = 0.7
"""Correlation of single pixels with the means from which on contrasts are compared."""
SHIFT_GAIN = 0.05
"""By how much the correlation at another place must be higher to call a level shifted."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a window has shown."""

    problem: str | None
    """How the two levels differ; None where they do not."""
    structured: bool
    """Whether level 0 has structure there, without which agreement says little."""


def compare_window(
    shrunk: NDArray[Any],
    block: NDArray[Any],
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    *,
    grey: float = 0.0,
) -> Comparison:
    """How pixels of a coarser level differ from those of level 0 at their place.

    Parameters
    ----------
    shrunk : ndarray, shape (M, N)
        Pixels of the coarser level.
    block : ndarray, shape (K, L)
        Pixels of level 0 at the same place.
    rows, cols : ndarray of intp, shapes (M + 1,) and (N + 1,)
        Row and column of ``block`` at which each pixel of ``shrunk`` begins, and where the last ends.
    grey : float
        By how much intensities may differ at least, for integers.
    """
    shrunk, block = shrunk.astype(np.float64), block.astype(np.float64)
    if not (np.isfinite(shrunk).all() and np.isfinite(block).all()):
        return Comparison(None, structured=False)  # refused where the pixel is read
    sums, lowest, highest = (
        ufunc.reduceat(ufunc.reduceat(block, rows[:-1], axis=0), cols[:-1], axis=1)
        for ufunc in (np.add, np.minimum, np.maximum)
    )
    means = sums / np.outer(np.diff(rows), np.diff(cols))
    singles = block[np.ix_((rows[:-1] + rows[1:]) // 2, (cols[:-1] + cols[1:]) // 2)]
    spread = float(block.max()) - float(block.min())
    tolerance = RANGE_TOLERANCE * spread + (grey or 1e-5 * float(np.abs(block).max()))
    inside = (shrunk >= _around(lowest, np.minimum) - tolerance) & (
        shrunk <= _around(highest, np.maximum) + tolerance
    )
    share = float(inside.mean())
    expected = _correlation(singles, means)
    structured = (
        means.size >= 64
        and means.std() > tolerance / 8
        and expected > max(STRUCTURED, 4 / math.sqrt(means.size))
    )
    if share < LEAST_INSIDE:
        return Comparison(
            f"{100 * (1 - share):.0f} % of its pixels lie outside the range of level 0 there "
            f"(median {np.median(shrunk):g}, of level 0 {np.median(block):g})",
            structured,
        )
    if not structured:
        return Comparison(None, structured=False)
    found = _correlation(shrunk, means)
    if found < LEAST_CORRELATION * expected:
        return Comparison(f"its correlation with level 0 is {found:.2f}", structured=True)
    slope = found * float(shrunk.std() / means.std())
    if expected > SLOPE_NEEDS and not LEAST_SLOPE < slope < MOST_SLOPE:
        return Comparison(f"its contrast is {slope:.2f} times that of level 0", structured=True)
    shift = _shift(shrunk, means, found)
    if shift is not None:
        return Comparison(
            f"it is shifted against level 0 by {shift[0]} rows and {shift[1]} columns",
            structured=True,
        )
    return Comparison(None, structured=True)


def _around(image: NDArray[np.float64], extreme: np.ufunc) -> NDArray[np.float64]:
    """Smallest or largest of the 3 x 3 values around each."""
    padded = np.pad(image, 1, mode="edge")
    rows = extreme(extreme(padded[:-2], padded[1:-1]), padded[2:])
    result: NDArray[np.float64] = extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return result


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson's correlation; 0 where one is constant."""
    a, b = first - first.mean(), second - second.mean()
    norm = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def _shift(
    shrunk: NDArray[np.float64], means: NDArray[np.float64], here: float
) -> tuple[int, int] | None:
    """Rows and columns, beyond one, at which a level follows the means clearly better; None without."""
    far = FARTHEST_PX
    if min(shrunk.shape) < 4 * far or here > 1 - SHIFT_GAIN:
        return None
    core = means[far:-far, far:-far]
    height, width = core.shape

    def at(row: int, col: int) -> float:
        part = shrunk[far + row : far + row + height, far + col : far + col + width]
        return _correlation(part, core)

    row, col = max(product(range(-far, far + 1), repeat=2), key=lambda shift: at(*shift))
    clearly = at(row, col) > at(0, 0) + SHIFT_GAIN
    return (row, col) if max(abs(row), abs(col)) > 1 and clearly else None
