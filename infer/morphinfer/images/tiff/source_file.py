"""A file that is read piece by piece, and refused once it has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, and by what a later version of it is recognised."""

    path: Path
    """The file."""
    size: int
    """Its bytes."""
    changed_ns: int
    """When it was changed last."""

    @classmethod
    def of(cls, path: str | Path) -> SourceFile:
        """The file of a path, as it is now."""
        status = Path(path).stat()
        return cls(Path(path), status.st_size, status.st_mtime_ns)

    @contextmanager
    def opened(self) -> Iterator[FileIO]:
        """The file, open for reading.

        Raises
        ------
        OSError
            It is gone, or was changed since, or while it was read.
        """
        with self.path.open("rb", buffering=0) as file:
            self._refuse_changed(file)
            try:
                yield file
            except OSError:
                self._refuse_changed(file)
                raise
            self._refuse_changed(file)

    def is_unchanged(self) -> bool:
        """Whether it is still there, as it was."""
        try:
            return SourceFile.of(self.path) == self
        except OSError:
            return False

    def _refuse_changed(self, file: FileIO) -> None:
        status = os.fstat(file.fileno())
        if (status.st_size, status.st_mtime_ns) != (self.size, self.changed_ns):
            raise OSError(f"{self.path} was changed while it was read")


def read_into(file: FileIO, target: memoryview) -> None:
    """Fill a buffer from the file's present position."""
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])
        if not count:
            raise OSError(f"{file.name} ends {len(target) - done} bytes too early")
        done += count


def too_short(file: SourceFile, need: int) -> str | None:
    """Why a file cannot hold what ends at a byte; None where it can."""
    if need <= file.size:
        return None
    return f"its pixels need {need} bytes and the file has {file.size}"
