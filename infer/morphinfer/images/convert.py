"""TIFF to OME-Zarr, band by band."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.callbacks import OnCount
from morphinfer.errors import SlideError
from morphinfer.images.ngff import Version
from morphinfer.images.slides import check_array, check_pixel_size, pick_channel, pick_z
from morphinfer.images.tiff import TiffSource, open_tiff, pages_as
from morphinfer.images.writing import ImageSpec, write_image

BAND_ROWS = 512
"""Rows that are decoded at once."""
ALL_CHANNELS = "all"
"""What a caller states to keep every channel, pages of unknown meaning included."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written."""

    path: Path
    """The OME-Zarr image."""
    shape: tuple[int, int]
    """Rows and columns."""
    dtype: str
    """Data type of the pixels."""
    channels: tuple[str, ...]
    """Names of the channels that were kept."""
    pixel_size_um: float | None
    """Side of a pixel in micrometres; None where neither the file nor the caller states it."""
    warnings: tuple[str, ...] = ()
    """What could not be verified in the file, or is left out, a sentence each."""


def convert(
    source: str | Path,
    target: str | Path,
    *,
    pixel_size_um: float | None = None,
    channel: str | int | None = None,
    z: int | Literal["max"] | None = None,
    series: str | int | None = None,
    version: Version = "0.5",
    overwrite: bool = False,
    progress: OnCount | None = None,
    band_rows: int = BAND_ROWS,
) -> Conversion:
    """Write a TIFF image as an OME-Zarr image with a pyramid, and return what was written.

    One channel becomes a (y, x) image, several become a (c, y, x) image. Of several time points the
    first is taken.

    Parameters
    ----------
    source : str or Path
        TIFF, OME-TIFF, ImageJ TIFF or QPTIFF.
    target : str or Path
        Folder to publish; it appears only when it is complete.
    pixel_size_um : float, optional
        Side of a pixel in micrometres; overrides what the file says.
    channel : str or int, optional
        Name or number of the only channel to keep; all by default. Also says that the pages of a plain
        TIFF file are channels, and 'all' that all of them are; and chooses a colour of an RGB image.
    z : int or 'max', optional
        Plane of a stack, or its maximum projection (by default). Also says that the pages of a plain
        TIFF file are planes of a stack.
    series : str or int, optional
        Number or name of the image in the file; the largest by default.
    version : {'0.4', '0.5'}
        NGFF version.
    overwrite : bool
        Replace an existing image.
    progress : callable, optional
        Called with the rows done and the rows in all.
    band_rows : int
        Rows that are decoded at once, in whole tiles or strips, which bounds the memory.

    Raises
    ------
    SlideError
        The file is no TIFF, truncated, in colour, of another data type, or has no such image, channel
        or plane, or its pages may be channels or planes.
    OutputError
        The target exists or cannot be written to, or the disk is full.
    """
    if pixel_size_um is not None:
        check_pixel_size(pixel_size_um, str(source))
    target = Path(target)
    image = open_tiff(
        source, series=series, pages=pages_as(channel, z), colour=channel is not None,
        pixel_size_um=pixel_size_um,
    )  # fmt: skip
    array = image.arrays[0]
    check_array(array, image.axes, str(image.path))
    kept = _pick(image, channel)
    plane = pick_z("max" if z is None else z, image.axes, array.shape, image.path)
    names = tuple(image.channels[i] for i in kept)
    labels = () if names == ("0",) else names
    shape = image.shape if len(kept) == 1 else (len(kept), *image.shape)
    spec = ImageSpec(
        target.stem, shape, array.dtype, image.pixel_size_um, version=version, channels=labels
    )
    tall = array.chunks[-2]
    band = tall * max(1, band_rows // tall)
    with write_image(target, spec, overwrite=overwrite) as writers:
        for row in range(0, image.shape[0], band):
            stop = min(row + band, image.shape[0])
            for index, writer in zip(kept, writers, strict=True):
                writer.write(_read(image, index, plane, row, stop))
            if progress is not None:
                progress(stop, image.shape[0])
    return Conversion(
        target, image.shape, array.dtype.name, names, image.pixel_size_um, image.warnings
    )


def _read(
    image: TiffSource, channel: int, z: int | Literal["max"], row: int, stop: int
) -> NDArray[Any]:
    """Full-width rows of a channel: of a plane, or their maximum over all planes."""
    array = image.arrays[0]
    before = (channel,) if "c" in array.axes else ()
    planes = range(array.shape[-3]) if z == "max" and "z" in array.axes else [z]
    block: NDArray[Any] | None = None
    for plane in planes:
        index = (*before, *((plane,) if "z" in array.axes else ()), slice(row, stop), slice(None))
        try:
            part = array[index]
        except OSError as problem:
            raise SlideError(
                f"{image.path}: channel {image.channels[channel]}, rows {row} to {stop} cannot be "
                f"decoded ({problem}); copy the file again from its source"
            ) from problem
        block = part if block is None else np.maximum(block, part)
    assert block is not None
    return np.ascontiguousarray(block)


def _pick(image: TiffSource, wanted: str | int | None) -> list[int]:
    """Numbers of the channels to keep, all of whose planes are there."""
    count = len(image.channels)
    kept = list(range(count))
    if wanted is not None and wanted != ALL_CHANNELS:
        kept = [pick_channel(wanted, image.channels, "c", (count,), image.path)]
    for index in kept:
        if None in image.arrays[0].planes(index):
            raise SlideError(
                f"{image.path}: planes of channel {image.channels[index]} are not there; copy all files "
                f"of the image into one folder, or choose another `channel`"
            )
    return kept
