"""Links in the folder of an image that lead out of it, and so could show what its author must not see."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from morphinfer.errors import SlideError
from morphinfer.images.stores.addresses import NODE_FILES, enclosing_node
from morphinfer.images.stores.containers import OpenedImage

MOST_NAMED = 5
"""Links that a message names."""
CHUNK_FOLDER = "c"
"""Folder of the chunks of an array of zarr format 3."""


def own_folders(opened: OpenedImage) -> frozenset[str]:
    """Real paths of the folders that belong to an image on this machine; none of another one."""
    root, path = getattr(opened.store.zarr, "root", None), opened.address.path
    if root is None or path is None:
        return frozenset()
    image = Path(root, opened.store.prefix, opened.inner)
    return frozenset(os.path.realpath(each) for each in (enclosing_node(path)[0], path, image))


def refuse_links(opened: OpenedImage, levels: Sequence[str]) -> None:
    """Refuse an image of which levels, or metadata, lie elsewhere.

    That the image itself is a link, or lies behind one, is the choice of the one who names it.

    Parameters
    ----------
    opened : OpenedImage
        The image, in a folder or not.
    levels : sequence of str
        Paths of the arrays of its levels below the image; '' for an image that is an array.

    Raises
    ------
    SlideError
        Some do.
    """
    owned = own_folders(opened)
    if not owned:
        return
    image = Path(opened.store.zarr.root, opened.store.prefix, opened.inner)
    nodes = [image / level for level in levels]
    files = [node / name for node in (image, *nodes) for name in (*NODE_FILES, CHUNK_FOLDER)]
    out = links_out((*nodes, *files), owned)
    if out:
        named = ", ".join(f"'{each.relative_to(image).as_posix()}'" for each in out[:MOST_NAMED])
        more = f" and {len(out) - MOST_NAMED} more" if len(out) > MOST_NAMED else ""
        raise SlideError(
            f"{opened.address}: {named}{more} in it lead out of the slide by links; copy there what they "
            f"lead to, or follow them with `follow_links=True`"
        )


def links_out(paths: Iterable[Path], owned: Iterable[str]) -> list[Path]:
    """Those of several paths that exist and lie in none of some folders, once links are followed."""
    tops = [top.rstrip(os.sep) + os.sep for top in owned]
    return [
        path
        for path in paths
        if os.path.exists(path)  # noqa: PTH110 -- Path.exists raises for a name that is too long
        and not any(f"{path.resolve()}{os.sep}".startswith(top) for top in tops)
    ]
