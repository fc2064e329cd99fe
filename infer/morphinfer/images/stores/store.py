"""From an address to an opened zarr node: folders, zip files, and remote stores through fsspec.

Consolidated metadata are never read: OME-Zarr does not use them, and a writer that changes an array
without them leaves a copy that describes another image. So each node is opened by itself.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.stores.addresses import (
    NODE_FILES,
    Address,
    enclosing_zip,
    is_zip,
    nodes_below,
)
from morphinfer.images.stores.folders import stored_result
from morphinfer.images.stores.foreign_formats import foreign_format
from morphinfer.images.stores.remote import all_keys, remote_problem, remote_store
from morphinfer.limits import beyond, check_depth, limit
from morphinfer.names import nearest_name

MOST_NAMED = 5
"""Images that a message names."""
NO_NODE = "no zarr array or group"


@dataclass(frozen=True, slots=True)
class Store:
    """An opened zarr store, and the path in it at which the address lies."""

    address: Address
    """What was named."""
    zarr: Any
    """The store of zarr."""
    prefix: str = ""
    """Path inside the store; '' for its root."""
    zip_file: Path | None = None
    """The zip file that it is."""
    stamp: tuple[int, int] | None = None
    """Size and time of the zip file."""

    def node(self, inner: str = "") -> Any:
        """Zarr group or array at a path below the address, opened by its own metadata; None without one.

        Raises
        ------
        SlideError
            Its metadata are damaged, or the store cannot be reached.
        """
        import zarr

        place = "/".join(part for part in (self.prefix, inner) if part)
        address = self.address.below(inner)
        try:
            with _as_slide_errors(address):
                self.check_metadata(place)
                node = zarr.open(store=self.zarr, path=place, mode="r", use_consolidated=False)
                check_depth(dict(node.attrs))  # dict fails where the attributes are no table
                return node
        except FileNotFoundError:  # zarr's own errors derive from it
            return None

    def check_metadata(self, place: str) -> None:
        """Refuse a node whose metadata are larger than the limit, by its path from the root of the store.

        Those of a remote store are not looked at.

        Raises
        ------
        ValueError
            They are; the message is a clause.
        """
        keys = [f"{place}/{name}".lstrip("/") for name in NODE_FILES]
        if self.zip_file is not None:
            with zipfile.ZipFile(self.zip_file) as opened:
                sizes = {each.filename: each.file_size for each in opened.infolist()}
            stored = [sizes.get(key, 0) for key in keys]
        elif (root := getattr(self.zarr, "root", None)) is not None:
            stored = [(stamp_of(Path(root, key)) or (0, 0))[0] for key in keys]
        else:
            return
        if max(stored) > limit("MOST_METADATA_MB") * 10**6:
            raise ValueError(f"{max(stored) / 1e6:.0f} MB, {beyond('MOST_METADATA_MB')}")

    def names(self, inner: str = "") -> list[str]:
        """Names of the files and folders at a path below the address, sorted; none if it lists none."""
        place = "/".join(part for part in (self.prefix, inner) if part)
        return sorted(listed(self.zarr, place))

    def is_unchanged(self) -> bool:
        """Whether a zip file is the one that was opened; of other stores their nodes have to say it."""
        return self.zip_file is None or stamp_of(self.zip_file) == self.stamp

    def holds(self, key: str) -> bool:
        """Whether there is a file, by its path from the root of the store of zarr."""
        root = getattr(self.zarr, "root", None)
        if root is not None:
            return Path(root, key).exists()
        from zarr.core.sync import sync

        with _as_slide_errors(self.address):
            return bool(sync(self.zarr.exists(key)))

    def hold(self, keys: Iterable[str]) -> Iterator[bool] | None:
        """For each of several files whether it is there; None for a server that lists no files.

        Neighbouring keys are best those of one folder, which is listed once.
        """
        if self.address.path is None:
            names = all_keys(self.address, self.zarr)
            if names is None:
                return None
        elif self.zip_file is not None:
            with zipfile.ZipFile(self.zip_file) as opened:
                names = set(opened.namelist())
        else:
            return _in_folders(Path(self.zarr.root), keys)
        return (key in names for key in keys)


def _in_folders(root: Path, keys: Iterable[str]) -> Iterator[bool]:
    """Whether files exist below a folder; each folder is listed once for neighbouring keys."""
    last, names = None, set[str]()
    for key in keys:
        folder, _, name = key.rpartition("/")
        if folder != last:
            last = folder
            try:
                names = set(os.listdir(root / folder))  # noqa: PTH208 -- names are all that is needed
            except (FileNotFoundError, NotADirectoryError):
                names = set()
        yield name in names


def stamp_of(file: Path) -> tuple[int, int] | None:
    """Size in bytes and time of the last change of a file; None if there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def listed(store: Any, place: str) -> set[str]:
    """Names at a path of a zarr store; none where the path is missing, or its server lists nothing."""
    from zarr.core.sync import sync

    async def collect() -> set[str]:
        return {name.rstrip("/").rsplit("/", 1)[-1] async for name in store.list_dir(place)}

    try:
        return sync(collect())
    except Exception:  # servers of files refuse to list in ways of their own
        return set()


