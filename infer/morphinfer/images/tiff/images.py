"""The images in a TIFF file, and where their planes are: plain, OME, ImageJ, QPTIFF, SCN, LSM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from morphinfer.errors import SlideError
from morphinfer.images.stores import SIDE_IMAGE, is_tiff
from morphinfer.images.tiff.file import TiffFiles
from morphinfer.images.tiff.ome import THIS_FILE, OmeImage, metadata_file, parse_ome
from morphinfer.images.tiff.planes import Plane, RawPlane
from morphinfer.images.tiff.segments import SegmentPlane
from morphinfer.images.tiff.source_file import SourceFile

CHANNEL_AXES = "CS"
"""Axes that are channels: channels, and samples of a pixel."""
UNKNOWN_AXES = "QI"
"""Axes of pages of which the file does not say what they are."""
MOST_SAMPLES = 1000
"""Samples of a pixel; more are a damaged header."""


@dataclass(frozen=True, slots=True)
class TiffImage:
    """One image of a file, not yet checked."""

    name: str
    """Its name; empty where the file gives none."""
    kind: str
    """Kind of file, as tifffile names it."""
    shape: tuple[int, int]
    """Rows and columns at full resolution."""
    key: Any
    """The page of a plane at full resolution."""
    planes: Mapping[tuple[int, int], tuple[Plane, ...]]
    """Planes from fine to coarse, by channel and z."""
    channels: int
    """Number of channels, or of pages of unknown meaning."""
    depth: int
    """Planes along z."""
    unknown: int = 1
    """How many of its channels are pages of which the file does not say what they are; 1 for none."""
    samples: int = 1
    """Samples of a pixel, which are the channels or the fastest part of them."""
    first_of: tuple[tuple[str, int], ...] = ()
    """Axes of which only the first place is read, with their lengths."""
    ome: OmeImage | None = None
    """What the OME-XML says of it."""
    missing: tuple[str, ...] = ()
    """Files that it names and that are not there."""
    descriptions: tuple[str, ...] = ()
    """Descriptions of its pages, where they name the channels."""
    problem: str | None = None
    """Why its planes cannot be read."""
    is_colour: bool = False
    """Whether its channels are red, green and blue."""

    @property
    def is_extra(self) -> bool:
        """Whether it is a thumbnail, a label or a picture of the whole glass by its name."""
        return SIDE_IMAGE.search(self.name) is not None


def list_images(files: TiffFiles) -> tuple[list[TiffImage], str | None]:
    """The images of a file, and a sentence where its OME-XML could not be used.

    Raises
    ------
    SlideError
        The OME-XML is in a file that is not there.
    """
    xml = files.main.ome_metadata if files.main.is_ome else None
    if xml is None:
        return _series_images(files), None
    try:
        described = _described(files, xml)
        images = [image for one in described if (image := _ome_image(files, one)) is not None]
    except ValueError as problem:
        if isinstance(problem, SlideError):
            raise
        return _series_images(files), f"its OME-XML cannot be used ({problem})"
    if images:
        return images, None
    absent = sorted({f for one in described for f in one.files() if files.file(f) is None})
    if absent:
        raise SlideError(
            f"{files.path}: its pixels are in {', '.join(absent[:3])}, not there beside it; copy all "
            f"files of the image into one folder"
        )
    return _series_images(files), "its OME-XML describes no image that is in it"


def _described(files: TiffFiles, xml: str) -> list[OmeImage]:
    """What the OME-XML says, of this file or of the one that holds it for several."""
    own = {files.path.name.lower()}
    elsewhere = metadata_file(xml)
    if elsewhere is not None:
        holder = files.path.with_name(elsewhere) if elsewhere else files.path
        if not elsewhere or not holder.is_file():
            raise SlideError(
                f"{files.path}: its OME metadata are in {elsewhere or 'another file'}, not there beside "
                f"it; copy all files of the image into one folder"
            )
        xml = _metadata_of(files, holder)
        own = {files.path.name.lower()}
    described = parse_ome(xml, own)
    names = {name for one in described for name in one.files()}
    if len(names) == 1 and files.file(*names) is None and elsewhere is None:
        # Renamed: all planes are in one file, of a name that is not there.
        return [
            replace(one, blocks=tuple(replace(block, file=THIS_FILE) for block in one.blocks))
            for one in described
        ]
    return described


def _metadata_of(files: TiffFiles, holder: Path) -> str:
    if not is_tiff(holder):
        return holder.read_text(encoding="utf-8")
    file = files.file(holder.name)
    return (file.ome_metadata if file is not None else None) or ""


def _ome_image(files: TiffFiles, described: OmeImage) -> TiffImage | None:
    """The image of an element of the OME-XML; None where none of its planes are there."""
    places = described.pages(files.page_count)
    if not places:
        return None
    planes: dict[tuple[int, int], tuple[Plane, ...]] = {}
    key: Any = None
    for (channel, z), (name, index) in sorted(places.items()):
        file = files.file(name)
        if file is None:
            continue
        page: Any = file.pages.get(index)
        key = key or page
        by_level = [page_planes(level) for level in (page, *_sub_pages(page))]
        for sample, plane in enumerate(by_level[0]):
            coarser = (planes_[sample] for planes_ in by_level[1:] if sample < len(planes_))
            planes[channel * len(by_level[0]) + sample, z] = (plane, *coarser)
    return TiffImage(
        name=described.name,
        kind="ome",
        shape=(int(key.imagelength), int(key.imagewidth)),
        key=key,
        planes=planes,
        channels=described.channels * key.samplesperpixel,
        depth=described.depth,
        samples=key.samplesperpixel,
        first_of=(("T", described.times),) if described.times > 1 else (),
        ome=described,
        missing=tuple(sorted(f for f in described.files() if files.file(f) is None)),
    )


def _sub_pages(page: Any) -> list[Any]:
    """Pages of the coarser levels of a page."""
    found = []
    for number, offset in enumerate(page.subifds or ()):
        if offset >= 8:
            page.parent.filehandle.seek(offset)
            found.append(tifffile.TiffPage(page.parent, (page.index, number + 1)))
    return found


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


def _series_images(files: TiffFiles) -> list[TiffImage]:
    """The images that tifffile finds where no OME-XML names them."""
    images = []
    for series in _series_of(files.main):
        levels = [level for level in series.levels if level.keyframe is not None and level.pages]
        levels.sort(key=lambda level: -prod(_sides(level)))
        if levels:
            images.append(_series_image(levels, series.name))
    return images


def _series_of(file: tifffile.TiffFile) -> list[Any]:
    if file.is_ome:  # its OME-XML was not of use
        return file._series_generic() or []
    return list(file.series)


def _sides(series: Any) -> tuple[int, int]:
    """Rows and columns."""
    rows, cols = (series.shape[series.axes.index(axis)] for axis in "YX")
    if not (isinstance(rows, int) and isinstance(cols, int)):
        of = (
            f"{series.parent.filehandle.path}: damaged, with an image of {rows:g} x {cols:g} pixels"
        )
        raise SlideError(f"{of}; copy the file again from its source")
    return rows, cols


def _series_image(levels: list[Any], name: str) -> TiffImage:
    finest = levels[0]
    planes: dict[tuple[int, int], tuple[Plane, ...]] = {}
    problem = None
    try:
        base, *coarser = [_series_planes(level) for level in levels]
        for place, plane in base.items():
            planes[place] = (plane, *(level[place] for level in coarser if place in level))
    except SlideError as refused:  # of use only if this image is chosen: it may be a thumbnail
        problem = str(refused)
    outer = finest.axes.replace("Y", "").replace("X", "")
    lengths = dict(zip(finest.axes, finest.shape, strict=True))
    channels = prod(lengths[axis] for axis in outer if axis in CHANNEL_AXES + UNKNOWN_AXES)
    return TiffImage(
        name=name or "",
        kind=finest.kind,
        shape=_sides(finest),
        key=finest.keyframe,
        planes=planes,
        channels=channels,
        depth=lengths.get("Z", 1),
        unknown=prod(lengths[axis] for axis in outer if axis in UNKNOWN_AXES),
        samples=lengths.get("S", 1),
        first_of=tuple(
            (axis, lengths[axis])
            for axis in outer
            if axis not in CHANNEL_AXES + UNKNOWN_AXES + "Z" and lengths[axis] > 1
        ),
        descriptions=tuple(p.description for p in finest.pages) if finest.kind == "qpi" else (),
        problem=problem,
    )


def _series_planes(series: Any) -> dict[tuple[int, int], Plane]:
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
        shape = _sides(series)
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
