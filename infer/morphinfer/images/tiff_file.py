"""TIFF files opened with tifffile, and the images in them: plain, OME, ImageJ, QPTIFF, SCN, LSM.

All that tifffile raises or logs ends here: a file is read, or refused in one sentence. Nothing stays
open: what is needed later is kept as places of tiles in files.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from morphinfer.errors import SlideError
from morphinfer.images.containers import SIDE_IMAGE
from morphinfer.images.foreign_formats import bioformats_way, foreign_format, is_tiff
from morphinfer.images.tiff_ome import THIS_FILE, OmeImage, metadata_file, parse_ome
from morphinfer.images.tiff_planes import Plane, RawPlane, SegmentPlane

CHANNEL_AXES = "CS"
"""Axes that are channels: channels, and samples of a pixel."""
UNKNOWN_AXES = "QI"
"""Axes of pages of which the file does not say what they are."""
OWN_FORMATS = {
    "svs": "an Aperio SVS slide", "ndpi": "a Hamamatsu NDPI slide", "bif": "a Ventana BIF slide",
    "philips": "a Philips TIFF slide", "avs": "an Argos AVS slide", "eer": "an EER movie",
}  # fmt: skip
"""TIFF in a way of its own, by tifffile's name of it; scanners for brightfield write most of them."""
COLOURS = ("RGB", "YCBCR", "CIELAB", "ICCLAB", "ITULAB", "SEPARATED")
"""Photometric interpretations of colour images."""

Pages = tuple[Any, ...]


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
    is_colour: bool = False
    """Whether its channels are red, green and blue."""

    @property
    def is_extra(self) -> bool:
        """Whether it is a thumbnail, a label or a picture of the whole glass by its name."""
        return SIDE_IMAGE.search(self.name) is not None


class TiffFiles:
    """The file of a path, and those beside it that its metadata name; closed together."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = path
        self._stack = stack
        self._files: dict[str, tifffile.TiffFile | None] = {}
        main = self._open(path)
        if main is None:
            raise SlideError(f"{path}: no such file; name a TIFF file")
        self.main = self._files[THIS_FILE] = main

    def file(self, name: str) -> tifffile.TiffFile | None:
        """The file of a name beside the first; None where it is not there, or no TIFF file."""
        if name not in self._files:
            self._files[name] = self._open(self.path.with_name(name)) if name else None
        return self._files[name]

    def page_count(self, name: str) -> int:
        """Pages of a file; 0 where it is not there."""
        file = self.file(name)
        return 0 if file is None else len(file.pages)

    def _open(self, path: Path) -> tifffile.TiffFile | None:
        if not path.is_file():
            return None
        file = self._stack.enter_context(tifffile.TiffFile(path, _multifile=False))
        len(
            file.pages
        )  # finds a chain of pages that runs in a circle, which tifffile else follows for ever
        return file


@contextmanager
def opened(path: Path) -> Iterator[TiffFiles]:
    """A TIFF file and those beside it, until the context ends.

    Raises
    ------
    SlideError
        It is missing, of another format, or damaged.
    """
    if not path.is_file():
        raise SlideError(f"{path}: no such file; name a TIFF file")
    try:
        if not is_tiff(path):
            what = foreign_format(path)
            raise SlideError(f"{path}: {what}") if what else _unreadable(path, "no TIFF header")
        with ExitStack() as stack, _quiet():
            files = TiffFiles(path, stack)
            _refuse_own_formats(files.main, path)
            yield files
    except SlideError:
        raise
    except (
        Exception
    ) as problem:  # tifffile raises anything on damaged files, AssertionError included
        raise _unreadable(path, problem) from problem


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log and the warnings of tifffile, of which no reader could act on."""
    log = logging.getLogger("tifffile")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _unreadable(path: Path, problem: object) -> SlideError:
    text = "a tag that no page can have"
    if isinstance(problem, str | OSError | tifffile.TiffFileError):
        text = " ".join(str(problem).split())[:200]
    return SlideError(
        f"{path}: not a TIFF file, or damaged ({text}); copy it again from its source, or save it as "
        f"TIFF or OME-TIFF"
    )


