"""Pixels for a network: windows that reach past the image, and the patches of a tile.

Coordinates are rows and columns of the image. Past an edge the image is reflected about it, the edge
pixel included (``d c b a | a b c d | d c b a``), so that it has period 2 * size.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer._kernels import gather as kernels
from morphinfer.geometry import Window

PIXEL_TYPES = (np.uint8, np.uint16, np.float32)


class Buffers(threading.local):
    """One float32 buffer a thread that grows and is reused: new pages cost as much as the copy."""

    def __init__(self) -> None:
        self._flat = np.empty(0, np.float32)

    def take(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """An array of ``shape`` with any content, valid until this thread takes the next one."""
        size = shape[0] * shape[1]
        if self._flat.size < size:
            self._flat = np.empty(size, np.float32)
        return self._flat[:size].reshape(shape)


def reflect_indices(start: int, count: int, size: int) -> NDArray[np.intp]:
    """Rows (or columns) of the image at the places [start, start + count) of its reflection.

    Parameters
    ----------
    start : int
        First coordinate; may be negative or past the image, by any distance.
    count : int
        Number of coordinates.
    size : int
        Side of the image.

    Raises
    ------
    ValueError
        ``size`` or ``count`` is below 1.

    Examples
    --------
    >>> reflect_indices(-2, 7, 3).tolist()
    [1, 0, 0, 1, 2, 2, 1]
    """
    if size < 1 or count < 1:
        raise ValueError(f"{count} coordinates of a side of {size}; both must be at least 1")
    phase = np.arange(start, start + count, dtype=np.intp) % (2 * size)
    return np.minimum(phase, 2 * size - 1 - phase)


def needed_range(start: int, count: int, size: int) -> tuple[int, int]:
    """First and one past the last row of the image that [start, start + count) touches, reflected.

    Raises
    ------
    ValueError
        ``size`` or ``count`` is below 1.

    Examples
    --------
    >>> needed_range(-2, 3, 10)
    (0, 2)
    """
    indices = reflect_indices(start, count, size)
    return int(indices.min()), int(indices.max()) + 1


def gather(
    source: NDArray[Any],
    source_origin: tuple[int, int],
    image_shape: tuple[int, int],
    window: Window,
    *,
    low: float,
    high: float,
    clip: tuple[float, float],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Window of the reflected image, scaled so that ``low`` becomes 0 and ``high`` becomes 1.

    Parameters
    ----------
    source : ndarray of uint8, uint16 or float32, shape (M, N)
        The part of the image that was read.
    source_origin : tuple of int
        Row and column of the image at which ``source`` begins.
    image_shape : tuple of int
        Rows and columns of the whole image; it is reflected at these edges.
    window : Window
        What to gather, in image pixels; may reach past the image by any distance.
    low, high : float
        Intensities that become 0 and 1.
    clip : tuple of float
        Smallest and largest value of the result.
    out : ndarray of float32, shape (window.height, window.width), optional
        Where to write; C-contiguous.

    Returns
    -------
    ndarray of float32, shape (window.height, window.width)
        ``out``, or a new array. NaN stays NaN.

    Raises
    ------
    ValueError
        A pixel that is needed lies outside ``source``, or an argument has a wrong type or shape.
    """
    source = check_pixels(source)
    if not low < high or not clip[0] <= clip[1]:
        raise ValueError(f"intensities {low} to {high}, clipped to {clip}: not in rising order")
    out = _check_out(out, (window.height, window.width))
    rows = reflect_indices(window.row, window.height, image_shape[0]) - source_origin[0]
    cols = reflect_indices(window.col, window.width, image_shape[1]) - source_origin[1]
    for axis, indices, side in zip(("rows", "columns"), (rows, cols), source.shape, strict=True):
        if indices.min() < 0 or indices.max() >= side:
            raise ValueError(
                f"{window} needs {axis} {indices.min()} to {indices.max()} of a block of {side} "
                f"that begins at {source_origin}; read a larger block"
            )
    inner_start = min(max(-window.col, 0), window.width)
    inner_stop = min(max(image_shape[1] - window.col, inner_start), window.width)
    scale = 1.0 / (high - low)
    kernels.gather(source, rows, cols, inner_start, inner_stop, low, scale, clip[0], clip[1], out)
    return out


def gather_windows(
    tile: NDArray[np.float32], patch_size_px: int, stride_px: int, first: int, count: int
) -> NDArray[np.float32]:
    """Patches of a tile as a batch, in reading order.

    Parameters
    ----------
    tile : ndarray of float32, shape (M, N)
        Network input.
    patch_size_px : int
        Side P of a patch.
    stride_px : int
        Distance of two patches.
    first : int
        Number of the first patch.
    count : int
        How many patches.

    Returns
    -------
    ndarray of float32, shape (count, 1, P, P)

    Raises
    ------
    ValueError
        The tile has no such patches, is not float32 or not two-dimensional.
    """
    if tile.dtype != np.float32 or tile.ndim != 2:
        raise ValueError(f"a tile of {tile.dtype}, shape {tile.shape}; float32, (M, N) is needed")
    if patch_size_px < 1 or stride_px < 1 or min(tile.shape) < patch_size_px:
        raise ValueError(
            f"no patch of {patch_size_px} px every {stride_px} px in a tile of {tile.shape}"
        )
    rows, cols = ((side - patch_size_px) // stride_px + 1 for side in tile.shape)
    if first < 0 or count < 0 or first + count > rows * cols:
        raise ValueError(f"patches {first} to {first + count} of a tile that has {rows * cols}")
    out = np.empty((count, patch_size_px, patch_size_px), np.float32)
    kernels.gather_windows(np.ascontiguousarray(tile), stride_px, cols, first, out)
    return out[:, np.newaxis]


def check_pixels(source: NDArray[Any]) -> NDArray[Any]:
    """The same pixels with a contiguous last axis, which the kernels read by pointer.

    Raises
    ------
    ValueError
        Not two-dimensional, or not uint8, uint16 or float32 in native byte order.
    """
    if source.ndim != 2 or source.dtype not in PIXEL_TYPES:
        raise ValueError(
            f"pixels of {source.dtype}, shape {source.shape}; uint8, uint16 or float32 in native "
            f"byte order and shape (M, N) are needed"
        )
    if source.strides[1] == source.itemsize and source.flags.aligned:
        return source
    return np.array(source, order="C")


def _check_out(out: NDArray[np.float32] | None, shape: tuple[int, int]) -> NDArray[np.float32]:
    if out is None:
        return np.empty(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.carray:
        raise ValueError(
            f"out is {out.dtype}, shape {out.shape}; writable C-contiguous float32 of {shape} is "
            f"needed"
        )
    return out
