"""Chunks that cannot be decoded, or have a wrong size: they are found, and read as zeros if that is wanted.

A chunk that cannot be had, since a disk, a share or the memory fails, is none of these and always an
error: another attempt may read it.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window

OnBadChunk = Literal["stop", "mask"]
"""What a chunk is that cannot be decoded: an error, or zeros."""
Read = Callable[[Window], NDArray[Any]]
READ_ERRORS = (
    OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError, EOFError,
    SystemError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What zarr raises for a chunk that cannot be decoded."""


def is_damage(problem: BaseException) -> bool:
    """Whether an error of reading is one of decoding; an error of the system has a number."""
    return not isinstance(problem, MemoryError) and getattr(problem, "errno", None) is None


def read_sound(
    read: Read, window: Window, chunk: tuple[int, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Pixels of a window, 0 where a chunk cannot be decoded.

    Parameters
    ----------
    read : callable
        Reads a window, and raises one of `READ_ERRORS` where it holds such a chunk.
    window : Window
        What is read.
    chunk : tuple of int
        Rows and columns of a chunk.
    dtype : dtype
        That of the pixels.
    """
    out = np.zeros((window.height, window.width), dtype)
    for part in chunk_windows(window, chunk):
        try:
            pixels = read(part)
        except READ_ERRORS as problem:
            if not is_damage(problem):
                raise
            continue
        row, col = part.row - window.row, part.col - window.col
        out[row : row + part.height, col : col + part.width] = pixels
    return out


def find_bad(read: Read, window: Window, chunk: tuple[int, int], threads: int) -> Iterator[Window]:
    """The chunks of a window that cannot be decoded, in the order of rows; all are read."""

    def bad(part: Window) -> bool:
        try:
            read(part)
        except READ_ERRORS as problem:
            if not is_damage(problem):
                raise
            return True
        return False

    parts = list(chunk_windows(window, chunk))
    with ThreadPoolExecutor(threads, "morphinfer-chunks") as pool:
        yield from (
            part for part, is_bad in zip(parts, pool.map(bad, parts), strict=True) if is_bad
        )


def chunk_windows(window: Window, chunk: tuple[int, int]) -> Iterator[Window]:
    """The parts of a window in each chunk.

    >>> [(part.col, part.width) for part in chunk_windows(Window(0, 5, 1, 10), (8, 8))]
    [(5, 3), (8, 7)]
    """
    rows = _parts(window.row, window.row_stop, chunk[0])
    cols = _parts(window.col, window.col_stop, chunk[1])
    for (row, height), (col, width) in product(rows, cols):
        yield Window(row, col, height, width)


def _parts(start: int, stop: int, chunk: int) -> list[tuple[int, int]]:
    edges = [start, *range((start // chunk + 1) * chunk, stop, chunk), stop]
    return [(first, after - first) for first, after in pairwise(edges)]
