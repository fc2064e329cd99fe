"""OME-XML of TIFF files: its images, and which page of which file holds each of their planes.

Source: the OME model, schema 2016-06, and 'The OME-TIFF format' (docs.openmicroscopy.org/ome-model).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

UM_PER_OME_UNIT = {"Å": 1e-4, "nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4,
                   "m": 1e6, "in": 25400.0}  # fmt: skip
MOST_PLANES = 1_000_000
"""Channels times planes along z; more are a damaged header."""
THIS_FILE = ""


@dataclass(frozen=True, slots=True)
class PlaneBlock:
    """Consecutive planes in consecutive pages: an element TiffData."""

    file: str
    """Name of the file beside this one; empty for this one."""
    page: int
    """First page."""
    count: int | None
    """Number of pages; None for all that the file has."""
    first: tuple[int, int, int]
    """Channel, z and time of the first plane."""


@dataclass(frozen=True, slots=True)
class OmeImage:
    """An element Image."""

    name: str
    """Its name, or its ID."""
    shape: tuple[int, int]
    """Rows and columns."""
    channels: int
    """Channels, each of ``samples`` samples."""
    depth: int
    """Planes along z."""
    times: int
    """Time points."""
    samples: int
    """Samples of a pixel."""
    order: str
    """The three axes along which planes follow each other, out of C, Z and T, fastest first."""
    pixel_size_um: tuple[float | None, float | None]
    """Height and width of a pixel in micrometres."""
    channel_names: tuple[str | None, ...]
    """One for each element Channel."""
    blocks: tuple[PlaneBlock, ...]
    """Where the planes are."""

    def pages(self, page_count: Callable[[str], int]) -> dict[tuple[int, int], tuple[str, int]]:
        """File and page of each plane of the first time point, by channel and z.

        Parameters
        ----------
        page_count : callable
            Number of pages of a file; 0 where it is not there.
        """
        found: dict[tuple[int, int], tuple[str, int]] = {}
        for block in self.blocks:
            available = page_count(block.file) - block.page
            count = available if block.count is None else min(block.count, available)
            for number, (channel, z, time) in enumerate(self._from(block.first, max(0, count))):
                if time == 0:
                    found.setdefault((channel, z), (block.file, block.page + number))
        return found

    def _from(self, first: tuple[int, int, int], count: int) -> Iterator[tuple[int, int, int]]:
        """Places of consecutive planes: channel, z, time."""
        sizes = {"C": self.channels, "Z": self.depth, "T": self.times}
        start = dict(zip("CZT", first, strict=True))
        if any(start[axis] >= sizes[axis] for axis in "CZT"):
            return
        fast, middle, slow = (*self.order,)
        at = start[fast] + sizes[fast] * (start[middle] + sizes[middle] * start[slow])
        for number in range(at, min(at + count, math.prod(sizes.values()))):
            place = {
                fast: number % sizes[fast],
                middle: number // sizes[fast] % sizes[middle],
                slow: number // (sizes[fast] * sizes[middle]),
            }
            yield place["C"], place["Z"], place["T"]

    def files(self) -> set[str]:
        """Names of the files that its planes are in."""
        return {block.file for block in self.blocks}


def metadata_file(xml: str) -> str | None:
    """Name of the file that holds the OME-XML, where this one only points to it (BinaryOnly).

    Raises
    ------
    ValueError
        It is no XML.
    """
    for element in _root(xml):
        if _local(element) == "BinaryOnly":
            return _file_name(element.get("MetadataFile", ""))
    return None


def parse_ome(xml: str, own_names: set[str]) -> list[OmeImage]:
    """The images that OME-XML describes, in its order.

    Parameters
    ----------
    xml : str
        The OME-XML.
    own_names : set of str
        Names by which it may mean the file that is open: its file name, and its UUID.

    Raises
    ------
    ValueError
        It is no XML, or an image states sizes that cannot be.
    """
    root = _root(xml)
    own = own_names | ({root.get("UUID", "")} - {""})
    images = [
        _image(element, pixels, own)
        for element in root
        if _local(element) == "Image"
        for pixels in element
        if _local(pixels) == "Pixels"
    ]
    if len(images) == 1 and not images[0].blocks:
        return [replace(images[0], blocks=(PlaneBlock(THIS_FILE, 0, None, (0, 0, 0)),))]
    return images


def _image(image: ElementTree.Element, pixels: ElementTree.Element, own: set[str]) -> OmeImage:
    channels = [part for part in pixels if _local(part) == "Channel"]
    samples = max((_integer(c, "SamplesPerPixel", 1) for c in channels), default=1)
    sizes = {axis: _integer(pixels, f"Size{axis}", 1) for axis in "XYZCT"}
    if min(*sizes.values(), samples) < 1 or sizes["C"] * sizes["Z"] > MOST_PLANES:
        raise ValueError(f"an image with sizes {sizes} and {samples} samples")
    order = "".join(axis for axis in pixels.get("DimensionOrder", "XYCZT") if axis in "CZT")
    return OmeImage(
        name=image.get("Name") or image.get("ID") or "",
        shape=(sizes["Y"], sizes["X"]),
        channels=max(1, sizes["C"] // samples),
        depth=sizes["Z"],
        times=sizes["T"],
        samples=samples,
        order=order if sorted(order) == sorted("CZT") else "CZT",
        pixel_size_um=(_size_um(pixels, "Y"), _size_um(pixels, "X")),
        channel_names=tuple(c.get("Name") or c.get("Fluor") for c in channels),
        blocks=tuple(_block(part, own) for part in pixels if _local(part) == "TiffData"),
    )


def _block(data: ElementTree.Element, own: set[str]) -> PlaneBlock:
    file = THIS_FILE
    for part in data:
        if _local(part) == "UUID":
            name = _file_name(part.get("FileName", ""))
            same = (part.text or "").strip() in own or name.lower() in own
            file = THIS_FILE if same else name
            break
    count = data.get("PlaneCount") or data.get("NumPlanes")
    planes = int(count) if count else 1 if "IFD" in data.attrib else None
    first = tuple(_integer(data, f"First{axis}", 0) for axis in "CZT")
    page = _integer(data, "IFD", 0)
    if min(page, *first) < 0:
        raise ValueError(f"a plane at page {page}, channel, z and time {first}")
    return PlaneBlock(file, page, planes, (first[0], first[1], first[2]))


def _size_um(pixels: ElementTree.Element, axis: str) -> float | None:
    um = UM_PER_OME_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return positive(pixels.get(f"PhysicalSize{axis}"), um)


def positive(value: Any, um: float | None) -> float | None:
    """``value`` times ``um`` where that is a usable length.

    >>> positive("325", 1e-3), positive("0", 1.0), positive(None, 1.0)
    (0.325, None, None)
    """
    try:
        size = float(value) * um if um is not None else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return size if math.isfinite(size) and size > 0 else None


def _integer(element: ElementTree.Element, name: str, default: int) -> int:
    return int(element.get(name, default))


def _file_name(name: str) -> str:
    """The last part of a file name, of any system; files lie beside each other."""
    return PurePosixPath(name.replace("\\", "/")).name


def _root(xml: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as problem:
        raise ValueError(f"its XML cannot be read: {problem}") from problem


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]
