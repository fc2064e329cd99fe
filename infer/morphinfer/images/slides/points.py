"""The pixel size of an image of a SpatialData store, as far as the points beside it show one.

Readers of Xenium and MERSCOPE (spatialdata-io) keep transcripts in micrometres and images in pixels, without
any unit: only the transformation of the points to pixels, 'global', shows how large a pixel is.
"""

from __future__ import annotations

from pathlib import Path

from morphinfer.errors import SlideError
from morphinfer.images.ngff import compose, flattened
from morphinfer.images.stores import enclosing_node
from morphinfer.limits import parse_json

GLOBAL = "global"
ATTRIBUTE_FILES = ("zarr.json", ".zattrs")


def refuse_without_unit(image: Path | None) -> None:
    """Raise for an image whose pixel size its metadata lack, where points beside it show one.

    Raises
    ------
    SlideError
        They do; the size is named.
    """
    if image is None:
        return
    root = enclosing_node(image)[0]
    for element in sorted((root / "points").glob("*")):
        size = _unit_in_pixels(element)
        if size is not None:
            raise SlideError(
                f"{image}: no pixel size (no unit); its store places '{element.name}', if these are in "
                f"micrometres, by pixels of {size:.6g}: then state `pixel_size_um={size:.6g}`"
            )


def _unit_in_pixels(element: Path) -> float | None:
    """Side of a pixel in the unit of a points element; None where it does not show, or is that unit."""
    for file in (element / name for name in ATTRIBUTE_FILES):
        try:
            content = parse_json(file.read_bytes())
            listed = content.get("attributes", content)["coordinateTransformations"]
            step = next(each for each in listed if each["output"]["name"] == GLOBAL)
            scale, _ = compose([flattened(step, ["y", "x"], str(element))], 2)
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            StopIteration,
            SlideError,
        ):
            continue
        if scale is not None and scale[0] > 0 and scale[0] != 1:
            return 1 / scale[0]
    return None
