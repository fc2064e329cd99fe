"""Rows of chunks: tiles are put together until a row of chunks is complete, and written then.

What is covered of incomplete rows is saved from time to time, and when a run stops, so that it need not
be computed again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import OutputError
from morphinfer.geometry import Window, ceil_div
from morphinfer.images import NewImage, as_output_errors
from morphinfer.runs.holders import Hold
from morphinfer.runs.journal import Journal, RowDone, checksum, count_classes
from morphinfer.runs.open_rows import OpenRow, part_files

SAVE_SECONDS = 10.0
"""Least time between two times that incomplete rows are saved."""
SAVE_SHARE = 1 / 200
"""Largest share of the time that saving them takes."""


def row_count(height: int, chunk: int) -> int:
    """Number of rows of chunks of a label image with ``height`` rows of positions."""
    return ceil_div(height, chunk)


def row_positions(row: int, height: int, chunk: int) -> tuple[int, int]:
    """First and one past the last row of positions of a row of chunks."""
    return row * chunk, min((row + 1) * chunk, height)


class RowWriter:
    """Takes tiles in any order and writes each row of chunks as soon as it is complete."""

    def __init__(
        self,
        images: list[NewImage],
        classes: int,
        journal: Journal,
        *,
        since: float | None = None,
        held: Hold | None = None,
    ) -> None:
        """A writer; ``since`` is when the work on its rows began, by `time.perf_counter`."""
        self._classes = classes
        self._images = images
        self._planes = [image.spec.shape[:-2] for image in images]
        self._chunk = images[0].spec.chunk
        self._journal = journal
        self._held = held
        self._folder = journal.file.parent
        self._name = uuid4().hex
        self._rows: dict[int, OpenRow] = {}
        self._since = time.perf_counter() if since is None else since
        self._next_save = time.perf_counter() + SAVE_SECONDS

    def kept(self, row: int) -> list[Window]:
        """What earlier runs have left of a row of chunks, in positions; the rest of it completes the row."""
        return self._loaded(row).tiles

    def covered(self, row: int) -> int:
        """Number of positions of a row of chunks that earlier runs have left; 0 of no such row."""
        if not 0 <= row < row_count(self._images[0].spec.shape[-2], self._chunk):
            return 0
        loaded = self._loaded(row)
        return loaded.blocks[0].size - loaded.left

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
            whole = self._window(row)
            first, last = max(whole.row, window.row), min(whole.row_stop, window.row_stop)
            part = Window(first, window.col, last - first, window.width)
            inside = slice(first - window.row, last - window.row)
            open_row = self._open(row)
            open_row.place(part, [block[..., inside, :] for block in blocks], uncertain[inside])
            if open_row.left == 0:
                self._complete(row)
        if time.perf_counter() > self._next_save:
            self.save()

    def leave_out(self, row: int) -> None:
        """Write a row of chunks that lies outside the region of interest: unlabelled, and zeros."""
        self._rows[row] = OpenRow.empty(row, self._window(row), self._planes)
        self._rows[row].blocks[0].fill(UNLABELLED)
        self._complete(row)

    def save(self) -> None:
        """Save what is covered of the incomplete rows."""
        began = time.perf_counter()
        self._refuse_missing()
        with as_output_errors(self._folder, "what is done stays there"):
            for row in self._rows.values():
                spent = 0.0 if row.number > min(self._rows) else began - self._since
                row.save(self._folder, self._name, self._journal.run, spent)
        now = time.perf_counter()
        self._next_save = now + max(SAVE_SECONDS, (now - began) / SAVE_SHARE)

    def disown(self) -> None:
        """Drop all that was written with this writer, as the slide changed meanwhile."""
        self._rows.clear()
        for file in (self._journal.file, *self._folder.glob(f"*-{self._name}.bin")):
            file.unlink(missing_ok=True)

    def _window(self, row: int) -> Window:
        height, width = self._images[0].spec.shape[-2:]
        start, stop = row_positions(row, height, self._chunk)
        return Window(start, 0, stop - start, width)

    def _open(self, row: int) -> OpenRow:
        if row not in self._rows:
            self._rows[row] = self._loaded(row)
        return self._rows[row]

    def _loaded(self, row: int) -> OpenRow:
        """The most that is saved of a row of chunks, by any process."""
        most = OpenRow.empty(row, self._window(row), self._planes)
        for file in part_files(self._folder, row):
            with suppress(OSError):
                part = OpenRow.load(file, self._journal.run, row, most.window, self._planes)
                if part is not None and 0 < part.left < most.left:
                    most = part
        return most

    def _complete(self, row: int) -> None:
        done = self._rows.pop(row)
        self._refuse_missing()
        with as_output_errors(self._folder, "the rows that are done stay there"):
            for image, block in zip(self._images, done.blocks, strict=True):
                image.write_rows(done.window.row, block)
            self._note(done)
            for file in part_files(self._folder, row):
                file.unlink(missing_ok=True)

    def _refuse_missing(self) -> None:
        if self._held is not None:
            self._held.check()
        if not self._folder.is_dir():  # zarr would make it again, without its header
            raise OutputError(
                f"{self._folder}: no longer exists: another process finished or removed it; run again"
            )

    def _note(self, done: OpenRow) -> None:
        now = time.perf_counter()
        counts = count_classes(done.blocks[0], self._classes)
        checksums = tuple(checksum(block) for block in done.blocks)
        seconds = done.seconds + now - self._since
        self._journal.append(RowDone(done.number, checksums, counts, done.uncertain, seconds))
        self._since = now
