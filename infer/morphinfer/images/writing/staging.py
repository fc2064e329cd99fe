"""Outputs are prepared beside their place, in a hidden folder, and appear at once when they are complete.

No reader ever sees an incomplete output, nor some of those that belong together without the others.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from morphinfer.errors import OutputError
from morphinfer.images.writing.files import flush, flush_folder
from morphinfer.images.writing.publication import Publication, forget, settle
from morphinfer.images.writing.workspaces import in_workspace, workspace

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
    """Yield an unused path beside ``path``; what is there at the end becomes ``path``.

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
    with staged_together(path) as (partial,):
        yield partial


@contextmanager
def staged_together(main: Path, *others: Path) -> Iterator[list[Path]]:
    """Yield an unused path for each of several outputs of one folder, which appear at once at the end.

    Call `check_targets` before. What is missing at the end is left out, but for the main output.

    Parameters
    ----------
    main : Path
        The output that a reader opens first.
    others : Path
        What belongs to it: files of its name with other endings (`publication.BESIDE`).

    Raises
    ------
    OutputError
        Their folder cannot be written to, or the disk is full.
    """
    if in_workspace(main):
        yield [main, *others]
        return
    with as_output_errors(main, "nothing was published"):
        with workspace(main) as folder:
            new = [folder / path.name for path in (main, *others)]
            yield new
            written = [path.name for path in new[1:] if path.exists()]
            names = (*written, main.name)
            if written or new[0].is_dir() or main.is_dir() or not _exists(main):
                Publication(folder.name, names, names, maker=command()).publish(main.parent)
            else:  # a file in place of a file needs no intent
                flush(new[0])
                new[0].replace(main)
                flush_folder(main.parent)
        forget(main)


def command() -> str:
    """What this process was called with, as a hash."""
    return hashlib.sha256(json.dumps(sys.argv).encode()).hexdigest()


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

    With ``folder`` the output is a folder, which never replaces a file. What the same command had just
    published when it was killed is not in its own way.
    """
    if path.name in ("", ".."):
        raise OutputError(f"{path}: is not a name for an output; name one, for example NAME.zarr")
    may_exist = (
        published_by_this_command(path) or overwrite
    )  # what was interrupted is completed first
    if _exists(path) and not may_exist:
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


def check_targets(main: Path, *others: Path, overwrite: bool = False, folder: bool = False) -> None:
    """Refuse outputs that belong together as `check_target` does; ``folder`` is about the main one."""
    check_target(main, overwrite=overwrite, folder=folder)
    overwrite = overwrite or published_by_this_command(main)
    for path in others:
        check_target(path, overwrite=overwrite)


def published_by_this_command(main: Path) -> bool:
    """Whether the same command published an output and was killed before it ended.

    Raises
    ------
    OutputError
        Another process publishes it at this moment.
    """
    earlier = settle(main)
    return earlier is not None and earlier.maker == command()


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


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()
