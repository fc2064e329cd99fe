"""Pixel size and channel names of a TIFF image, out of the metadata of that very image and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from morphinfer.errors import SlideError
from morphinfer.images.slides import NUCLEI_NAMES
from morphinfer.images.tiff.file import TiffFiles
from morphinfer.images.tiff.images import TiffImage
from morphinfer.images.tiff.ome import positive

UM_PER_IMAGEJ_UNIT = {"nm": 1e-3, "micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0,
                      "\\u00b5m": 1.0, "micrometer": 1.0, "mm": 1e3}  # fmt: skip
UM_PER_PRINTED_UNIT = {"cm": 1e4, "inch": 25400.0, "in": 25400.0, "inches": 25400.0}
"""Units of ImageJ that a printer's resolution has as well."""
UM_PER_RESOLUTION_UNIT = {2: 25400.0, 3: 10000.0}
"""Inch and centimetre, as the tag ResolutionUnit numbers them."""
PLAUSIBLE_UM = (0.02, 20.0)
"""Pixel sizes that are taken from a resolution tag; 72 to 300 dots an inch are those of a printer."""
COLOUR_NAMES = ("red", "green", "blue", "alpha")


def pixel_size(files: TiffFiles, image: TiffImage) -> float | None:
    """Side of a pixel in micrometres, or None where the file gives none that can be believed.

    Raises
    ------
    SlideError
        Pixels that are not square within 1 %.
    """
    row, col = _sides_um(files, image)
    if col is None:
        return None
    if row is not None and abs(row / col - 1) > 0.01:
        raise SlideError(
            f"{files.path}: pixels of {row:g} by {col:g} micrometres; they must be square within 1 %: "
            f"resample the image first, or state the true size in `pixel_size_um`"
        )
    return col


def _sides_um(files: TiffFiles, image: TiffImage) -> tuple[float | None, float | None]:
    """Height and width of a pixel."""
    if image.ome is not None:
        if image.ome.shape != image.shape:
            return None, None
        return image.ome.pixel_size_um
    if image.kind == "lsm":
        metadata = files.main.lsm_metadata or {}
        row, col = (positive(metadata.get(f"VoxelSize{axis}"), 1e6) for axis in "YX")
        return row, col
    tags = image.key.tags
    um: float | None
    if image.kind == "imagej":
        unit = str((files.main.imagej_metadata or {}).get("unit", "")).lower()
        if unit in UM_PER_IMAGEJ_UNIT:
            return _tag_size(tags, UM_PER_IMAGEJ_UNIT[unit])
        um = UM_PER_PRINTED_UNIT.get(unit)
    else:
        tag = tags.get("ResolutionUnit")
        um = UM_PER_RESOLUTION_UNIT.get(int(tag.value)) if tag is not None else None
    row, col = _tag_size(tags, um)
    if col is not None and not PLAUSIBLE_UM[0] <= col <= PLAUSIBLE_UM[1]:
        return None, None
    return row, col


def _tag_size(tags: Any, um: float | None) -> tuple[float | None, float | None]:
    """Pixel sizes out of the tags YResolution and XResolution, pixels a unit of ``um``."""
    sizes: list[float | None] = []
    for name in ("YResolution", "XResolution"):
        tag = tags.get(name)
        pixels, units = tag.value if tag is not None else (0, 1)
        sizes.append(positive(units / pixels if pixels else None, um))
    return sizes[0], sizes[1]


def channel_names(files: TiffFiles, image: TiffImage) -> tuple[str, ...]:
    """Names of the channels; their numbers where the file gives none, or another number of them."""
    names: list[str | None] = []
    if image.is_colour:
        names = [*COLOUR_NAMES[: image.samples]]
    elif image.ome is not None:
        names = list(image.ome.channel_names)
    elif image.kind == "imagej":
        names = [str(label) for label in (files.main.imagej_metadata or {}).get("Labels") or []]
    elif image.kind == "qpi":
        names = [_qpi_name(text) for text in image.descriptions]
    if len(names) != image.channels:
        return tuple(str(i) for i in range(image.channels))
    return tuple(name or str(i) for i, name in enumerate(names))


def _qpi_name(description: str) -> str | None:
    """Biomarker or name of the dye of a page of a QPTIFF; the one that speaks of nuclei, if one does."""
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return None
    texts = {child.tag: (child.text or "").strip() for child in root}
    names = [name for name in (texts.get("Biomarker"), texts.get("Name")) if name]
    nuclei = [name for name in names if any(word in name.lower() for word in NUCLEI_NAMES)]
    return next(iter(nuclei or names), None)


def source_name(path: Path) -> str:
    """Name of the slide in a file: SLIDE of SLIDE.ome.tif.

    >>> source_name(Path("slide.ome.tif")), source_name(Path("a.b.tiff"))
    ('slide', 'a.b')
    """
    return path.stem.removesuffix(".ome")
