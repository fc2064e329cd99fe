"""Stores that are not on this machine, read through fsspec: http, https, s3 and gs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.stores.addresses import TIFF_SUFFIXES, ZIP_SUFFIXES, Address

REMOTE_PACKAGES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "gs": "gcsfs"}
"""What fsspec needs for each kind of address."""
LISTED = ("s3://", "gs://")
"""Addresses whose files can be listed."""
CONNECT_SECONDS = 10
"""Time that a server has to accept a connection."""
READ_SECONDS = 60
"""Time that it has to send the next bytes."""


def remote_store(address: Address) -> Any:
    """The store of zarr at a remote address.

    Raises
    ------
    SlideError
        A package that it needs is not installed, it cannot be reached, or it is the address of a single
        file.
    """
    url = str(address.url)
    kind = url.split("://", 1)[0]
    missing = [name for name in ("fsspec", REMOTE_PACKAGES[kind]) if find_spec(name) is None]
    if missing:
        raise SlideError(
            f"{url}: reading {kind}:// needs {' and '.join(missing)}; install morphinfer[remote] with "
            f"pip, or copy the slide to a local folder"
        )
    if url.lower().endswith((*TIFF_SUFFIXES, *ZIP_SUFFIXES)):
        raise SlideError(
            f"{url}: of remote slides only OME-Zarr folders are read, no single files; download it first"
        )
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync
    from zarr.storage import FsspecStore

    try:
        store = FsspecStore.from_url(url, storage_options=file_system_options(kind), read_only=True)
        if url.startswith(
            LISTED
        ):  # zarr asks for several files at once; s3fs then reports lost requests
            sync(store.get("zarr.json", default_buffer_prototype()))
        return store
    except Exception as problem:  # file systems have errors of their own
        raise SlideError(remote_problem(address, problem)) from problem


def file_system_options(kind: str) -> dict[str, Any]:
    """Options of the file system of fsspec for a kind of address.

    Listings are not cached, or a chunk that was removed after it was listed would count as there.
    """
    if kind == "s3":
        seconds = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
        return {"config_kwargs": seconds, "use_listings_cache": False}
    if kind == "gs":
        return {"timeout": READ_SECONDS, "use_listings_cache": False}
    import aiohttp

    timeout = aiohttp.ClientTimeout(None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    return {"client_kwargs": {"timeout": timeout}}


def all_keys(address: Address, store: Any) -> set[str] | None:
    """All keys of a remote store; None where it cannot list them.

    Raises
    ------
    SlideError
        It cannot be reached.
    """
    from zarr.core.sync import sync

    async def collect() -> set[str]:
        return {key async for key in store.list_prefix("")}

    if not str(address.url).startswith(LISTED):
        return None
    try:
        return sync(collect())
    except Exception as problem:  # file systems have errors of their own
        raise SlideError(remote_problem(address, problem)) from problem


def remote_problem(address: Address, problem: Exception) -> str:
    """Message for an error of a remote store."""
    text = str(problem) or type(problem).__name__
    if "redential" in text or getattr(problem, "status", None) in (401, 403):
        way = "set the credentials of its file system in the environment, as fsspec reads them"
    else:
        way = "check the address and the network, or copy the slide to a local folder"
    return f"{address}: cannot be read from there ({text}); {way}"
