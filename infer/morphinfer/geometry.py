"""Where things are: windows and tiles in integers, placed grids of square pixels in micrometres.

Rows run down and columns run right. *Model pixels* are the pixels of the slide after it was brought
to the pixel size of the model; *positions* are the pixels of the label image, each ``stride`` model
pixels wide. Position (i, j) covers the model pixels [i * stride, (i + 1) * stride) and is the
prediction of the patch centred there (contract C4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TIE = 1e-6
"""Share of a pixel by which a position may lie before a border and still belong to the pixel behind it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle on an integer lattice; it may reach past the edges of the image."""

    row: int
    """First row."""
    col: int
    """First column."""
    height: int
    """Number of rows."""
    width: int
    """Number of columns."""

    @property
    def row_stop(self) -> int:
        """One past the last row."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """One past the last column."""
        return self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of an array; meaningful only where no coordinate is negative."""
        return slice(self.row, self.row_stop), slice(self.col, self.col_stop)


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """An array of square pixels and its place in the plane of the slide."""

    shape: tuple[int, int]
    """Rows and columns."""
    pixel_size_um: float
    """Side of a pixel in micrometres."""
    corner_um: tuple[float, float]
    """Row and column of the outer corner of pixel (0, 0), in micrometres."""

    @property
    def extent_um(self) -> tuple[float, float, float, float]:
        """Top, left, bottom and right outer edge, in micrometres.

        >>> PixelGrid((10, 20), 0.5, (1.0, 0.0)).extent_um
        (1.0, 0.0, 6.0, 10.0)
        """
        top, left = self.corner_um
        height, width = (side * self.pixel_size_um for side in self.shape)
        return top, left, top + height, left + width

    @property
    def origin_um(self) -> tuple[float, float]:
        """Row and column of the centre of pixel (0, 0), which NGFF calls the translation.

        >>> PixelGrid((10, 20), 0.5, (1.0, 0.0)).origin_um
        (1.25, 0.25)
        """
        row, col = self.corner_um
        return row + self.pixel_size_um / 2, col + self.pixel_size_um / 2

    def locate(
        self, other: PixelGrid, axis: int, positions: NDArray[np.number] | None = None
    ) -> NDArray[np.intp]:
        """Pixel of this grid that holds each of some positions on another grid, along one axis.

        A place on the border of two pixels belongs to the second, whatever rounding made of it.

        Parameters
        ----------
        other : PixelGrid
            The grid that the positions are on.
        axis : int
            0 for rows, 1 for columns.
        positions : ndarray of numbers, shape (N,)
            In pixels of ``other``; an integer is the centre of a pixel. By default the centres of
            all its pixels.

        Returns
        -------
        ndarray of intp, shape (N,)
            Below 0 or past the last pixel where a position lies beside this grid.

        Examples
        --------
        >>> coarse, fine = PixelGrid((2, 2), 1.0, (0.0, 0.0)), PixelGrid((6, 6), 0.5, (-0.5, 0.0))
        >>> coarse.locate(fine, axis=0)
        array([-1,  0,  0,  1,  1,  2])
        >>> PixelGrid((4, 4), 0.1, (0.0, 0.0)).locate(coarse, axis=0, positions=np.array([-0.2]))
        array([3])
        """
        if positions is None:
            positions = np.arange(other.shape[axis])
        between_um = other.corner_um[axis] - self.corner_um[axis]
        from_corner_um = (positions + 0.5) * other.pixel_size_um + between_um
        return np.asarray(np.floor(from_corner_um / self.pixel_size_um + TIE), dtype=np.intp)

    def window(self, other: PixelGrid, part: Window | None = None) -> Window:
        """The pixels of this grid, or of a part of it, whose centres lie on another grid.

        Its height or width is 0 where there is none.

        >>> fine = PixelGrid((6, 6), 0.5, (-0.5, 0.0))
        >>> fine.window(PixelGrid((2, 2), 1.0, (0.0, 0.0)))
        Window(row=1, col=0, height=4, width=4)
        """
        part = part or Window(0, 0, *self.shape)
        row, height = self._inside(other, 0, part.row, part.row_stop)
        col, width = self._inside(other, 1, part.col, part.col_stop)
        return Window(row, col, height, width)

    def cover(self, pixel_size_um: float) -> PixelGrid:
        """The smallest grid of another pixel size from the same corner that covers this one.

        >>> PixelGrid((10, 16), 0.325, (0.0, 0.0)).cover(2.6).shape
        (2, 2)
        """
        height, width = (
            max(1, math.ceil(side * self.pixel_size_um / pixel_size_um - TIE))
            for side in self.shape
        )
        return PixelGrid((height, width), pixel_size_um, self.corner_um)

    def refined(self, times: int) -> PixelGrid:
        """The grid over the same place with ``times`` x ``times`` pixels for each of its own.

        >>> PixelGrid((2, 3), 5.2, (1.0, 0.0)).refined(4)
        PixelGrid(shape=(8, 12), pixel_size_um=1.3, corner_um=(1.0, 0.0))
        """
        height, width = self.shape
        return PixelGrid(
            (height * times, width * times), self.pixel_size_um / times, self.corner_um
        )

    def _inside(self, other: PixelGrid, axis: int, start: int, stop: int) -> tuple[int, int]:
        """First pixel of a range whose centre lies on the other grid along an axis, and how many do."""
        places = other.locate(self, axis, np.arange(start, stop))
        inside = np.flatnonzero((places >= 0) & (places < other.shape[axis]))
        return start + (int(inside[0]) if inside.size else 0), int(inside.size)


