"""Which image is meant where an address holds several: series, SpatialData elements, plates, folders.

The image itself is taken where the node is one. Of a bioformats2raw container the largest series is
taken, since the others are often a macro image of the whole slide and a picture of its label.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.stores.addresses import Address
from morphinfer.images.stores.members import (
    MOST_LISTED,
    Member,
    listed,
    members_at,
    ome_block,
    series_of,
)
from morphinfer.images.stores.store import Store, no_node, open_store
from morphinfer.names import suggestion

logger = logging.getLogger(__name__)

ELEMENTS = ("images", "labels", "points", "shapes", "table", "tables")
"""Groups of a SpatialData store."""


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """The image that is meant, its node open."""

    store: Store
    """Where it is."""
    inner: str
    """Its path below the address that was named; '' for the address itself."""
    node: Any
    """Its zarr group or array."""
    warnings: tuple[str, ...] = ()
    """What was chosen, where it was not named."""

    @property
    def address(self) -> Address:
        """Address of the image itself."""
        return self.store.address.below(self.inner)


def open_image(path: str | Path, series: str | int | None = None) -> OpenedImage:
    """Zarr array or group of the image that an address means.

    Parameters
    ----------
    path : str or Path
        Folder, zip file, path into a zip file, or URL.
    series : str or int, optional
        Path, name or index of an image inside a container.

    Raises
    ------
    SlideError
        There is none, there are several and none can be preferred, no such series, or the metadata
        cannot be read.
    """
    store = open_store(Address.of(path))
    node = store.node()
    if node is None:
        raise SlideError(no_node(store.address))
    opened = _choose(store, node, series)
    for warning in opened.warnings:
        logger.warning("%s", warning)
    return opened


def _choose(store: Store, node: Any, series: str | int | None) -> OpenedImage:
    ome = ome_block(node)
    if hasattr(node, "shape") or ome.get("multiscales"):
        if series in (None, 0, "0"):
            return OpenedImage(store, "", node)
        raise SlideError(
            f"{store.address}: is one image, without a series '{series}'; leave out `series`"
        )
    for kind in ("plate", "well"):
        if isinstance(ome.get(kind), Mapping):
            raise SlideError(_plate_text(store, kind, ome[kind]))
    names = store.names()
    if "bioformats2raw.layout" in ome or ("OME" in names and "0" in names):
        return _chosen(store, series_of(store), series, largest=True)
    if "spatialdata_attrs" in node.attrs or "images" in names:
        members = members_at(store, [f"images/{name}" for name in store.names("images")])
        if not members:
            there = [name for name in ELEMENTS if name in names]
            raise SlideError(
                f"{store.address}: a SpatialData store without images that can be listed (it has "
                f"{', '.join(there) or 'no elements'}); name one, {store.address.below('images')}/NAME"
            )
        return _chosen(store, members, series, largest=False)
    return _below(store, names, series)


def _below(store: Store, names: Sequence[str], series: str | int | None) -> OpenedImage:
    """The image that ``series`` names among those in a group that is no image."""
    members = members_at(store, names)
    if members and series is not None:
        return _chosen(store, members, series, largest=False)
    if members:
        first = next((m for m in members if not m.labels), None)
        if first is None:
            raise SlideError(
                f"{store.address}: is no image but a group of label images, {listed(members)}; name the "
                f"slide itself, or the label image where one is needed"
            )
        raise SlideError(
            f"{store.address}: is no image but a group that holds {listed(members)}; name one of them, "
            f"for example {store.address.below(first.path)}"
        )
    raise SlideError(
        f"{store.address}: no OME-Zarr image here (its attributes have no 'multiscales'); name the "
        f"image group itself, or make one with 'morphinfer convert IMAGE.tif SLIDE.zarr'"
    )


def _chosen(
    store: Store, members: Sequence[Member], series: str | int | None, *, largest: bool
) -> OpenedImage:
    """The member that is named, or the only one, or the largest where it may be preferred."""
    if series is not None:
        return _opened(store, _named(store, members, series))
    slides = [member for member in members if member.is_slide]
    if not slides or (len(slides) > 1 and not largest):
        what = "several images" if slides else "no image of tissue"
        raise SlideError(
            f"{store.address}: holds {what}: {listed(members)}; name one of them, for example "
            f"`series={str(members[0].path).rsplit('/', 1)[-1]!r}`"
        )
    best = max(slides, key=lambda member: member.area)
    opened = _opened(store, best)
    if len(members) == 1 and largest:
        return opened
    others = [member for member in members if member is not best]
    unreadable = any(member.shape is None for member in others)
    why = "the largest" if len(slides) > 1 else "the only one of tissue"
    why += " that can be read" if unreadable else ""
    warning = f"{store.address}: holds only the image {best}, which is read"
    if others:
        warning = (
            f"{store.address}: holds {len(members)} images, of which {best}, {why}, is read; the others "
            f"are {listed(others)}; another is chosen by `series`"
        )
    return replace(opened, warnings=(warning,))


def _opened(store: Store, member: Member) -> OpenedImage:
    node = store.node(member.path)
    if node is None:
        raise SlideError(
            f"{store.address}: lists the image '{member.path}', which is not there; copy it again from its "
            f"source"
        )
    return OpenedImage(store, member.path, node)


def _named(store: Store, members: Sequence[Member], series: str | int) -> Member:
    """The member with a path, a name or an index, in this order."""
    wanted = str(series)
    keys: tuple[Callable[[Member], str], ...] = (
        lambda member: member.path,
        lambda member: member.path.rsplit("/", 1)[-1],
        lambda member: member.name,
    )
    for key in keys:
        same = [member for member in members if key(member) == wanted]
        if len(same) == 1:
            return same[0]
        if same:
            raise SlideError(
                f"{store.address}: {len(same)} images have the name '{wanted}'; choose a `series` by its "
                f"path out of {listed(members)}"
            )
    if wanted.isdecimal() and int(wanted) < len(members):
        return members[int(wanted)]
    near = suggestion(wanted, [key(member) for key in keys for member in members])
    raise SlideError(
        f"{store.address}: no series '{wanted}'{near}; choose a `series` out of {listed(members)}"
    )


def _plate_text(store: Store, kind: str, block: Mapping[str, Any]) -> str:
    """Message for a plate or a well; names its parts, and one image in it."""
    paths = _paths(block, "wells" if kind == "plate" else "images")
    first = paths[0] if paths else ("A/1" if kind == "plate" else "0")
    if kind == "plate":
        well = store.node(first) if paths else None
        images = _paths(ome_block(well).get("well"), "images") if well is not None else []
        first = f"{first}/{images[0] if images else 0}"
    shown = ", ".join(paths[:MOST_LISTED]) + (", ..." if len(paths) > MOST_LISTED else "")
    parts = "wells" if kind == "plate" else "fields"
    return (
        f"{store.address}: a {kind} of many images, not one slide ({len(paths)} {parts}: {shown}); name "
        f"one image in it, for example {store.address.below(first)}"
    )


def _paths(block: Any, kind: str) -> list[str]:
    """Paths of the wells of a plate, or of the images of a well."""
    listed = block.get(kind) if isinstance(block, Mapping) else None
    members = listed if isinstance(listed, list) else []
    return [str(m["path"]) for m in members if isinstance(m, Mapping) and "path" in m]
