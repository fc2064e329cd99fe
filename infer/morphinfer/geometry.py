"""Windows and tiles: where things are, in integers.

Rows run down and columns run right. *Model pixels* are the pixels of the slide after it was brought
to the pixel size of the model; *cells* are the pixels of the label image, ``stride`` model pixels
wide. Cell (i, j) covers the model pixels [i * stride, (i + 1) * stride) and is the prediction of the
patch centred there (contract C4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


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


def ceil_div(numerator: int, denominator: int) -> int:
    """Quotient rounded up.

    >>> ceil_div(17, 8)
    3
    """
    return -(-numerator // denominator)


def patch_offset(patch_size_px: int, stride_px: int) -> int:
    """First model pixel of the patch of cell 0, relative to model pixel 0.

    Where ``patch_size_px`` and ``stride_px`` differ by an odd number the centre cannot lie on the
    lattice, and the patch lies half a model pixel up and to the left of the centre of its cell.

    >>> patch_offset(94, 8)
    -43
    """
    return (stride_px - patch_size_px) // 2


@dataclass(frozen=True, slots=True)
class TileGrid:
    """The tiles that cover a label image, in reading order."""

    height: int
    """Rows of the label image, in cells."""
    width: int
    """Columns of the label image, in cells."""
    tile: int
    """Side of a tile, in cells."""

    @classmethod
    def over(cls, model_shape: tuple[int, int], stride_px: int, tile_px: int) -> TileGrid:
        """Grid over a slide of ``model_shape`` model pixels; the last cell may overhang it."""
        height, width = (ceil_div(n, stride_px) for n in model_shape)
        return cls(height, width, max(1, tile_px // stride_px))

    def __len__(self) -> int:
        return ceil_div(self.height, self.tile) * ceil_div(self.width, self.tile)

    def bands(self) -> Iterator[list[Window]]:
        """Rows of tiles from top to bottom; each window in cells, cut at the label image's edges."""
        for row in range(0, self.height, self.tile):
            height = min(self.tile, self.height - row)
            yield [
                Window(row, col, height, min(self.tile, self.width - col))
                for col in range(0, self.width, self.tile)
            ]


def receptive_window(cells: Window, patch_size_px: int, stride_px: int) -> Window:
    """Model pixels that the patches of ``cells`` see together; it may reach past the slide.

    >>> receptive_window(Window(0, 0, 2, 1), patch_size_px=46, stride_px=8)
    Window(row=-19, col=-19, height=54, width=46)
    """
    offset = patch_offset(patch_size_px, stride_px)
    return Window(
        cells.row * stride_px + offset,
        cells.col * stride_px + offset,
        (cells.height - 1) * stride_px + patch_size_px,
        (cells.width - 1) * stride_px + patch_size_px,
    )
