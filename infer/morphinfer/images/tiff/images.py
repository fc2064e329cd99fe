"""The images in a TIFF file, and where their planes are: plain, OME, ImageJ, QPTIFF, SCN, LSM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import tifffile

from morphinfer.errors import SlideError
from morphinfer.images.stores import SIDE_IMAGE, is_tiff
from morphinfer.images.tiff.file import TiffFiles
from morphinfer.images.tiff.ome import THIS_FILE, OmeImage, metadata_file, parse_ome
from morphinfer.images.tiff.page_planes import (
    CHANNEL_AXES,
    UNKNOWN_AXES,
    page_planes,
    series_planes,
    sides_of,
)
from morphinfer.images.tiff.planes import Plane


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


def _series_images(files: TiffFiles) -> list[TiffImage]:
    """The images that tifffile finds where no OME-XML names them."""
    images = []
    for series in _series_of(files.main):
        levels = [level for level in series.levels if level.keyframe is not None and level.pages]
        levels.sort(key=lambda level: -prod(sides_of(level)))
        if levels:
            images.append(_series_image(levels, series.name))
    return images


def _series_of(file: tifffile.TiffFile) -> list[Any]:
    if file.is_ome:  # its OME-XML was not of use
        return file._series_generic() or []
    return list(file.series)


def _series_image(levels: list[Any], name: str) -> TiffImage:
    finest = levels[0]
    planes: dict[tuple[int, int], tuple[Plane, ...]] = {}
    problem = None
    try:
        base, *coarser = [series_planes(level) for level in levels]
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
        shape=sides_of(finest),
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
