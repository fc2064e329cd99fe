"""Outputs are written beside their place and published by one rename.

No reader ever sees an incomplete output. A process that is killed leaves a hidden
``.NAME.partial-PID`` beside it, which no reader opens and which may be deleted.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from morphinfer.errors import OutputError

RESULT_SIGNS = (
    ("zarr.json",),
    (".zgroup",),
    (".zarray",),
    ("card.json",),
    ("slide.zarr", "spots.csv", "reference.zarr"),
)
"""A folder may be replaced if it holds all names of one of these: zarr, model set, phantom."""


@contextmanager
def staged(
    path: Path, *, overwrite: bool = False, needed_bytes: int = 0, folder: bool = False
) -> Iterator[Path]:
    """Yield an unused path beside ``path``; it becomes ``path`` on success and is removed on an error.

    Parameters
    ----------
    path : Path
        File or folder to publish.
    overwrite : bool
        Replace what exists at ``path``; it is removed only after the new one is complete.
    needed_bytes : int
        Free space that is needed before anything is written.
    folder : bool
        Whether a folder will be written; it never replaces a file.

    Raises
    ------
    OutputError
        ``path`` exists, its folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    check_target(path, overwrite=overwrite, needed_bytes=needed_bytes, folder=folder)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    remove(partial)
    try:
        with as_output_errors(path, "nothing was published"):
            yield partial
            publish(partial, path)
    except BaseException:
        remove(partial)
        raise


@contextmanager
def as_output_errors(path: Path, outcome: str) -> Iterator[None]:
    """Turn the system's errors while writing ``path`` into one sentence.

    Raises
    ------
    OutputError
        The disk is full, or the folder cannot be written to.
    """
    try:
        yield
    except OSError as problem:
        if isinstance(problem, OutputError):
            raise
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"{path}: no room left on the disk after writing part of it; {outcome}; free some "
                f"space or name a place on another disk"
            ) from problem
        if isinstance(problem, PermissionError):
            raise OutputError(
                f"{path}: the folder {path.parent} cannot be written to; name another place"
            ) from problem
        raise


def check_target(
    path: Path, *, overwrite: bool = False, needed_bytes: int = 0, folder: bool = False
) -> None:
    """Refuse an output that exists, that has no writable folder, or that will not fit.

    With ``folder`` the output is a folder, which never replaces a file.
    """
    if path.name in ("", ".."):
        raise OutputError(f"{path}: is not a name for an output; name one, for example NAME.zarr")
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise OutputError(
            f"{path}: exists already; give `overwrite=True` to replace it, or name another place"
        )
    if folder and path.is_file():
        raise OutputError(
            f"{path}: is a file, and a folder never replaces a file, not even with "
            f"`overwrite=True`; name another place"
        )
    if path.is_dir() and not _is_result(path):
        raise OutputError(
            f"{path}: is a folder that holds no image and no model set, so it is not replaced, not "
            f"even with `overwrite=True`; name another place"
        )
    parent = path.parent
    if not parent.is_dir():
        raise OutputError(f"{path}: the folder {parent} does not exist; create it first")
    if not os.access(parent, os.W_OK):
        raise OutputError(f"{path}: the folder {parent} cannot be written to; name another place")
    free = shutil.disk_usage(parent).free
    if free < needed_bytes:
        raise OutputError(
            f"{path}: needs about {needed_bytes / 1e6:.0f} MB and {free / 1e6:.0f} MB are free; "
            f"free some space or name a place on another disk"
        )


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, if they are missing.

    Raises
    ------
    OutputError
        A file is in the way, or a folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{folder}: this folder cannot be made ({problem.strerror}); name another place"
        ) from problem


def _is_result(folder: Path) -> bool:
    """Whether a folder is empty, or was written by morphinfer or another zarr writer."""
    return not any(folder.iterdir()) or any(
        all((folder / name).exists() for name in names) for names in RESULT_SIGNS
    )


def publish(partial: Path, path: Path) -> None:
    """Rename ``partial`` to ``path``; an existing output is renamed first and removed last."""
    absent = not (path.exists() or path.is_symlink())
    if absent or not (path.is_dir() or partial.is_dir()):
        partial.replace(path)
        return
    aside = path.with_name(f".{path.name}.replaced-{os.getpid()}")
    remove(aside)
    path.rename(aside)
    try:
        partial.rename(path)
    except BaseException:  # an interrupt must not leave the place empty either
        if not path.exists():
            aside.rename(path)
        raise
    with suppress(
        OSError
    ):  # on Windows an open file of the old result stays; the new one is in place
        remove(aside)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file until the process ends; yields False where another process holds it."""
    with path.open("a") as file:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def flush(folder: Path) -> None:
    """Wait until every file of a folder is on the disk, so that a power loss tears none of them."""
    with ThreadPoolExecutor(8) as pool:  # the system writes several at a time
        list(pool.map(_flush_file, (path for path in folder.rglob("*") if path.is_file())))


def _flush_file(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
