"""Pixel size and channels out of TIFF metadata: OME-XML, ImageJ, resolution tags."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from morphinfer.errors import SlideError

UM_PER_OME_UNIT = {"Å": 1e-4, "nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4,
                   "m": 1e6, "in": 25400.0}  # fmt: skip
UM_PER_IMAGEJ_UNIT = {"nm": 1e-3, "micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0,
                      "\\u00b5m": 1.0, "mm": 1e3, "cm": 1e4, "inch": 25400.0}  # fmt: skip
UM_PER_RESOLUTION_UNIT = {2: 25400.0, 3: 10000.0}
"""Inch and centimetre, as the tag ResolutionUnit numbers them."""
PLAUSIBLE_UM = (0.02, 20.0)
"""Pixel sizes that are taken from a resolution tag; 72 to 300 dots an inch are those of a printer."""


def pixel_size(file: tifffile.TiffFile, index: int, path: Path) -> float | None:
    """Side of a pixel in micrometres, or None where the file gives none.

    Parameters
    ----------
    file : TiffFile
        The open file.
    index : int
        Number of the image in the file.
    path : Path
        Name for messages.

    Raises
    ------
    SlideError
        Pixels that are not square within 1 %.
    """
    if file.is_ome:
        row, col = _ome_size(file, index)
    elif file.is_imagej:
        unit = str((file.imagej_metadata or {}).get("unit", "")).lower()
        row, col = _tag_size(file, UM_PER_IMAGEJ_UNIT.get(unit))
    else:
        row, col = _tag_size(file, _um_per_resolution_unit(file))
        if col is not None and not PLAUSIBLE_UM[0] <= col <= PLAUSIBLE_UM[1]:
            return None
    if col is None:
        return None
    if row is not None and abs(row / col - 1) > 0.01:
        raise SlideError(
            f"{path}: pixels of {row:g} by {col:g} micrometres; they must be square within 1 %: "
            f"resample the image first, or state the true size in `pixel_size_um`"
        )
    return col


def channel_names(file: tifffile.TiffFile, index: int, count: int) -> tuple[str, ...]:
    """Names of the channels; their numbers where the file gives none, or another number of them."""
    names: list[str | None] = []
    if file.is_ome:
        pixels = _ome_pixels(file, index)
        if pixels is not None:
            elements = [c for c in pixels if _local(c) == "Channel"]
            names = [c.get("Name") or c.get("Fluor") for c in elements]
    elif file.is_imagej:
        labels = (file.imagej_metadata or {}).get("Labels", [])
        names = [str(label) for label in labels]
    if len(names) != count:
        return tuple(str(i) for i in range(count))
    return tuple(name or str(i) for i, name in enumerate(names))


def _local(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _ome_pixels(file: tifffile.TiffFile, index: int) -> ElementTree.Element | None:
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return None
    images = [e for e in root if _local(e) == "Image"]
    if index >= len(images):
        return None
    return next((e for e in images[index] if _local(e) == "Pixels"), None)


def _ome_size(file: tifffile.TiffFile, index: int) -> tuple[float | None, float | None]:
    pixels = _ome_pixels(file, index)
    if pixels is None:
        return None, None
    sizes: list[float | None] = []
    for axis in "YX":
        unit = UM_PER_OME_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        sizes.append(_positive(pixels.get(f"PhysicalSize{axis}"), unit))
    return sizes[0], sizes[1]


def _um_per_resolution_unit(file: tifffile.TiffFile) -> float | None:
    tag = file.pages.first.tags.get("ResolutionUnit")
    return UM_PER_RESOLUTION_UNIT.get(int(tag.value)) if tag is not None else None


def _tag_size(file: tifffile.TiffFile, um: float | None) -> tuple[float | None, float | None]:
    """Pixel sizes out of the tags YResolution and XResolution, pixels a unit of ``um``."""
    sizes: list[float | None] = []
    for name in ("YResolution", "XResolution"):
        tag = file.pages.first.tags.get(name)
        pixels, units = tag.value if tag is not None else (0, 1)
        sizes.append(_positive(units / pixels if pixels else None, um))
    return sizes[0], sizes[1]


def _positive(value: Any, um: float | None) -> float | None:
    """``value`` times ``um`` where that is a usable length."""
    try:
        size = float(value) * um if um is not None else math.nan
    except (TypeError, ValueError):
        return None
    return size if math.isfinite(size) and size > 0 else None
