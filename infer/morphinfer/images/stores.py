"""From an address to an opened zarr node: folders, zip files, and remote stores through fsspec.

Consolidated metadata are never read: OME-Zarr does not use them, and a writer that changes an array
without them leaves a copy that describes another image. So each node is opened by itself.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.addresses import (
    NODE_FILES,
    Address,
    enclosing_zip,
    is_zip,
    nearest_name,
    nodes_below,
)
from morphinfer.images.foreign_formats import TIFF_SUFFIXES, foreign_format

REMOTE_PACKAGES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "gs": "gcsfs"}
"""What fsspec needs for each kind of address."""
CONNECT_SECONDS = 10
"""Time that a remote server has to accept a connection."""
READ_SECONDS = 60
"""Time that it has to send the next bytes."""
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
                return zarr.open(store=self.zarr, path=place, mode="r", use_consolidated=False)
        except FileNotFoundError:  # zarr's own errors derive from it
            return None

    def names(self, inner: str = "") -> list[str]:
        """Names of the files and folders at a path below the address, sorted; none if it lists none."""
        place = "/".join(part for part in (self.prefix, inner) if part)
        return sorted(listed(self.zarr, place))


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
    """The store of an address; a zip file's may begin in the only folder at its top.

    Raises
    ------
    SlideError
        Nothing exists there, it is a file of another kind, the zip file is damaged, or the address is
        remote and the extra 'remote' is not installed.
    """
    if address.path is None:
        return Store(address, _remote_store(address))
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
        prefix = "/".join(part for part in (whole.prefix, inner) if part)
        return Store(address, whole.zarr, prefix, file)
    from zarr.storage import LocalStore

    return Store(address, LocalStore(path.absolute(), read_only=True))


def no_node(address: Address) -> str:
    """Message for an address without a zarr node; names images below it, where there are some."""
    path = address.path
    if path is None or not path.is_dir():
        return f"{address}: {NO_NODE} at this address; name that of an OME-Zarr image"
    below = [str(node) for node in islice(nodes_below(path), MOST_NAMED + 1)]
    if not below:
        return f"{path}: {NO_NODE} in this folder; name the folder of an OME-Zarr image"
    more = ", ..." if len(below) > MOST_NAMED else ""
    return (
        f"{path}: {NO_NODE} in this folder, but there are some below it; name one of "
        f"{', '.join(below[:MOST_NAMED])}{more}"
    )


def other_file(path: Path) -> str:
    """Message for a file that is no zip file."""
    if path.name in NODE_FILES:
        return f"{path}: holds metadata of an OME-Zarr image; name its folder, {path.parent}"
    kind = (
        foreign_format(path) or "is a file of another kind than OME-Zarr, a zip file of it, or TIFF"
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
    return Store(address, ZipStore(file.absolute(), mode="r"), only_folder(names), file)


def only_folder(names: list[str]) -> str:
    """The folder that holds all files of a zip file that has no zarr metadata at its top, else ''.

    >>> only_folder(["a.zarr/zarr.json", "a.zarr/0/zarr.json", "__MACOSX/a"])
    'a.zarr'
    """
    tops = {name.split("/", 1)[0] for name in names if not name.startswith("__MACOSX")}
    tops -= {".DS_Store"}
    top = next(iter(tops)) if len(tops) == 1 else ""
    return top if top and any(name.startswith(f"{top}/") for name in names) else ""


def _remote_store(address: Address) -> Any:
    url = str(address.url)
    kind = url.split("://", 1)[0]
    missing = [name for name in ("fsspec", REMOTE_PACKAGES[kind]) if find_spec(name) is None]
    if missing:
        raise SlideError(
            f"{url}: reading {kind}:// needs {' and '.join(missing)}; install morphinfer[remote] with "
            f"pip, or copy the slide to a local folder"
        )
    if url.lower().endswith((*TIFF_SUFFIXES, ".zip", ".ozx")):
        raise SlideError(
            f"{url}: of remote slides only OME-Zarr folders are read, no single files; download it first"
        )
    from zarr.storage import FsspecStore

    with _as_slide_errors(address):
        return FsspecStore.from_url(url, storage_options=_timeouts(kind), read_only=True)


def _timeouts(kind: str) -> dict[str, Any]:
    """Options of the file system of fsspec for a kind of address."""
    if kind == "s3":
        seconds = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
        return {"config_kwargs": seconds}
    if kind == "gs":
        return {"timeout": READ_SECONDS}
    import aiohttp

    timeout = aiohttp.ClientTimeout(None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    return {"client_kwargs": {"timeout": timeout}}


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
    except Exception as problem:  # clients of remote stores have errors of their own
        local = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
        if address.path is None:
            raise SlideError(remote_problem(address, problem)) from problem
        if not isinstance(problem, local):
            raise
        raise SlideError(
            f"{address}: its zarr metadata cannot be read ({problem}); write the image again with a "
            f"current OME-Zarr writer"
        ) from problem


def remote_problem(address: Address, problem: Exception) -> str:
    """Message for an error of a remote store."""
    text = str(problem) or type(problem).__name__
    if "redential" in text or getattr(problem, "status", None) in (401, 403):
        way = "set the credentials of its file system in the environment, as fsspec reads them"
    else:
        way = "check the address and the network, or copy the slide to a local folder"
    return f"{address}: cannot be read from there ({text}); {way}"
