"""Hidden folders beside an output, in which a process prepares it: ``.NAME.partial-ID``.

Each holds a lock file for as long as its process lives. What a dead process has left is swept by the
next that writes the same output.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import IO
from uuid import uuid4

from morphinfer.errors import OutputError
from morphinfer.images.writing.files import remove
from morphinfer.images.writing.processes import Process, try_lock
from morphinfer.records import parse_fields

LOCK = "lock"
FOREIGN_SECONDS = 7 * 86400.0
"""What a process of another machine has left is taken for dead after this time."""
ATTEMPTS = 10
WORKSPACE = re.compile(r"\..+\.partial-[0-9a-f]{12}")


def in_workspace(path: Path) -> bool:
    """Whether a path lies in the workspace of another output, and will appear with that."""
    return any(WORKSPACE.fullmatch(part) for part in path.parent.parts)


@contextmanager
def workspace(target: Path) -> Iterator[Path]:
    """Yield a new folder beside an output, which is removed at the end; sweeps those of dead processes.

    Raises
    ------
    OutputError
        The folder cannot be made.
    """
    sweep(target)
    for _ in range(ATTEMPTS):
        folder = target.with_name(f".{target.name}.partial-{uuid4().hex[:12]}")
        folder.mkdir()
        try:
            with held(folder) as alone:
                if alone:
                    yield folder
                    return
        finally:
            with suppress(OSError):  # on Windows a file of it that is open elsewhere stays
                remove(folder)
    raise OutputError(f"{target}: no folder could be made beside it; try again")


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder until the process ends; yields False where another process does, or removed it."""
    path = folder / LOCK
    if path.is_symlink():  # of no process of this program, and what it leads to would be emptied
        path.unlink()
    try:
        file = path.open("a+b")
    except FileNotFoundError:
        yield False
        return
    with file:
        alone = try_lock(file) and _is_in_place(file, path)
        if alone:
            file.truncate(0)
            file.write(json.dumps(asdict(Process.current())).encode())
            file.flush()
        try:
            yield alone
        finally:
            if alone:
                file.truncate(0)  # from here on the lock alone says that nobody works in it


def is_held(folder: Path, foreign_seconds: float = FOREIGN_SECONDS) -> bool:
    """Whether a living process holds a folder.

    Parameters
    ----------
    folder : Path
        A workspace, or another folder with a lock file.
    foreign_seconds : float
        How long ago a process on another machine may have begun and count as living.
    """
    path = folder / LOCK
    try:
        text, since = path.read_bytes(), path.stat().st_mtime
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        process = parse_fields(Process, json.loads(text))
    except (ValueError, TypeError, RecursionError):
        process = (
            Process.current()
        )  # one that was killed before it wrote who it is; the lock decides
    if not process.is_here():
        return time.time() - since < foreign_seconds
    running = process.is_running()
    if running is not None and process.pid != os.getpid():
        return running
    try:
        with path.open("a+b") as file:
            return not try_lock(file)
    except OSError:  # of another user
        return True


def sweep(target: Path) -> None:
    """Remove what dead processes have left beside an output."""
    for folder in target.parent.glob(f".{escape(target.name)}.partial-*"):
        if WORKSPACE.fullmatch(folder.name) and not folder.is_symlink() and not is_held(folder):
            with suppress(OSError):
                remove(folder)


def _is_in_place(file: IO[bytes], path: Path) -> bool:
    """Whether an open file still has its name; another process may have swept its folder."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
