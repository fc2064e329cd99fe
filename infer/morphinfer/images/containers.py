"""Which image is meant where an address holds several: series, SpatialData elements, plates, folders.

The image itself is taken where the node is one. Of a bioformats2raw container the largest series is
taken, since the others are often a macro image of the whole slide and a picture of its label.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.addresses import Address
from morphinfer.images.stores import Store, no_node, open_store
from morphinfer.names import suggestion

SIDE_IMAGE = re.compile(
    r"(?<![a-z])(macro|label|overview|thumb(nail)?|barcode|preview)(?![a-z])", re.IGNORECASE
)
"""In the name of a series that shows the whole slide or its label, and not the tissue."""
MOST_LISTED = 10
logger = logging.getLogger(__name__)

ELEMENTS = ("images", "labels", "points", "shapes", "table", "tables")
"""Groups of a SpatialData store."""


@dataclass(frozen=True, slots=True)
class Member:
    """An image inside a container."""

    path: str
    """Path of its group inside the container."""
    name: str
    """Name that its metadata give; '' for none."""
    shape: tuple[int, int] | None
    """Rows and columns; None if they cannot be read."""
    labels: bool
    """Whether it is a label image."""

    @property
    def is_slide(self) -> bool:
        """Whether it can be meant where none is named."""
        return self.shape is not None and not self.labels and not SIDE_IMAGE.search(self.name)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1] if self.shape else 0

    def __str__(self) -> str:
        named = f" '{self.name}'" if self.name not in ("", self.path) else ""
        kind = ", labels" if self.labels else ""
        size = "{} x {}".format(*self.shape) if self.shape else "unreadable"
        return f"{self.path}{named} ({size}{kind})"


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
        return _chosen(store, _series(store), series, largest=True)
    if "spatialdata_attrs" in node.attrs or "images" in names:
        members = _members(store, [f"images/{name}" for name in store.names("images")])
        if not members:
            there = [name for name in ELEMENTS if name in names]
            raise SlideError(
                f"{store.address}: a SpatialData store without images that can be listed (it has "
                f"{', '.join(there) or 'no elements'}); name one, {store.address.below('images')}/NAME"
            )
        return _chosen(store, members, series, largest=False)
    return _below(store, names, series)


def ome_block(node: Any) -> Mapping[str, Any]:
    """The NGFF metadata of a group, empty if it has none: under 'ome' from version 0.5 on."""
    attributes = dict(node.attrs)
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, Mapping) else {}


def _below(store: Store, names: Sequence[str], series: str | int | None) -> OpenedImage:
    """The image that ``series`` names among those in a group that is no image."""
    members = _members(store, names)
    if members and series is not None:
        return _chosen(store, members, series, largest=False)
    if members:
        first = next((m for m in members if m.is_slide), members[0])
        raise SlideError(
            f"{store.address}: is no image but a group that holds {_listed(members)}; name one of them, "
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
        member = _named(store, members, series)
        return OpenedImage(store, member.path, store.node(member.path))
    slides = [member for member in members if member.is_slide]
    if not slides or (len(slides) > 1 and not largest):
        what = "several images" if slides else "no image of tissue"
        raise SlideError(
            f"{store.address}: holds {what}: {_listed(members)}; name one of them, for example "
            f"`series={str(members[0].path).rsplit('/', 1)[-1]!r}`"
        )
    best = max(slides, key=lambda member: member.area)
    opened = OpenedImage(store, best.path, store.node(best.path))
    if len(members) == 1 and largest:
        return opened
    others = [member for member in members if member is not best]
    why = "the largest" if len(slides) > 1 else "the only one of tissue"
    warning = f"{store.address}: holds only the image {best}, which is read"
    if others:
        warning = (
            f"{store.address}: holds {len(members)} images, of which {best}, {why}, is read; the others "
            f"are {_listed(others)}; another is chosen by `series`"
        )
    return replace(opened, warnings=(warning,))


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
                f"path out of {_listed(members)}"
            )
    if wanted.isdecimal() and int(wanted) < len(members):
        return members[int(wanted)]
    raise SlideError(
        f"{store.address}: no series '{wanted}'{suggestion(wanted, [m.name for m in members])}; choose a "
        f"`series` out of {_listed(members)}"
    )


def _series(store: Store) -> list[Member]:
    """The series of a bioformats2raw container, in the order in which it lists them.

    Raises
    ------
    SlideError
        There is none.
    """
    listed = store.node("OME")
    paths = ome_block(listed).get("series") if listed is not None else None
    if not isinstance(paths, list) or not paths:
        paths = sorted((name for name in store.names() if name.isdecimal()), key=int) or ["0"]
    members = _members(store, [str(path) for path in paths], _xml_names(store))
    if not members:
        raise SlideError(
            f"{store.address}: a bioformats2raw container without an image at {', '.join(map(str, paths))}"
            f"; copy it again from its source, or name the image group itself"
        )
    return members


def _members(store: Store, paths: Sequence[str], names: Sequence[str] = ()) -> list[Member]:
    """The images at paths of a store, with their names, or those that their own metadata give."""
    members = []
    for number, path in enumerate(paths):
        try:
            node = store.node(path)
        except SlideError:
            node = None
        ome = {} if node is None or hasattr(node, "shape") else ome_block(node)
        blocks = ome.get("multiscales")
        if not isinstance(blocks, list) or not blocks or not isinstance(blocks[0], Mapping):
            continue
        own = names[number] if number < len(names) else blocks[0].get("name", "")
        name = "" if own == f"/{path}" else str(own)
        members.append(Member(path, name, _shape(store, path, blocks[0]), "image-label" in ome))
    return members


def _shape(store: Store, path: str, block: Mapping[str, Any]) -> tuple[int, int] | None:
    """Rows and columns of level 0 of a multiscale image; None if they cannot be read."""
    try:
        array = store.node(f"{path}/{block['datasets'][0]['path']}")
        axes = [axis if isinstance(axis, str) else axis["name"] for axis in block["axes"]]
        return int(array.shape[axes.index("y")]), int(array.shape[axes.index("x")])
    except (SlideError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None


def _xml_names(store: Store) -> list[str]:
    """Names of the images in OME/METADATA.ome.xml, in order; none where it cannot be read."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    place = "/".join(part for part in (store.prefix, "OME/METADATA.ome.xml") if part)
    try:
        content = sync(store.zarr.get(place, default_buffer_prototype()))
    except Exception:  # the names are of use, but not needed
        return []
    text = "" if content is None else content.to_bytes().decode("utf-8", "replace")
    images = re.findall(r"<(?:\w+:)?Image\s[^>]*>", text)
    found = [re.search(r"""\sName=(["'])(.*?)\1""", image) for image in images]
    return [html.unescape(name[2]) if name else "" for name in found]


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


def _listed(members: Sequence[Member]) -> str:
    more = f" and {len(members) - MOST_LISTED} more" if len(members) > MOST_LISTED else ""
    return ", ".join(str(member) for member in members[:MOST_LISTED]) + more
