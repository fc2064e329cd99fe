"""Label images inside the OME-Zarr image that they are of: the group ``labels`` of that image.

They have the very pixels of the image, on all its levels, each with the class of the position that its centre
lies on. So they lie over the image also where a reader ignores translations, or scales.
Source: https://ngff.openmicroscopy.org/0.5, section 'labels'.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import OutputError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import LabelImage, Layout
from morphinfer.images.ngff import block_on_image
from morphinfer.images.slides import Slide
from morphinfer.images.stores import enclosing_node
from morphinfer.images.writing import ImageSpec, NewImage, check_target, staged
from morphinfer.limits import parse_json

GROUP = "labels"
CHUNK = 512
"""Side of a chunk in pixels."""
NAME = re.compile(r"\w[\w.-]*")
DEFAULT_NAME = "morphinfer"

logger = logging.getLogger(__name__)


def labels_path(slide: Slide, name: str) -> Path:
    """Where a label image of some name lies inside a slide.

    Raises
    ------
    OutputError
        The slide is no OME-Zarr image in a folder, or belongs to a SpatialData store; the name is none.
    """
    folder = slide.path
    if folder is None or not _ome(_attributes(folder)).get("multiscales"):
        raise OutputError(
            f"{slide.address}: takes no labels, since it is no OME-Zarr image in a folder of this machine; "
            f"make one with 'morphinfer convert', or leave out `into_slide`"
        )
    if "spatialdata_attrs" in _attributes(enclosing_node(folder)[0]):
        raise OutputError(
            f"{folder}: is an element of a SpatialData store, whose labels are elements of their own; write "
            f"them with 'morphinfer export'"
        )
    if not NAME.fullmatch(name):
        raise OutputError(
            f"`into_slide={name!r}`: is no name for a label image; use letters, digits, '_', '-' and '.'"
        )
    return folder / GROUP / name


def check_labels(slide: Slide, name: str, *, overwrite: bool = False) -> Path:
    """Where a label image will be written inside a slide; refuses what could not be.

    Raises
    ------
    OutputError
        As `labels_path`; or another label image has the name, or the slide cannot be written to.
    """
    path = labels_path(slide, name)
    if path.exists():
        check_target(path, overwrite=overwrite, folder=True)
        if "morphinfer" not in _attributes(path):
            raise OutputError(
                f"{path}: another program wrote these labels, so they are not replaced, not even with "
                f"`overwrite=True`; name others, `into_slide='NAME'`"
            )
    parent = path.parent if path.parent.is_dir() else path.parent.parent
    check_target(parent / f".{name}.new")
    return path


def write_labels_into(
    slide: Slide, labels: LabelImage, name: str, *, overwrite: bool = False
) -> Path:
    """Write a label image into the OME-Zarr image of its slide; it is listed there once it is complete.

    The image itself is not changed. Where the very labels are there already, they are listed and kept.

    Parameters
    ----------
    slide : Slide
        The slide, an OME-Zarr image in a folder.
    labels : LabelImage
        Labels that `morphinfer segment` wrote of it.
    name : str
        Name in the group 'labels' of the image.
    overwrite : bool
        Replace labels of that name that morphinfer wrote.

    Returns
    -------
    Path
        The folder of the new label image.

    Raises
    ------
    OutputError
        As `check_labels`, or the disk is full.
    """
    path = labels_path(slide, name)
    record = json.loads(json.dumps(dict(labels.record)))
    if not path.exists() or _attributes(path).get("morphinfer") != record:
        check_labels(slide, name, overwrite=overwrite)
        spec = _spec(slide, name, labels)
        if path.parent.is_dir():
            with staged(path, overwrite=overwrite, folder=True) as partial:
                _write(partial, spec, slide, labels)
        else:
            with staged(path.parent, folder=True) as partial:
                partial.mkdir()
                _write(partial / name, spec, slide, labels)
                _list(partial, slide, name)
    _list(path.parent, slide, name)
    _warn_of_consolidated(path.parents[1])
    return path


def _spec(slide: Slide, name: str, labels: LabelImage) -> ImageSpec:
    """The label image on the levels of the slide."""
    spec = Layout(slide.grid, labels.classes, slide.version, CHUNK).labels(name, labels.record)
    paths = [level.path for level in slide.levels]
    block = block_on_image(_attributes(slide.path), paths, name, slide.version)
    attributes = {**(spec.attributes or {}), "multiscales": [block]}
    levels = tuple(level.shape for level in slide.levels)
    return replace(spec, levels=levels, attributes=attributes)


def _write(folder: Path, spec: ImageSpec, slide: Slide, labels: LabelImage) -> None:
    image = NewImage.create(folder, spec)
    for k, level in enumerate(slide.levels):
        own = labels.image.level_for(level.pixel_size_um)
        for start in range(0, level.shape[0], spec.chunk):
            rows = range(start, min(start + spec.chunk, level.shape[0]))
            image.write_rows(start, values_at(labels, own, level.grid, rows), k)
    image.describe()


def values_at(labels: LabelImage, level: int, grid: PixelGrid, rows: range) -> NDArray[np.uint8]:
    """Class values at the pixels of some rows of another grid; beside the labels those at their edge."""
    own = labels.image.levels[level].grid
    row, col = (
        np.clip(own.locate(grid, axis, np.asarray(places)), 0, own.shape[axis] - 1)
        for axis, places in enumerate((rows, range(grid.shape[1])))
    )
    first = int(row[0])
    block = labels.read(Window(first, 0, int(row[-1]) + 1 - first, own.shape[1]), level)
    return block.take(row - first, axis=0).take(col, axis=1)


def _list(group: Path, slide: Slide, name: str) -> None:
    """Add a label image to the list of its group, whose metadata file is replaced in one step."""
    ome = slide.version == "0.5"
    file = group / ("zarr.json" if ome else ".zattrs")
    content = _content(file) or ({"zarr_format": 3, "node_type": "group"} if ome else {})
    content.pop("consolidated_metadata", None)  # it would hide the new image
    attributes = content.setdefault("attributes", {}) if ome else content
    block = attributes.setdefault("ome", {"version": "0.5"}) if ome else attributes
    listed = block.get("labels") or []
    if name in listed:
        return
    block["labels"] = [*listed, name]
    if not ome and not (group / ".zgroup").exists():
        (group / ".zgroup").write_text(json.dumps({"zarr_format": 2}), encoding="utf-8")
    with staged(file, overwrite=True) as new:
        new.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _warn_of_consolidated(folder: Path) -> None:
    """Say where a copy of the metadata, which is not changed, hides the new labels from some readers."""
    for node in dict.fromkeys((folder, enclosing_node(folder)[0])):
        if (node / ".zmetadata").exists() or "consolidated_metadata" in _content(
            node / "zarr.json"
        ):
            logger.warning(
                "%s: has consolidated metadata, in which readers that rely on them do not find the new "
                "labels; write these again with zarr.consolidate_metadata",
                node,
            )


def _attributes(node: Path | None) -> dict[str, Any]:
    """Attributes of a zarr group; empty where there is none."""
    if node is None:
        return {}
    found = _content(node / "zarr.json").get("attributes") or _content(node / ".zattrs")
    return found if isinstance(found, dict) else {}


def _ome(attributes: dict[str, Any]) -> dict[str, Any]:
    block = attributes.get("ome", attributes)
    return block if isinstance(block, dict) else {}


def _content(file: Path) -> dict[str, Any]:
    """Content of a JSON file; empty where there is none."""
    try:
        content = parse_json(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
