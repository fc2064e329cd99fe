"""Rows of chunks: tiles are put together until a row of chunks is complete, and written then."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import OutputError
from morphinfer.geometry import Window, ceil_div
from morphinfer.images import NewImage, as_output_errors
from morphinfer.runs.journal import RowDone, append, checksum


def row_count(height: int, chunk: int) -> int:
    """Number of rows of chunks of a label image with ``height`` rows of positions."""
    return ceil_div(height, chunk)


def row_positions(row: int, height: int, chunk: int) -> tuple[int, int]:
    """First and one past the last row of positions of a row of chunks."""
    return row * chunk, min((row + 1) * chunk, height)


@dataclass(slots=True, eq=False)
class OpenRow:
    """A row of chunks that is being put together."""

    blocks: list[NDArray[np.uint8]]
    """Its part of each image."""
    positions_left: int
    """Positions that no tile has covered yet."""
    uncertain: int = 0
    """Uncertain positions of tissue among those that are covered."""


class RowWriter:
    """Takes tiles in any order and writes each row of chunks as soon as it is complete."""

    def __init__(self, images: list[NewImage], classes: int, journal: Path, since: float) -> None:
        self._classes = classes
        self._images = images
        self._height = images[0].spec.shape[-2]
        self._chunk = images[0].spec.chunk
        self._journal = journal
        self._rows: dict[int, OpenRow] = {}
        self._since = since

    def write(
        self, window: Window, blocks: list[NDArray[np.uint8]], uncertain: NDArray[np.bool_]
    ) -> None:
        """Place a tile.

        Parameters
        ----------
        window : Window
            Where it lies, in positions.
        blocks : list of ndarray of uint8, shape (M, N) or (C, M, N)
            Its labels, and its part of each layer that is kept.
        uncertain : ndarray of bool, shape (M, N)
            Which of its positions are uncertain tissue.
        """
        for row in range(window.row // self._chunk, ceil_div(window.row_stop, self._chunk)):
            start, stop = row_positions(row, self._height, self._chunk)
            first, last = max(start, window.row), min(stop, window.row_stop)
            inside, open_row = slice(first - window.row, last - window.row), self._open(row)
            for target, block in zip(open_row.blocks, blocks, strict=True):
                part = block[..., inside, :]
                target[..., first - start : last - start, window.col : window.col_stop] = part
            open_row.uncertain += int(np.count_nonzero(uncertain[inside]))
            open_row.positions_left -= (last - first) * window.width
            if open_row.positions_left == 0:
                self._complete(row)

    def leave_out(self, row: int) -> None:
        """Write a row of chunks that lies outside the region of interest: unlabelled, and zeros."""
        labels, *layers = self._open(row).blocks
        labels.fill(UNLABELLED)
        for layer in layers:
            layer.fill(0)
        self._complete(row)

    def _open(self, row: int) -> OpenRow:
        if row not in self._rows:
            start, stop = row_positions(row, self._height, self._chunk)
            width = self._images[0].spec.shape[-1]
            blocks = [
                np.empty((*image.spec.shape[:-2], stop - start, width), np.uint8)
                for image in self._images
            ]
            self._rows[row] = OpenRow(blocks, (stop - start) * width)
        return self._rows[row]

    def _complete(self, row: int) -> None:
        done = self._rows.pop(row)
        if not self._journal.parent.is_dir():  # zarr would make it again, without its header
            raise OutputError(
                f"{self._journal.parent}: no longer exists: another process finished or removed it; run again"
            )
        with as_output_errors(self._journal.parent, "the rows that are done stay there"):
            for image, block in zip(self._images, done.blocks, strict=True):
                image.write_rows(row_positions(row, self._height, self._chunk)[0], block)
            self._note(row, done)

    def _note(self, row: int, done: OpenRow) -> None:
        # Line by line: counting takes eight bytes for every position at once.
        lines = [np.bincount(line, minlength=256) for line in done.blocks[0]]
        counts = tuple(np.sum(lines, axis=0)[: self._classes].tolist())
        checksums = tuple(checksum(block) for block in done.blocks)
        now = time.perf_counter()
        entry = RowDone(row, checksums, counts, done.uncertain, now - self._since)
        self._since = now
        append(self._journal, entry)
