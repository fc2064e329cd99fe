"""A level of a slide brought to the pixel size of the model.

Level coordinates are continuous: pixel k covers [k, k + 1). Model pixel i covers
[i * factor + offset, (i + 1) * factor + offset). Coarser model pixels are area means, finer ones are
interpolated linearly between the centres of pixels. All weights follow from absolute coordinates, so
a model pixel has the same bits whichever window it is computed in (contract C2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer._kernels import resample as kernels
from morphinfer.geometry import Window
from morphinfer.tiles.gather import check_pixels

SNAP = 1e-6


@dataclass(frozen=True, slots=True)
class Axis:
    """How model pixels along one axis are computed from level pixels."""

    factor: float
    """Side of a model pixel in level pixels."""
    offset: float
    """Where model pixel 0 begins, in level pixels."""
    size: int
    """Number of level pixels."""

    @classmethod
    def of(cls, factor: float, offset: float, size: int) -> Axis:
        """Axis whose factor and offset are whole numbers where rounding alone kept them from it."""
        if not (math.isfinite(factor) and factor > 0 and math.isfinite(offset) and size > 0):
            raise ValueError(
                f"factor {factor}, offset {offset}, level side {size}: factor and side must be "
                f"above 0 and all finite"
            )
        return cls(_snap(factor), _snap(offset), size)

    @property
    def taps(self) -> int:
        """Level pixels that one model pixel is computed from, zero weights included."""
        if self.factor < 1:
            return min(2, self.size)
        whole = self.factor.is_integer() and self.offset.is_integer()
        return min(math.ceil(self.factor) + (0 if whole else 1), self.size)

    def weights(self, start: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """First level pixel and weights of each of the model pixels [start, start + count).

        Returns
        -------
        first : ndarray of intp, shape (count,)
            Never falls along the axis.
        weights : ndarray of float32, shape (count, taps)
            Sum to 1. A model pixel that lies past the level takes the nearest level pixel.
        """
        model = np.arange(start, start + count, dtype=np.float64)
        if self.factor < 1:
            centre = np.clip((model + 0.5) * self.factor + self.offset - 0.5, 0, self.size - 1)
            first = self._first(centre)
            pixels = first[:, None] + np.arange(self.taps)
            return first, np.clip(1 - np.abs(centre[:, None] - pixels), 0, 1).astype(np.float32)
        begin = np.clip(model * self.factor + self.offset, 0, self.size - 1)
        end = np.clip((model + 1) * self.factor + self.offset, begin, self.size)
        end = np.where(end > begin, end, np.floor(begin) + 1)
        first = self._first(begin)
        pixels = first[:, None] + np.arange(self.taps)
        parts = np.minimum(end[:, None], pixels + 1) - np.maximum(begin[:, None], pixels)
        # Divided by the length, not by a sum, whose rounding might depend on the number of rows.
        weights = np.clip(parts, 0, 1) / (end - begin)[:, None]
        return first, weights.astype(np.float32)

    def _first(self, position: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.minimum(np.floor(position).astype(np.intp), self.size - self.taps)

    def source(self, start: int, count: int) -> tuple[int, int]:
        """First and number of the level pixels that the model pixels [start, start + count) need."""
        if count < 1:
            raise ValueError(f"{count} model pixels; at least 1 is needed")
        first = self._first_of(start)
        return first, self._first_of(start + count - 1) + self.taps - first

    def _first_of(self, model: int) -> int:
        """What `weights` has as the first level pixel of one model pixel, without arrays."""
        if self.factor < 1:
            position = (model + 0.5) * self.factor + self.offset - 0.5
        else:
            position = model * self.factor + self.offset
        inside = min(max(position, 0.0), float(self.size - 1))
        return min(math.floor(inside), self.size - self.taps)


def _snap(value: float) -> float:
    return float(round(value)) if abs(value - round(value)) < SNAP else value


def model_shape(level_shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Rows and columns of a level in model pixels; the last may overhang it.

    Examples
    --------
    >>> model_shape((100, 101), 2.0)
    (50, 51)
    """
    height, width = (
        max(1, math.ceil(side / Axis.of(factor, 0.0, side).factor - SNAP)) for side in level_shape
    )
    return height, width


def source_window(
    window: Window, factor: float, offset: tuple[float, float], level_shape: tuple[int, int]
) -> Window:
    """Level pixels from which a window of model pixels is computed; always inside the level.

    Parameters
    ----------
    window : Window
        In model pixels.
    factor : float
        Side of a model pixel in level pixels.
    offset : tuple of float
        Row and column of the level at which model pixel (0, 0) begins.
    level_shape : tuple of int
        Rows and columns of the level.

    Raises
    ------
    ValueError
        The window is empty, or the geometry is not finite and positive.

    Examples
    --------
    >>> source_window(Window(10, 0, 5, 5), 2.0, (0.0, 0.0), (100, 100))
    Window(row=20, col=0, height=10, width=10)
    """
    row, height = Axis.of(factor, offset[0], level_shape[0]).source(window.row, window.height)
    col, width = Axis.of(factor, offset[1], level_shape[1]).source(window.col, window.width)
    return Window(row, col, height, width)


def resample(
    block: NDArray[Any],
    block_origin: tuple[int, int],
    level_shape: tuple[int, int],
    window: Window,
    factor: float,
    offset: tuple[float, float],
) -> NDArray[np.float32]:
    """Model pixels of a window: area means, linear interpolation, or exact copies.

    Parameters
    ----------
    block : ndarray of uint8, uint16 or float32, shape (M, N)
        The part of the level that was read; it holds at least ``source_window``.
    block_origin : tuple of int
        Row and column of the level at which ``block`` begins.
    level_shape : tuple of int
        Rows and columns of the level.
    window : Window
        In model pixels.
    factor : float
        Side of a model pixel in level pixels. Above 1 the mean is over the part of the model pixel
        that lies on the level; at 1 with a whole offset pixels are copied.
    offset : tuple of float
        Row and column of the level at which model pixel (0, 0) begins.

    Returns
    -------
    ndarray of float32, shape (window.height, window.width)
        In the unit of ``block``.

    Raises
    ------
    ValueError
        A level pixel that is needed lies outside ``block``, or an argument has a wrong type.
    """
    block = check_pixels(block)
    need = source_window(window, factor, offset, level_shape)
    row, col = need.row - block_origin[0], need.col - block_origin[1]
    if (
        row < 0
        or col < 0
        or row + need.height > block.shape[0]
        or col + need.width > block.shape[1]
    ):
        raise ValueError(
            f"{window} needs {need} of the level, which does not lie in the block of "
            f"{block.shape} at {block_origin}; read a larger block"
        )
    rows = Axis.of(factor, offset[0], level_shape[0]).weights(window.row, window.height)
    cols = Axis.of(factor, offset[1], level_shape[1]).weights(window.col, window.width)
    used = block[row : row + need.height, col : col + need.width]
    out = np.empty((window.height, window.width), np.float32)
    scratch = np.empty(need.width, np.float32)
    kernels.resample(used, rows[0] - need.row, rows[1], cols[0] - need.col, cols[1], scratch, out)
    return out