def open_store(address: Address) -> Store:
    """The store of an address; a zip file's may begin in a folder, if all zarr nodes lie below that.

    Raises
    ------
    SlideError
        Nothing exists there, it is a file of another kind, the zip file is damaged, or the address is
        remote and the extra 'remote' is not installed.
    """
    if address.path is None:
        return Store(address, remote_store(address))
    path = address.path
    if path.is_file():
        if not is_zip(path):
            raise SlideError(other_file(path))
        return _zip_store(address, path)
    if not path.exists():
        entered = enclosing_zip(path)
        if entered is None:
            raise SlideError(
                f"{path}: no such file or folder{nearest_name(path) or '; check the path'}"
            )
        file, inner = entered
        whole = _zip_store(Address(file), file)
        named = inner == whole.prefix or inner.startswith(f"{whole.prefix}/")
        prefix = "/".join(part for part in ("" if named else whole.prefix, inner) if part)
        return replace(whole, address=address, prefix=prefix)
    from zarr.storage import LocalStore

    return Store(address, LocalStore(path.absolute(), read_only=True))


def no_node(address: Address) -> str:
    """Message for an address without a zarr node; names images below it, where there are some."""
    path = address.path
    if path is not None and path.is_file():
        with zipfile.ZipFile(path) as opened:
            below = [str(path / top) for top in top_nodes(opened.namelist())]
        if not below:
            return f"{path}: {NO_NODE} in this zip file; name that of an OME-Zarr image"
        return f"{path}: holds several zarr groups; name one of {_first(below)}"
    if path is None or not path.is_dir():
        return f"{address}: {NO_NODE} at this address; name that of an OME-Zarr image"
    images = (node for node in nodes_below(path) if not stored_result(node))
    below = [str(node) for node in islice(images, MOST_NAMED + 1)]
    if not below:
        return f"{path}: {NO_NODE} in this folder; name the folder of an OME-Zarr image"
    return f"{path}: {NO_NODE} in this folder, but there are some below it; name one of {_first(below)}"


def _first(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")


def other_file(path: Path) -> str:
    """Message for a file that is no zip file."""
    if path.name in NODE_FILES:
        return f"{path}: holds metadata of an OME-Zarr image; name its folder, {path.parent}"
    kind = (
        foreign_format(path)
        or "is a file of another kind than OME-Zarr, a zip file of it, or TIFF; name an image of these"
    )
    return f"{path}: {kind}"


def _zip_store(address: Address, file: Path) -> Store:
    from zarr.storage import ZipStore

    try:
        with zipfile.ZipFile(file) as opened:
            names = opened.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as problem:
        raise SlideError(
            f"{file}: cannot be read as a zip file ({problem}); it is incomplete or damaged, so copy it "
            f"again"
        ) from problem
    opened_store = ZipStore(file.absolute(), mode="r")
    tops = top_nodes(names)
    return Store(address, opened_store, tops[0] if len(tops) == 1 else "", file, stamp_of(file))


def top_nodes(names: list[str]) -> list[str]:
    """Folders of a zip file that are zarr nodes and lie in no other; '' for its root.

    >>> top_nodes(["a/b.zarr/zarr.json", "a/b.zarr/0/zarr.json", "__MACOSX/._zarr.json"])
    ['a/b.zarr']
    """
    parts = (name.rpartition("/") for name in names if not name.startswith("__MACOSX"))
    tops: list[str] = []
    for folder in sorted({folder for folder, _, file in parts if file in NODE_FILES}):
        if not any(top in ("", folder) or folder.startswith(f"{top}/") for top in tops):
            tops.append(folder)
    return tops


@contextmanager
def _as_slide_errors(address: Address) -> Iterator[None]:
    """Raise what goes wrong while a node is opened as one sentence; FileNotFoundError is left alone."""
    try:
        yield
    except (FileNotFoundError, SlideError):
        raise
    except (JSONDecodeError, UnicodeDecodeError, zipfile.BadZipFile) as problem:
        raise SlideError(
            f"{address}: its zarr metadata are damaged ({problem}); copy the slide again from its source"
        ) from problem
    except Exception as problem:  # zarr and clients of remote stores raise anything
        if address.path is None:
            raise SlideError(remote_problem(address, problem)) from problem
        raise SlideError(
            f"{address}: its zarr metadata cannot be read ({problem}); write the image again with a "
            f"current OME-Zarr writer"
        ) from problem
