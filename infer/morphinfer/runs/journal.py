"""The journal of a draft: which rows of chunks are done, told by any number of processes.

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
    """Cells of each class."""
    uncertain: int
    """Cells of tissue whose class is uncertain; the line of a version that did not count them is no
    line, so its row is computed anew."""
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
    """What all journals of a folder tell of each row."""
    told: dict[int, list[RowDone]] = {}
    for path in folder.glob(JOURNALS):
        for done in _lines(path):
            told.setdefault(done.row, []).append(done)
    return told


def checksum(block: NDArray[np.uint8]) -> int:
    """CRC-32 of the values in reading order."""
    return zlib.crc32(np.ascontiguousarray(block).data)


def _lines(path: Path) -> Iterator[RowDone]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            told = json.loads(line)
            yield RowDone(
                int(told["row"]),
                tuple(told["checksums"]),
                tuple(told["counts"]),
                int(told["uncertain"]),
                float(told["seconds"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
