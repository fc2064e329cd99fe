"""Rows in order become whole chunks of all levels of a pyramid, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.images.writing.downsampling import Reduction, halve_by_mean, halve_by_mode


class PyramidWriter:
    """Takes rows in order and writes whole chunks of all levels, each level half of the one before."""

    def __init__(self, arrays: list[Any], reduction: Reduction) -> None:
        self._arrays = arrays
        self._reduce = halve_by_mean if reduction == "mean" else halve_by_mode
        self._pending: list[list[NDArray[Any]]] = [[] for _ in arrays]
        self._written = [0] * len(arrays)

    @property
    def rows_missing(self) -> int:
        """Rows of level 0 that are not written yet."""
        waiting = sum(len(rows) for rows in self._pending[0])
        return int(self._arrays[0].shape[0]) - self._written[0] - waiting

    def check_complete(self) -> None:
        """Raise if rows are missing.

        Raises
        ------
        ValueError
            Fewer rows were written than the image has.
        """
        if self.rows_missing:
            height = self._arrays[0].shape[0]
            raise ValueError(f"{self.rows_missing} of {height} rows were never written")

    def write(self, rows: NDArray[Any]) -> None:
        """Append rows (any number of them, full width) below those written before."""
        height, width = self._arrays[0].shape
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"rows of shape {rows.shape} for an image of {(height, width)}")
        self._push(0, rows)

    def _push(self, level: int, rows: NDArray[Any]) -> None:
        array = self._arrays[level]
        pending = self._pending[level]
        pending.append(rows)
        waiting = sum(len(part) for part in pending)
        last = self._written[level] + waiting == array.shape[0]
        chunk_rows = array.shards[0] if array.shards else array.chunks[0]
        ready = waiting if last else waiting // chunk_rows * chunk_rows
        if ready == 0:
            pending[-1] = rows.copy()  # the caller may reuse its buffer
            return
        block = np.concatenate(pending) if len(pending) > 1 else pending[0]
        pending[:] = [block[ready:].copy()] if ready < waiting else []
        start = self._written[level]
        array[start : start + ready] = block[:ready]
        self._written[level] += ready
        if level + 1 < len(self._arrays):
            self._push(level + 1, self._reduce(block[:ready]))
