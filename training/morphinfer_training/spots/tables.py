"""A table on disk whose header was read: its columns are loaded by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from morphinfer.errors import SpotsError

UNREADABLE = (
    pa.ArrowException,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    MemoryError,
    OverflowError,
)
"""What pyarrow raises for damaged files."""


@dataclass(frozen=True, slots=True)
class LoadedColumns:
    """Columns of a table in memory."""

    table: Any
    """pyarrow table; columns of text are as in the file."""
    malformed: int
    """Rows that were left out since they have more or fewer fields than the header."""
    warnings: tuple[str, ...]
    """What was assumed, a sentence each."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table whose header was read."""

    path: Path
    """File or folder."""
    names: tuple[str, ...]
    """Column names."""
    load: Callable[[Sequence[str], str], LoadedColumns]
    """Reads some columns; the second argument is that of the genes, which is never read as numbers."""
    comments: tuple[str, ...] = ()
    """Lines above the header of a text table, without '#'."""
    warnings: tuple[str, ...] = ()
    """What was assumed, a sentence each."""


def load_columns(table: TableFile, columns: Sequence[str], gene: str) -> LoadedColumns:
    """Columns of a table; ``gene`` is the column of the genes.

    Raises
    ------
    SpotsError
        They cannot be read.
    """
    try:
        return table.load(columns, gene)
    except UNREADABLE as problem:
        if isinstance(problem, SpotsError):
            raise
        raise unreadable(table.path, problem) from problem


@contextmanager
def values_readable(path: Path) -> Iterator[None]:
    """Raise what pyarrow makes of values that are neither numbers nor text as `SpotsError`."""
    try:
        yield
    except (pa.ArrowException, UnicodeError) as problem:
        raise unreadable(path, problem) from problem


def unreadable(path: Path, problem: BaseException) -> SpotsError:
    """Error for a table that pyarrow refuses."""
    reason = (str(problem).splitlines() or [type(problem).__name__])[0]
    return SpotsError(
        f"{path}: cannot be read as a table ({reason}); check that the file is complete"
    )
