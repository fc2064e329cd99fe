"""The journal of a draft: which rows of chunks are done, written by any number of processes.

Each process appends lines to a file of its own. A line carries a hash over the name of the draft and all
that it claims, so that one that a power cut has torn, that was changed, or that belongs to another draft
is no line; and a line whose checksums do not fit the row is not believed.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from morphinfer.images import Layout, NewImage
from morphinfer.records import parse_fields, to_plain

JOURNALS = "journal-*.jsonl"
MOST_BYTES = 2**26
"""More than any journal has; a longer one is not read."""
SUM = "sum"
"""Key of the hash."""


@dataclass(frozen=True, slots=True)
class RowDone:
    """A row of chunks that was written."""

    row: int
    """Its number from the top."""
    checksums: tuple[int, ...]
    """CRC-32 of its labels and of each layer that is kept beside them."""
    counts: tuple[int, ...]
    """Positions of each class."""
    uncertain: int
    """Positions of tissue whose class is uncertain."""
    seconds: float
    """What it took."""

    def is_possible(self, positions: int) -> bool:
        """Whether a row of so many positions can be like that."""
        labelled = sum(self.counts)
        return (
            min(self.counts, default=0) >= 0
            and 0 <= self.uncertain <= labelled <= positions
            and 0 <= self.seconds < float("inf")
        )


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal that no other process writes to."""

    file: Path
    """The file, which the first line makes."""
    run: str
    """Name of the draft."""

    @classmethod
    def new(cls, folder: Path, run: str) -> Self:
        """A journal in the folder of a draft."""
        return cls(folder / JOURNALS.replace("*", uuid4().hex), run)

    def append(self, done: RowDone) -> None:
        """Add a line and wait until it is on the disk."""
        with self.file.open("ab") as file:
            file.write(signed(self.run, to_plain(done)))
            file.flush()
            os.fsync(file.fileno())


def read_journals(folder: Path, run: str) -> dict[int, list[RowDone]]:
    """The entries that all journals of a folder have for a draft, by row."""
    entries: dict[int, list[RowDone]] = {}
    for path in folder.glob(JOURNALS):
        for done in _lines(path, run):
            entries.setdefault(done.row, []).append(done)
    return entries


def intact_rows(
    folder: Path, run: str, layout: Layout, images: Sequence[NewImage]
) -> dict[int, RowDone]:
    """The rows that the images of a draft hold as a journal describes them, by number."""
    rows: dict[int, RowDone] = {}
    for row, entries in read_journals(folder, run).items():
        done = next((each for each in entries if _is_intact(each, layout, images)), None)
        if done is not None:
            rows[row] = done
    return rows


def _is_intact(done: RowDone, layout: Layout, images: Sequence[NewImage]) -> bool:
    start = done.row * layout.chunk
    height, width = layout.grid.shape
    stop = min(start + layout.chunk, height)
    if not (0 <= start < height and done.is_possible((stop - start) * width)):
        return False
    try:
        blocks = [image.read_rows(start, stop) for image in images]
    except (OSError, ValueError, RuntimeError, SystemError, MemoryError):
        return False  # a torn chunk does not decode, whatever error numcodecs raises
    counts = count_classes(blocks[0], len(layout.classes))
    return (tuple(map(checksum, blocks)), counts) == (done.checksums, done.counts)


def signed(run: str, claims: dict[str, Any]) -> bytes:
    """A line of JSON with a hash over the name of a draft and some claims."""
    return json.dumps({**claims, SUM: _hash(run, claims)}).encode() + b"\n"


def verified(run: str, line: bytes) -> dict[str, Any] | None:
    """The claims of a line that belongs to a draft; None where the hash is not that of the line."""
    try:
        claims = json.loads(line)
        own = claims.pop(SUM)
        return claims if own == _hash(run, claims) else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def checksum(block: NDArray[np.uint8]) -> int:
    """CRC-32 of the values in reading order."""
    return zlib.crc32(np.ascontiguousarray(block).data)


def count_classes(labels: NDArray[np.uint8], classes: int) -> tuple[int, ...]:
    """Number of positions of each class."""
    # Line by line: counting takes eight bytes for every position at once.
    lines = [np.bincount(line, minlength=256) for line in labels]
    return tuple(np.sum(lines, axis=0)[:classes].tolist())


def _hash(run: str, claims: dict[str, Any]) -> str:
    content = json.dumps([run, claims], sort_keys=True, allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _lines(path: Path, run: str) -> Iterator[RowDone]:
    with path.open("rb") as file:
        size = os.fstat(
            file.fileno()
        ).st_size  # read(n) takes n bytes of memory, however short it is
        content = file.read(size) if size <= MOST_BYTES else b""
    for line in content.splitlines():
        claims = verified(run, line)
        if claims is None:
            continue
        try:
            yield parse_fields(RowDone, claims)
        except (ValueError, TypeError, OverflowError):
            continue