def ceil_div(numerator: int, denominator: int) -> int:
    """Quotient rounded up.

    >>> ceil_div(17, 8)
    3
    """
    return -(-numerator // denominator)


def patch_offset(patch_size_px: int, stride_px: int) -> int:
    """First model pixel of the patch of position 0, relative to model pixel 0.

    Where ``patch_size_px`` and ``stride_px`` differ by an odd number the centre cannot lie on the
    lattice, and the patch lies half a model pixel up and to the left of the centre of its position.

    >>> patch_offset(94, 8)
    -43
    """
    return (stride_px - patch_size_px) // 2


@dataclass(frozen=True, slots=True)
class TileGrid:
    """The tiles that cover a label image, in reading order."""

    height: int
    """Rows of the label image, in positions."""
    width: int
    """Columns of the label image, in positions."""
    tile: int
    """Side of a tile, in positions."""

    @classmethod
    def over(cls, model_shape: tuple[int, int], stride_px: int, tile_px: int) -> TileGrid:
        """Grid over a slide of ``model_shape`` model pixels; the last position may overhang it."""
        height, width = (ceil_div(n, stride_px) for n in model_shape)
        return cls(height, width, max(1, tile_px // stride_px))

    def __len__(self) -> int:
        return ceil_div(self.height, self.tile) * ceil_div(self.width, self.tile)

    def bands(self) -> Iterator[list[Window]]:
        """Rows of tiles from top to bottom; each window in positions, cut at the label image's edges."""
        for row in range(0, self.height, self.tile):
            height = min(self.tile, self.height - row)
            yield [
                Window(row, col, height, min(self.tile, self.width - col))
                for col in range(0, self.width, self.tile)
            ]


def receptive_window(positions: Window, patch_size_px: int, stride_px: int) -> Window:
    """Model pixels that the patches of ``positions`` see together; it may reach past the slide.

    >>> receptive_window(Window(0, 0, 2, 1), patch_size_px=46, stride_px=8)
    Window(row=-19, col=-19, height=54, width=46)
    """
    offset = patch_offset(patch_size_px, stride_px)
    return Window(
        positions.row * stride_px + offset,
        positions.col * stride_px + offset,
        (positions.height - 1) * stride_px + patch_size_px,
        (positions.width - 1) * stride_px + patch_size_px,
    )
