"""The images inside a container, as it lists them: their paths, names and shapes."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.stores.folders import in_labels_group
from morphinfer.images.stores.store import Store
from morphinfer.limits import beyond, limit

SIDE_IMAGE = re.compile(
    r"(?<![a-z])(macro|label|overview|thumb(nail)?|barcode|preview)(?![a-z])", re.IGNORECASE
)
"""In the name of a series that shows the whole slide or its label, and not the tissue."""
MOST_LISTED = 10
"""Images, planes or channels that a message lists."""


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


def ome_block(node: Any) -> Mapping[str, Any]:
    """The NGFF metadata of a group, empty if it has none: under 'ome' from version 0.5 on."""
    attributes = dict(node.attrs)
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, Mapping) else {}


def series_of(store: Store) -> list[Member]:
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
    if len(paths) > limit("MOST_SERIES"):
        raise SlideError(f"{store.address}: lists {len(paths)} series, {beyond('MOST_SERIES')}")
    members = members_at(store, [str(path) for path in paths], _xml_names(store), keep_all=True)
    if all(member.shape is None for member in members):
        raise SlideError(
            f"{store.address}: a bioformats2raw container without an image at {', '.join(map(str, paths))}"
            f"; copy it again from its source, or name the image group itself"
        )
    return members


def members_at(
    store: Store, paths: Sequence[str], names: Sequence[str] = (), *, keep_all: bool = False
) -> list[Member]:
    """The images at paths of a store, with their names, or those that their own metadata give.

    With ``keep_all`` also what is no image, as an unreadable one.
    """
    members = []
    for number, path in enumerate(paths):
        try:
            node = store.node(path)
        except SlideError:
            node = None
        ome = {} if node is None or hasattr(node, "shape") else ome_block(node)
        blocks = ome.get("multiscales")
        if not isinstance(blocks, list) or not blocks or not isinstance(blocks[0], Mapping):
            if keep_all:
                name = names[number] if number < len(names) else ""
                members.append(Member(path, name, None, False))
            continue
        own = names[number] if number < len(names) else blocks[0].get("name", "")
        name = "" if own == f"/{path}" else str(own)[: limit("LONGEST_NAME")]
        labels = "image-label" in ome or in_labels_group(store.address.below(path))
        members.append(Member(path, name, _shape(store, path, blocks[0]), labels))
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


def listed(members: Sequence[Member]) -> str:
    """The first of several images, for a message."""
    more = f" and {len(members) - MOST_LISTED} more" if len(members) > MOST_LISTED else ""
    return ", ".join(str(member) for member in members[:MOST_LISTED]) + more
