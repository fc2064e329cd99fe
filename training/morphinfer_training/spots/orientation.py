"""Orientations of the coordinates of a table relative to the slide. Imports no NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Orientation = Literal[
    "given",
    "swapped",
    "rows-flipped",
    "cols-flipped",
    "rotated",
    "swapped-rows-flipped",
    "swapped-cols-flipped",
    "swapped-rotated",
]
ORIENTATIONS: Mapping[Orientation, tuple[bool, bool, bool]] = {
    "given": (False, False, False),
    "swapped": (True, False, False),
    "rows-flipped": (False, True, False),
    "cols-flipped": (False, False, True),
    "rotated": (False, True, True),
    "swapped-rows-flipped": (True, True, False),
    "swapped-cols-flipped": (True, False, True),
    "swapped-rotated": (True, True, True),
}
"""Whether rows and columns are swapped, then whether rows and whether columns are flipped."""


def orient(
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    orientation: Orientation,
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns after swapping and flipping them.

    Parameters
    ----------
    row, col : ndarray of float64, shape (N,)
        Coordinates in pixels.
    orientation : Orientation
        Key of ``ORIENTATIONS``.
    shape : tuple of int
        Rows and columns of the slide.

    Examples
    --------
    >>> import numpy as np
    >>> orient(np.array([1.0]), np.array([2.0]), "swapped-rows-flipped", (10, 20))
    (array([7.]), array([1.]))
    """
    swap, flip_rows, flip_cols = ORIENTATIONS[orientation]
    if swap:
        row, col = col, row
    return (shape[0] - 1 - row if flip_rows else row), (shape[1] - 1 - col if flip_cols else col)
