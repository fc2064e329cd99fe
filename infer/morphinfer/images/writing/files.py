"""Files and folders on the disk: written through before they get their name, and removed."""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

THREADS = 8
"""Files that are written through at a time; the system puts several into one write."""
NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.ENOSYS)
"""What file systems answer that cannot write a folder through, as some network shares."""


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists; of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def flush(*paths: Path) -> None:
    """Wait until files, and folders with all that is in them, are on the disk.

    A cut of power then tears none of them, whatever name they get after it.
    """
    files, folders = [], []
    for path in paths:
        if not path.is_dir():
            files.append(path)
        for folder, _, names in os.walk(path):
            folders.append(Path(folder))
            files += [Path(folder, name) for name in names]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(_flush_file, files))
        list(pool.map(flush_folder, reversed(folders)))


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that.

    Windows has no call for it, and writes them in order.
    """
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno not in NOT_FOR_FOLDERS:
            raise
    finally:
        os.close(handle)


def _flush_file(path: Path) -> None:
    if path.is_symlink():
        return
    if os.name == "nt":  # which needs a handle that may write
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
