"""A TIFF image as a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images.slides import (
    Level,
    Slide,
    check_array,
    check_pixel_size,
    pick_channel,
    pick_z,
)
from morphinfer.images.stores import MissingChunks
from morphinfer.images.tiff.metadata import source_name
from morphinfer.images.tiff.planes import Plane
from morphinfer.images.tiff.segments import SMALL_BYTES
from morphinfer.images.tiff.source import Pages, TiffSource, is_slow, open_tiff


def open_tiff_slide(
    path: Path,
    *,
    channel: str | int | None = None,
    z: int | Literal["max"] | None = None,
    pixel_size_um: float | None = None,
    series: str | int | None = None,
    missing_chunks: MissingChunks = "fill",
) -> Slide:
    """Open an image of a TIFF file as a slide; the parameters are those of `open_slide`.

    A stated ``z`` also says that pages of unknown meaning are planes, else a stated ``channel`` that they
    are channels.

    Raises
    ------
    SlideError
        As for `open_slide` and `open_tiff`; or the image is large and stored in compressed strips.
    """
    if pixel_size_um is not None:
        check_pixel_size(pixel_size_um, str(path))
    source = open_tiff(
        path, series=series, pages=pages_as(channel, z), colour=channel is not None,
        pixel_size_um=pixel_size_um,
    )  # fmt: skip
    first = source.arrays[0]
    for array in source.arrays:
        check_array(array, source.axes, str(path))
    size_um = source.pixel_size_um
    if size_um is None:
        raise SlideError(
            f"{path}: no pixel size that can be believed; state it in micrometres, for example "
            f"`pixel_size_um=0.325`"
        )
    check_pixel_size(size_um, str(path))
    labels = channel_labels(source)
    index = pick_channel(channel, labels, source.axes, first.shape, path)
    _check_channel(source, index, missing_chunks)
    levels = [
        Level(
            array,
            PixelGrid((array.shape[-2], array.shape[-1]), size_um * factor, (0.0, 0.0)),
            (array.chunks[-2], array.chunks[-1]),
            path=str(number),
            verified=array is first,
        )
        for number, (array, factor) in enumerate(zip(source.arrays, source.factors, strict=True))
        if array is first or not _any_slow(array.planes(index))
    ]
    return Slide(
        name=path.absolute().name,
        path=path,
        levels=tuple(levels),
        axes=source.axes,
        channels=labels,
        channel=index,
        z=pick_z("max" if z is None else z, source.axes, first.shape, path),
        version="0.5",
        metadata_sha256=source.sha256,
        missing_chunks=missing_chunks,
        series=source.series,
        warnings=source.warnings,
    )


def pages_as(channel: str | int | None, z: int | Literal["max"] | None) -> Pages | None:
    """What pages of unknown meaning are, out of what the caller chooses among them."""
    if z is not None:
        return "planes"
    return None if channel is None else "channels"


def channel_labels(source: TiffSource) -> tuple[str, ...]:
    """Names of the channels; none where they are numbers."""
    numbers = tuple(str(i) for i in range(len(source.channels)))
    return () if source.channels == numbers else source.channels


def _check_channel(source: TiffSource, channel: int, missing_chunks: MissingChunks) -> None:
    """Refuse a channel that is not there, or cannot be read by window."""
    planes = source.arrays[0].planes(channel)
    name = source.channels[channel]
    absent = sum(plane is None for plane in planes)
    if absent:
        way = "copy all files of the image into one folder"
        if not source.missing:
            way = "copy the file again from its source, or choose another `channel`"
        raise SlideError(
            f"{source.path}: {absent} of {len(planes)} planes of channel {name} are not there; {way}"
        )
    empty = sum(plane.empty for plane in planes if plane is not None)
    if empty and missing_chunks == "refuse":
        raise SlideError(
            f"{source.path}: {empty} tiles or strips of channel {name} hold nothing; copy the file again "
            f"from its source, or let them count as 0 with `missing_chunks='fill'`"
        )
    if _any_slow(planes):
        raise SlideError(
            f"{source.path}: {source.shape[0]} x {source.shape[1]} pixels in compressed strips, of which "
            f"more than {SMALL_BYTES // 2**20} MB are not read by window; convert it first with "
            f"'morphinfer convert {source.path.name} {source_name(source.path)}.zarr'"
        )


def _any_slow(planes: tuple[Plane | None, ...]) -> bool:
    return any(is_slow(plane) for plane in planes if plane is not None)
