"""What an image holds, so that a later look finds it changed: its files, and bytes spread over them.

Sizes and times of files are those of all files of a level that are read (of every so many where there are
more than `MOST_FILES`). Bytes are hashed as they are stored, so that nothing is decoded for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from morphinfer.errors import SlideError
from morphinfer.images.stores.addresses import NODE_FILES
from morphinfer.images.stores.links import links_out
from morphinfer.images.stores.remote import remote_problem

if TYPE_CHECKING:
    from morphinfer.images.stores.store import Store

Index = tuple[int | slice, ...]
MOST_FILES = 50_000
"""Files whose size and time is looked at, at about three microseconds each; more on a network."""
READERS = 8
"""Files that are looked at at the same time, which hides the latency of a network."""
FILES_AT_ONCE = 256
SAMPLED_SIDE = 5
"""Chunks along each side of the lattice of those whose bytes are hashed."""
SAMPLED_BYTES = 2**17
"""Bytes at the beginning of a chunk that are hashed; of a file on this machine as many at its end."""


@dataclass(frozen=True, slots=True)
class StoredContent:
    """What an image held when it was looked at."""

    files: str = ""
    """SHA-256 of the sizes and times of its files; '' where it has none that can be looked at."""
    pixels: str = ""
    """SHA-256 of bytes spread over the level that is read; '' of an array in memory."""


@runtime_checkable
class Watched(Protocol):
    """An array whose files are looked at again."""

    def check(self) -> None:
        """Raise `SlideError` where they have gone or changed since it was opened."""
        ...

    def content(self, index: Index) -> StoredContent:
        """What a part of it holds now."""
        ...


def spread(ranges: Sequence[range], side: int = SAMPLED_SIDE) -> list[tuple[int, ...]]:
    """Places that lie evenly over the last two of several ranges of indices, in the middle of the others.

    >>> spread([range(9), range(10), range(2)], 2)
    [(4, 2, 0), (4, 2, 1), (4, 7, 0), (4, 7, 1)]
    """
    parts = [*[1] * (len(ranges) - 2), side, side]
    middles = [
        sorted({each[(2 * k + 1) * len(each) // (2 * count)] for k in range(count)})
        for each, count in zip(ranges, parts[-len(ranges) :], strict=True)
    ]
    return list(product(*middles))


def node_files(paths: Iterable[str]) -> list[str]:
    """Keys of the files that may hold the metadata of nodes at some paths of a store."""
    return [
        "/".join(part for part in (path, name) if part) for path in paths for name in NODE_FILES
    ]


def some_places(ranges: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """All combinations of several ranges, or every so many of them where there are more than `MOST_FILES`.

    >>> list(some_places([range(2), range(5, 6)]))
    [(0, 5), (1, 5)]
    """
    count = math.prod(map(len, ranges))
    for number in range(0, count, max(1, math.ceil(count / MOST_FILES))):
        place: tuple[int, ...] = ()
        for each in reversed(ranges):
            number, k = divmod(number, len(each))
            place = (each[k], *place)
        yield place


def stamp_files(root: Path, keys: Iterable[str], owned: Collection[str] = ()) -> str:
    """SHA-256 of the sizes and times of files below a folder.

    Raises
    ------
    SlideError
        One is, or lies behind, a link out of the folders ``owned``, where there are some.
    """
    each = iter(keys)
    groups = iter(lambda: tuple(islice(each, FILES_AT_ONCE)), ())
    digest = hashlib.sha256()
    with ThreadPoolExecutor(READERS, "morphinfer-stamp") as pool:
        for lines in pool.map(partial(_stamp, str(root), owned), groups):
            digest.update(lines)
    return digest.hexdigest()


def _stamp(root: str, owned: Collection[str], keys: Sequence[str]) -> bytes:
    lines, linked = [], {key.rpartition("/")[0] for key in keys if owned}
    for key in keys:
        try:
            path = os.path.join(root, key)  # noqa: PTH118 -- a Path takes longer, here and below
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                linked.add(key)
                status = os.stat(path)  # noqa: PTH116
            lines.append(f"{key} {status.st_size} {status.st_mtime_ns}\n")
        except OSError:
            lines.append(f"{key} absent\n")
    out = links_out([Path(root, key) for key in sorted(linked)], owned) if owned else []
    if out:
        raise SlideError(
            f"{out[0]}: leads out of the slide by a link; copy there what it leads to, or follow it with "
            f"`follow_links=True`"
        )
    return "".join(lines).encode()


def hash_pieces(pieces: Iterable[bytes | None]) -> str:
    """SHA-256 of pieces and of their lengths; None stands for one that is absent."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(b"absent" if piece is None else b"%d " % len(piece) + piece)
    return digest.hexdigest()


def file_pieces(path: Path, count: int, size: int = SAMPLED_BYTES) -> Iterator[bytes | None]:
    """Pieces that lie evenly over a file, with its beginning and its end; None where it is absent."""
    try:
        with path.open("rb") as file:
            last = max(0, file.seek(0, os.SEEK_END) - size)
            for offset in sorted({last * k // max(1, count - 1) for k in range(count)}):
                file.seek(offset)
                yield file.read(size)
    except OSError:
        yield None


def stored_pieces(store: Store, keys: Sequence[str]) -> list[bytes | None]:
    """Beginnings of what a store holds under some keys, of files with their ends; None where absent.

    Raises
    ------
    SlideError
        A remote store cannot be reached.
    """
    root = getattr(store.zarr, "root", None)
    if root is not None:
        return [piece for key in keys for piece in file_pieces(Path(root, key), 2)]
    from zarr.abc.store import RangeByteRequest
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    prototype, part = default_buffer_prototype(), RangeByteRequest(0, SAMPLED_BYTES)

    async def fetch() -> list[Any]:
        return await asyncio.gather(*(store.zarr.get(key, prototype, part) for key in keys))

    try:
        return [None if piece is None else piece.to_bytes() for piece in sync(fetch())]
    except Exception as problem:  # clients of remote stores raise anything
        raise SlideError(remote_problem(store.address, problem)) from problem
