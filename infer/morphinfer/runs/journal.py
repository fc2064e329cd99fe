"""The journal of a draft: which rows of chunks are done, written by any number of processes.

Each process appends lines to a file of its own. A line that a power cut has torn is no line, and a
line whose checksum does not fit the row is not believed.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

JOURNALS = "journal-*.jsonl"


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
    """Positions of tissue whose class is uncertain. A line without this number is ignored, so its row
    is computed again."""
    seconds: float
    """What it took."""


def new_journal(folder: Path) -> Path:
    """A journal that no other process writes to."""
    return folder / JOURNALS.replace("*", uuid4().hex)


def append(journal: Path, done: RowDone) -> None:
    """Add a line and wait until it is on the disk."""
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(done)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_journals(folder: Path) -> dict[int, list[RowDone]]:
    """The entries of all journals of a folder, by row."""
    entries: dict[int, list[RowDone]] = {}
    for path in folder.glob(JOURNALS):
        for done in _lines(path):
            entries.setdefault(done.row, []).append(done)
    return entries


def checksum(block: NDArray[np.uint8]) -> int:
    """CRC-32 of the values in reading order."""
    return zlib.crc32(np.ascontiguousarray(block).data)


def _lines(path: Path) -> Iterator[RowDone]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            yield RowDone(
                int(entry["row"]),
                tuple(entry["checksums"]),
                tuple(entry["counts"]),
                int(entry["uncertain"]),
                float(entry["seconds"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
