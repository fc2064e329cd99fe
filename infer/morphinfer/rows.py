"""Rows of chunks: tiles are put together until a row of chunks is complete, and written then."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import OutputError
from morphinfer.grid import Window, ceil_div
from morphinfer.journal import RowDone, append, checksum
from morphinfer.labels import LABEL_CHUNK
from morphinfer.pyramid import NewImage
from morphinfer.staging import explained


def row_count(height: int) -> int:
    """Number of rows of chunks of a label image with ``height`` cell rows."""
    return ceil_div(height, LABEL_CHUNK)


def row_cells(row: int, height: int) -> tuple[int, int]:
    """First and one past the last cell row of a row of chunks."""
    return row * LABEL_CHUNK, min((row + 1) * LABEL_CHUNK, height)


class RowWriter:
    """Takes tiles in any order and writes each row of chunks as soon as it is complete."""

    def __init__(self, images: list[NewImage], classes: int, journal: Path, since: float) -> None:
        self._classes = classes
        self._images = images
        self._height = images[0].spec.shape[-2]
        self._journal = journal
        self._rows: dict[int, list[NDArray[np.uint8]]] = {}
        self._left: dict[int, int] = {}
        self._since = since

    def write(self, window: Window, blocks: list[NDArray[np.uint8]]) -> None:
        """Place a tile: its labels, shape (M, N), and probabilities, shape (C, M, N), if kept."""
        for row in range(window.row // LABEL_CHUNK, ceil_div(window.row_stop, LABEL_CHUNK)):
            start, stop = row_cells(row, self._height)
            first, last = max(start, window.row), min(stop, window.row_stop)
            for target, block in zip(self._buffers(row), blocks, strict=True):
                part = block[..., first - window.row : last - window.row, :]
                target[..., first - start : last - start, window.col : window.col_stop] = part
            self._left[row] -= (last - first) * window.width
            if self._left[row] == 0:
                self._complete(row)

    def _buffers(self, row: int) -> list[NDArray[np.uint8]]:
        if row not in self._rows:
            start, stop = row_cells(row, self._height)
            width = self._images[0].spec.shape[-1]
            self._rows[row] = [
                np.empty((*image.spec.shape[:-2], stop - start, width), np.uint8)
                for image in self._images
            ]
            self._left[row] = (stop - start) * width
        return self._rows[row]

    def _complete(self, row: int) -> None:
        blocks = self._rows.pop(row)
        if not self._journal.parent.is_dir():  # zarr would make it again, without its header
            raise OutputError(
                f"{self._journal.parent}: is gone, finished or given up by another process; run again"
            )
        with explained(self._journal.parent, "the rows that are done stay there"):
            for image, block in zip(self._images, blocks, strict=True):
                image.write_rows(row_cells(row, self._height)[0], block)
            self._note(row, blocks)

    def _note(self, row: int, blocks: list[NDArray[np.uint8]]) -> None:
        # Line by line: counting makes eight bytes of every cell that it is given at once.
        lines = [np.bincount(line, minlength=self._classes) for line in blocks[0]]
        counts = np.sum(lines, axis=0)
        now = time.perf_counter()
        done = RowDone(
            row, tuple(checksum(b) for b in blocks), tuple(counts.tolist()), now - self._since
        )
        self._since = now
        append(self._journal, done)
