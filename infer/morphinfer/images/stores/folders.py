"""The slides in a folder of several, and what in it are results and no slides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.stores.addresses import TIFF_SUFFIXES, ZIP_SUFFIXES, is_node
from morphinfer.limits import parse_json

LAYER_ENDINGS = {"_probabilities": "probabilities", "_uncertainty": "uncertainty"}
"""Ends of the names of the images that a run may write beside the labels."""
ATTRIBUTE_FILES = ("zarr.json", ".zattrs")


def result_kind(attributes: Mapping[str, Any]) -> str:
    """What a group holds if that is a result: 'label image', 'probabilities', 'uncertainty'; else ''.

    >>> result_kind({"image-label": {}, "multiscales": []})
    'label image'
    >>> result_kind({"ome": {"multiscales": [{"name": "a"}]}})
    ''
    """
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping):
        return ""
    if "image-label" in ome:
        return "label image"
    blocks = ome.get("multiscales")
    first = blocks[0] if isinstance(blocks, list) and blocks else None
    name = str(first.get("name", "")) if isinstance(first, Mapping) else ""
    return next((kind for end, kind in LAYER_ENDINGS.items() if name.endswith(end)), "")


def stored_result(path: str | Path) -> str:
    """What a folder holds, as `result_kind`; '' too where it has no attributes that can be read."""
    for name in ATTRIBUTE_FILES:
        try:
            content = parse_json(Path(path, name).read_bytes())
        except (OSError, ValueError):
            continue
        if not isinstance(content, dict):
            return ""
        attributes = content.get("attributes") if name == "zarr.json" else content
        return result_kind(attributes) if isinstance(attributes, dict) else ""
    return ""


def in_labels_group(path: object) -> bool:
    """Whether an image lies in a group 'labels', where other tools keep label images.

    >>> in_labels_group("s.zarr/labels/regions"), in_labels_group("labels.zarr")
    (True, False)
    """
    return str(path).replace("\\", "/").rstrip("/").split("/")[-2:-1] == ["labels"]


def refuse_result(kind: str, path: object) -> None:
    """Raise where what was named as a slide holds a result, by its `result_kind`."""
    if kind:
        raise SlideError(
            f"{path}: holds the {kind} of a segmentation, not nuclei; name the slide itself"
        )


def is_folder_of_slides(path: str | Path) -> bool:
    """Whether a path is a folder that neither is a zarr group or array nor is named like one."""
    path = Path(path)
    return path.is_dir() and path.suffix != ".zarr" and not is_node(path)


def slides_in(folder: str | Path) -> list[Path]:
    """OME-Zarr folders, zip files and TIFF files in a folder, in sorted order, without results.

    Raises
    ------
    SlideError
        The folder cannot be listed.
    """
    try:
        return [path for path in sorted(Path(folder).iterdir()) if _is_slide(path)]
    except OSError as problem:
        raise SlideError(f"{folder}: cannot be listed ({problem.strerror})") from problem


def _is_slide(path: Path) -> bool:
    if path.is_dir():
        return is_node(path) and not path.name.endswith(".unfinished") and not stored_result(path)
    return path.suffix.lower() in (*TIFF_SUFFIXES, *ZIP_SUFFIXES)