def _refuse_own_formats(file: tifffile.TiffFile, path: Path) -> None:
    kind = next((kind for kind in OWN_FORMATS if getattr(file, f"is_{kind}", False)), None)
    if kind is None:
        return
    colour = photometric(file.pages.first) in COLOURS
    brightfield = " in colour, as brightfield scanners write it" if colour else ""
    raise SlideError(
        f"{path}: {OWN_FORMATS[kind]}{brightfield}, which is not read; the networks know fluorescence: "
        f"if it is that, {bioformats_way(path)}"
    )


def photometric(page: Any) -> str:
    """How the values of a page are to be seen, as tifffile names it."""
    return str(getattr(page.photometric, "name", page.photometric))


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
        levels = (page, *_sub_pages(page))
        for sample in range(page.samplesperpixel):
            planes[channel * page.samplesperpixel + sample, z] = tuple(
                page_plane(level, sample) for level in levels
            )
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


def page_plane(page: Any, sample: int) -> Plane:
    """The plane of a sample of a page."""
    key = page.keyframe
    path = str(page.parent.filehandle.path)
    separate = key.planarconfig == 2 or key.samplesperpixel == 1
    offsets = np.array(page.dataoffsets, np.int64)
    if key.is_final and page.is_contiguous and separate and key.dtype is not None:
        stored = np.dtype(key.dtype).newbyteorder(page.parent.byteorder)
        shape = (int(key.imagelength), int(key.imagewidth))
        return RawPlane(
            path, int(offsets[0]) + sample * prod(shape) * stored.itemsize, shape, stored
        )
    counts = np.array(page.databytecounts, np.int64)
    key.decode  # noqa: B018 - made while the file is open
    return SegmentPlane(path, key, offsets, counts, sample, (page.jpegtables, key.jpegheader))


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
    return series.shape[series.axes.index("Y")], series.shape[series.axes.index("X")]


def _series_image(levels: list[Any], name: str) -> TiffImage:
    finest = levels[0]
    by_level = [_series_planes(level) for level in levels]
    base = by_level[0]
    planes = {
        place: (plane, *(one[place] for one in by_level[1:] if place in one))
        for place, plane in base.items()
    }
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
    )


def _series_planes(series: Any) -> dict[tuple[int, int], Plane]:
    """Planes by channel and z, the first of every other axis."""
    chunky = series.axes.endswith("YXS")
    outer = series.axes.replace("YX", "")
    dims = tuple(series.shape[series.axes.index(axis)] for axis in outer)
    if not series.axes.removesuffix("S").endswith("YX"):
        raise ValueError(f"axes {series.axes}")
    samples = series.shape[series.axes.index("S")] if "S" in outer else 1
    in_page = outer.endswith("S")
    if not in_page:
        samples = 1
    plane_at = _plane_maker(series, prod(dims), samples, chunky=chunky)
    planes: dict[tuple[int, int], Plane] = {}
    grouped = [
        n for axis, n in zip(outer, dims, strict=True) if axis in CHANNEL_AXES + UNKNOWN_AXES
    ]
    for number, place in enumerate(np.ndindex(*dims)):
        at = dict(zip(outer, place, strict=True))
        if any(i for axis, i in at.items() if axis not in CHANNEL_AXES + UNKNOWN_AXES + "Z"):
            continue
        of = tuple(i for axis, i in at.items() if axis in CHANNEL_AXES + UNKNOWN_AXES)
        channel = int(np.ravel_multi_index(of, grouped)) if of else 0
        planes[channel, at.get("Z", 0)] = plane_at(number)
    return planes


def _plane_maker(series: Any, count: int, samples: int, *, chunky: bool) -> Callable[[int], Plane]:
    """Maker of the plane of a number, in the order of the series."""
    if series.dataoffset is not None and not chunky:
        height, width = _sides(series)
        stored = np.dtype(series.dtype).newbyteorder(series.parent.byteorder)
        size = height * width * stored.itemsize
        path = str(series.parent.filehandle.path)
        return lambda number: RawPlane(
            path, series.dataoffset + number * size, (height, width), stored
        )
    if len(series.pages) * samples != count or any(page is None for page in series.pages):
        raise ValueError(f"{len(series.pages)} pages for {count // samples} (axes {series.axes})")
    return lambda number: page_plane(series.pages[number // samples], number % samples)
