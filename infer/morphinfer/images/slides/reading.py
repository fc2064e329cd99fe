"""Windows of arrays of any axis order: one channel and plane, or the maximum over the planes.

A window is read in pieces where it would hold much more than its pixels in memory for a moment: planes
that are projected, chunks that hold several planes or channels, or numbers that are converted. A piece is
made of whole chunks, so each chunk is decoded once (contract C7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window, ceil_div

UNCHUNKED_SIDE = 1024
"""Rows and columns that are read at once of an array without chunks."""
PIECE_BYTES = 16_000_000
"""Decoded pixels that a piece holds, unless a single chunk holds more."""
COPIES = 3
"""Of a piece, or of one chunk: compressed, decoded, and what is cut out of it; measured."""
_LARGE_CHUNKS = Lock()
"""Threads that read large chunks take turns, so that only one of these is in memory."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read of an array."""

    axes: str
    """Axis order of the array, out of t, c, z, y, x."""
    channel: int
    """Index along c."""
    z: int | Literal["max"]
    """Index along z, or the maximum over z."""
    dtype: np.dtype[Any]
    """Type of the pixels, in native byte order."""
    convert: Callable[[NDArray[Any]], NDArray[Any]]
    """Makes numbers of the array pixels of ``dtype``."""


def array_chunk(array: Any, axis: int, default: int) -> int:
    """Side of a chunk along an axis, that of the largest where they differ; a default without chunks."""
    chunks = getattr(array, "chunks", None)
    if chunks is None:
        return min(int(array.shape[axis]), default)
    along = chunks[axis]
    return int(max(along)) if isinstance(along, tuple) else int(along)


def reading_bytes(array: Any, chosen: Selection) -> int:
    """Memory that reading takes beside the pixels that are returned; 0 where it reads them directly."""
    if _is_direct(array, chosen):
        return 0
    return COPIES * max(PIECE_BYTES, chunk_bytes(array, chosen.axes))


def read_window(array: Any, window: Window, chosen: Selection) -> NDArray[Any]:
    """Pixels of a window that lies inside the array.

    Returns
    -------
    ndarray of chosen.dtype, shape (window.height, window.width)
    """
    if _is_direct(array, chosen):
        plane = 0 if chosen.z == "max" else chosen.z
        return _pixels(array[_index(window, chosen, plane)], chosen)
    out = np.empty((window.height, window.width), chosen.dtype)
    depth = array.shape[chosen.axes.index("z")] if "z" in chosen.axes else 1
    planes = (0, depth) if chosen.z == "max" else (chosen.z, chosen.z + 1)
    large = chunk_bytes(array, chosen.axes) > PIECE_BYTES
    for piece, part in _pieces(array, window, planes, chosen):
        with _LARGE_CHUNKS if large else nullcontext():
            _project(array, piece, part, planes[0], out, window, chosen)
    return out


def read_windows(array: Any, windows: Sequence[Window], chosen: Selection) -> list[NDArray[Any]]:
    """`read_window` of several windows, whose chunks are decoded side by side where the array can do so."""
    if not (_is_direct(array, chosen) and hasattr(array, "read_together")):
        return [read_window(array, window, chosen) for window in windows]
    plane = 0 if chosen.z == "max" else chosen.z
    blocks = array.read_together([_index(window, chosen, plane) for window in windows])
    return [_pixels(block, chosen) for block in blocks]


def _pixels(block: Any, chosen: Selection) -> NDArray[Any]:
    rows_first = _rows_first(np.asarray(block), chosen, deep=False)
    return np.ascontiguousarray(rows_first, dtype=chosen.dtype)


def _project(
    array: Any,
    piece: Window,
    part: tuple[int, int],
    first: int,
    out: NDArray[Any],
    window: Window,
    chosen: Selection,
) -> None:
    """Read the planes [start, stop) of a piece, and put their maximum into its place in ``out``."""
    target = out[
        piece.row - window.row : piece.row_stop - window.row,
        piece.col - window.col : piece.col_stop - window.col,
    ]
    block = _rows_first(np.asarray(array[_index(piece, chosen, slice(*part))]), chosen, deep=True)
    if block.ndim == 3:
        block = block.max(axis=0)
    pixels = chosen.convert(block)
    if part[0] == first:
        target[...] = pixels
    else:
        np.maximum(target, pixels, out=target)


def _pieces(
    array: Any, window: Window, planes: tuple[int, int], chosen: Selection
) -> Iterator[tuple[Window, tuple[int, int]]]:
    """Pieces of whole chunks, with their planes; the planes of a piece come one after the other."""
    row, col = (array_chunk(array, chosen.axes.index(a), UNCHUNKED_SIDE) for a in "yx")
    deep = array_chunk(array, chosen.axes.index("z"), 1) if "z" in chosen.axes else 1
    most = max(1, PIECE_BYTES // max(1, chunk_bytes(array, chosen.axes)))
    wide = min(most, _touched(window.col, window.width, col))
    high = min(max(1, most // wide), _touched(window.row, window.height, row))
    thick = deep * max(1, most // (wide * high))
    for top, height in _cuts(window.row, window.row_stop, row * high):
        for left, width in _cuts(window.col, window.col_stop, col * wide):
            for start, count in _cuts(*planes, thick):
                yield Window(top, left, height, width), (start, start + count)


def _touched(start: int, count: int, chunk: int) -> int:
    return ceil_div(start + count, chunk) - start // chunk


def _cuts(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Parts of [start, stop) that end at multiples of ``step``: the first of each, and its length."""
    while start < stop:
        end = min(stop, (start // step + 1) * step)
        yield start, end - start
        start = end


def _is_direct(array: Any, chosen: Selection) -> bool:
    """Whether an array's own indexing returns the pixels, and its chunks hold little else."""
    axes = chosen.axes
    depth = array.shape[axes.index("z")] if "z" in axes and chosen.z == "max" else 1
    others = (array_chunk(array, axes.index(a), 1) for a in axes if a not in "yx")
    same = np.dtype(array.dtype).newbyteorder("=") == chosen.dtype
    return depth == 1 and same and math.prod(others) == 1


def chunk_bytes(array: Any, axes: str) -> int:
    """Size of a chunk with all its planes and channels, decoded."""
    sides = (array_chunk(array, k, UNCHUNKED_SIDE if a in "yx" else 1) for k, a in enumerate(axes))
    return math.prod(sides) * int(np.dtype(array.dtype).itemsize)


def _index(window: Window, chosen: Selection, z: Any) -> tuple[Any, ...]:
    rows, cols = window.slices
    places: dict[str, Any] = {"y": rows, "x": cols, "t": 0, "c": chosen.channel, "z": z}
    return tuple(places[axis] for axis in chosen.axes)


def _rows_first(block: NDArray[Any], chosen: Selection, *, deep: bool) -> NDArray[Any]:
    kept = [axis for axis in chosen.axes if axis in ("zyx" if deep else "yx")]
    return block.transpose([kept.index(axis) for axis in "zyx" if axis in kept])
