"""Label images of morphinfer and of other tools, opened to be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.classes import UNLABELLED, LabelClass
from morphinfer.errors import AlignmentError, RoleError
from morphinfer.geometry import TileGrid
from morphinfer.images.labels.classes import (
    Codes,
    check_count,
    classes_by_value,
    classes_of_block,
    codes_of,
)
from morphinfer.images.labels.label_image import LabelImage
from morphinfer.images.opening import open_slide
from morphinfer.images.slides import Slide
from morphinfer.images.stores import in_labels_group, is_zip, open_image

SCANNED_SIDE = 4096
"""Side of the tiles in which the values of an image without named classes are looked for."""
logger = logging.getLogger(__name__)


def open_labels(path: str | Path) -> LabelImage:
    """Open a label image that morphinfer or another tool has written.

    The values are classes as its 'image-label' metadata name them, of any integer type; 0 without a name
    is unlabelled. Where no class is named, all values but 0 are classes, each of the name of its value.
    A class without a role has that of its name, see `role_of`.

    Raises
    ------
    SlideError
        No OME-Zarr image there.
    AlignmentError
        The image is no label image, a class has an unknown role, two have one name, the values are no
        integers, or it is a plain zarr array.
    """
    if Path(path).is_file() and not is_zip(Path(path)):
        raise AlignmentError(
            f"{path}: a file, and a label image is a folder of OME-Zarr, or a zip file of it; write it so, "
            f"or export polygons as GeoJSON (.geojson)"
        )
    opened = open_image(path)
    node = opened.node
    if hasattr(node, "shape"):
        raise AlignmentError(
            f"{path}: a plain zarr array, which names no classes, so not a label image; make one with "
            f"'morphinfer segment' or 'morphinfer regions'"
        )
    image = replace(open_slide(path), as_stored=True)
    attributes = dict(node.attrs)
    block = attributes.get("ome", attributes).get("image-label")
    block = {} if block is None and in_labels_group(opened.address) else block
    _check_image(image, block, path)
    try:
        classes, codes = classes_of_block(block, image.dtype)
        warnings = image.warnings
        if not classes:
            classes, codes = _by_value(image)
            text = (
                f"{path}: names no classes, so they have the names of its values, "
                f"{', '.join(c.name for c in classes)}; 0 is unlabelled"
            )
            logger.warning("%s", text)
            warnings = (*warnings, text)
    except (RoleError, AlignmentError) as problem:
        raise AlignmentError(f"{path}: {problem}") from problem
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise AlignmentError(
            f"{path}: its 'image-label' block is malformed ({problem!r}); write the labels again"
        ) from problem
    record = attributes.get("morphinfer")
    record = dict(record) if isinstance(record, Mapping) else {}
    return LabelImage(image, classes, record, codes, warnings)


def _check_image(image: Slide, block: Any, path: object) -> None:
    """Refuse an image that is no label image, or has more than one plane."""
    if block is None or image.dtype.kind not in "iub":
        raise AlignmentError(
            f"{path}: not a label image that can be read: it needs integers and an 'image-label' block that "
            f"names its classes (it has {image.dtype}, and "
            f"{'no such block' if block is None else 'a block'}); make one with 'morphinfer segment' or "
            f"'morphinfer regions'"
        )
    deep = [axis for axis, side in _planes(image) if side > 1]
    if deep:
        raise AlignmentError(
            f"{path}: a label image of several planes along {', '.join(deep)}; write the one that is meant "
            f"as an image of its own"
        )


def _planes(image: Slide) -> Iterator[tuple[str, int]]:
    for axis, side in zip(image.axes, image.levels[0].array.shape, strict=True):
        if axis not in "yx":
            yield axis, side


def _by_value(image: Slide) -> tuple[tuple[LabelClass, ...], Codes | None]:
    """Classes out of the values that occur, read tile by tile."""
    values: set[int] = set()
    for band in TileGrid(*image.shape, SCANNED_SIDE).bands():
        for tile in band:
            values |= set(np.unique(image.read(tile)).tolist())
            check_count(len(values) - 1)
    missing = {0} | ({UNLABELLED} if image.dtype == np.uint8 else set())
    classes = sorted(values - missing)
    if not classes:
        raise AlignmentError("it names no classes, and no pixel has another value than 0")
    return classes_by_value(classes), codes_of(classes, set(), image.dtype)
