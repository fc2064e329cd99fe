"""Where two label images lie over each other, cell by cell, by their place in micrometres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window
from morphinfer.images import LabelImage, Slide

TIE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """The part of a tile of the finer image that lies on the coarser one."""

    window: Window
    """In cells of the finer image."""
    rows: NDArray[np.intp]
    """Row of the coarser image for each row of the window."""
    cols: NDArray[np.intp]
    """Column of the coarser image for each column of the window."""

    @classmethod
    def of(cls, tile: Window, fine: Slide, coarse: Slide) -> Overlap | None:
        """Overlap of one tile; None where there is none."""
        row, rows = _axis_cells(tile.row, tile.height, fine, coarse, 0)
        col, cols = _axis_cells(tile.col, tile.width, fine, coarse, 1)
        if not rows.size or not cols.size:
            return None
        return cls(Window(row, col, rows.size, cols.size), rows, cols)

    def look_up(self, coarse: LabelImage) -> NDArray[np.uint8]:
        """Values of the coarser image at the cells of the window."""
        row, col = int(self.rows[0]), int(self.cols[0])
        height, width = int(self.rows[-1]) + 1 - row, int(self.cols[-1]) + 1 - col
        block = coarse.read(Window(row, col, height, width))
        if block.shape == (self.window.height, self.window.width):
            return block
        return block.take(self.rows - row, axis=0).take(self.cols - col, axis=1)


def _axis_cells(
    start: int, count: int, fine: Slide, coarse: Slide, axis: int
) -> tuple[int, NDArray[np.intp]]:
    """First fine cell that lies on the coarser image, and the coarse cell of it and its successors."""
    cells = steps_of(start, count, fine, coarse.corner_um[axis], coarse.pixel_size_um, axis)
    inside = np.flatnonzero((cells >= 0) & (cells < coarse.shape[axis]))
    first = start + (int(inside[0]) if inside.size else 0)
    return first, cells[inside]


def steps_of(
    start: int, count: int, image: Slide, corner_um: float, step_um: float, axis: int
) -> NDArray[np.intp]:
    """Which step of a lattice the centre of each of some cells lies in, along one axis.

    Parameters
    ----------
    start, count : int
        The cells of ``image``.
    image : Slide
        Whose cells they are.
    corner_um, step_um : float
        Where step 0 of the lattice begins, and how long a step is.
    axis : int
        0 for rows, 1 for columns.
    """
    between_um = image.corner_um[axis] - corner_um
    centres_um = (np.arange(start, start + count) + 0.5) * image.pixel_size_um + between_um
    # A centre on the border of two steps belongs to the second, whatever rounding made of it.
    return np.asarray(np.floor(centres_um / step_um + TIE), dtype=np.intp)
