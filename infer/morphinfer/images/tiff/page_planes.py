"""Where the planes of a page, and of a series, of a TIFF file are."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from morphinfer.errors import SlideError
from morphinfer.images.tiff.planes import Plane, RawPlane
from morphinfer.images.tiff.segments import SegmentPlane
from morphinfer.images.tiff.source_file import SourceFile

CHANNEL_AXES = "CS"
"""Axes that are channels: channels, and samples of a pixel."""
MOST_SAMPLES = 1000
"""Samples of a pixel; more are a damaged header."""
UNKNOWN_AXES = "QI"
"""Axes of pages of which the file does not say what they are."""


def page_planes(page: Any) -> list[Plane]:
    """The planes of the samples of a page."""
    key = page.keyframe
    count = int(key.samplesperpixel)
    if count > MOST_SAMPLES or key.dtype is None:
        raise SlideError(
            f"{page.parent.filehandle.path}: pixels of {count} samples of {key.bitspersample} bits, which "
            f"are not read; save the nuclei channel as a grey TIFF first"
        )
    file = SourceFile.of(page.parent.filehandle.path)
    offsets = np.array(page.dataoffsets, np.int64)
    if key.is_final and page.is_contiguous and (key.planarconfig == 2 or count == 1):
        stored = np.dtype(key.dtype).newbyteorder(page.parent.byteorder)
        shape = (int(key.imagelength), int(key.imagewidth))
        size = prod(shape) * stored.itemsize
        return [RawPlane(file, int(offsets[0]) + k * size, shape, stored) for k in range(count)]
    counts = np.array(page.databytecounts, np.int64)
    jpeg = (page.jpegtables, key.jpegheader)
    key.decode  # noqa: B018 - made while the file is open
    return [SegmentPlane(file, key, offsets, counts, sample, jpeg) for sample in range(count)]


def sides_of(series: Any) -> tuple[int, int]:
    """Rows and columns."""
    rows, cols = (series.shape[series.axes.index(axis)] for axis in "YX")
    if not (isinstance(rows, int) and isinstance(cols, int)):
        of = (
            f"{series.parent.filehandle.path}: damaged, with an image of {rows:g} x {cols:g} pixels"
        )
        raise SlideError(f"{of}; copy the file again from its source")
    return rows, cols


def series_planes(series: Any) -> dict[tuple[int, int], Plane]:
    """Planes by channel and z, the first of every other axis."""
    outer = series.axes.replace("YX", "")
    if not series.axes.removesuffix("S").endswith("YX"):
        raise SlideError(
            f"{series.parent.filehandle.path}: an image with axes {series.axes}; rows and columns must "
            f"come last: save the nuclei channel as an image of its own first"
        )
    dims = tuple(series.shape[series.axes.index(axis)] for axis in outer)
    plane_at = _plane_at(series, dims)
    channel_axes = [axis in CHANNEL_AXES + UNKNOWN_AXES for axis in outer]
    grouped = [n for is_channel, n in zip(channel_axes, dims, strict=True) if is_channel]
    planes: dict[tuple[int, int], Plane] = {}
    for number, place in enumerate(np.ndindex(*dims)):
        at = dict(zip(outer, place, strict=True))
        of = [i for is_channel, i in zip(channel_axes, place, strict=True) if is_channel]
        if sum(of) + at.get("Z", 0) == sum(place):
            channel = int(np.ravel_multi_index(of, grouped)) if of else 0
            planes[channel, at.get("Z", 0)] = plane_at(number)
    return planes


def _plane_at(series: Any, dims: tuple[int, ...]) -> Callable[[int], Plane]:
    """What gives the plane of a number, in the order of the series."""
    count = prod(dims)
    path = str(series.parent.filehandle.path)
    if series.dataoffset is not None and series.dtype is not None and series.axes.endswith("YX"):
        shape = sides_of(series)
        stored = np.dtype(series.dtype).newbyteorder(series.parent.byteorder)
        size = prod(shape) * stored.itemsize
        need, holds = series.dataoffset + count * size, series.parent.filehandle.size
        if not isinstance(series.dataoffset, int) or need > holds or size == 0:
            raise SlideError(
                f"{path}: damaged: its pixels need {need} bytes and the file has {holds}; copy it "
                f"again from its source"
            )
        file = SourceFile.of(path)
        return lambda number: RawPlane(file, series.dataoffset + number * size, shape, stored)
    pages = [page_planes(page) if page is not None else [] for page in series.pages]
    planes = [plane for page in pages for plane in page]
    if len(planes) != count:
        raise SlideError(
            f"{path}: {len(planes)} planes where its metadata state {count} (axes {series.axes}); copy it "
            f"again from its source, or save the nuclei channel as an image of its own"
        )
    return planes.__getitem__
