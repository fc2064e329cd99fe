"""TIFF to OME-Zarr, band by band."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from morphinfer.callbacks import OnCount
from morphinfer.images.multiscale import ImageSpec, write_image
from morphinfer.images.multiscale_writer import PyramidWriter
from morphinfer.images.ngff import Version
from morphinfer.images.slide_checks import check_pixel_size, pick_channel
from morphinfer.images.tiff import BAND_ROWS, TiffImage, open_tiff


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


def convert(
    source: str | Path,
    target: str | Path,
    *,
    pixel_size_um: float | None = None,
    channel: str | int | None = None,
    version: Version = "0.5",
    overwrite: bool = False,
    progress: OnCount | None = None,
    band_rows: int = BAND_ROWS,
) -> Conversion:
    """Write a TIFF image as an OME-Zarr image with a pyramid, and return what was written.

    One channel becomes a (y, x) image, several become a (c, y, x) image. Stacks along z are
    projected to their maximum; of several time points the first is taken.

    Parameters
    ----------
    source : str or Path
        TIFF, OME-TIFF or ImageJ TIFF of uint8, uint16 or float32; its largest image is taken.
    target : str or Path
        Folder to publish; it appears only when it is complete.
    pixel_size_um : float, optional
        Side of a pixel in micrometres; overrides what the file says.
    channel : str or int, optional
        Name or number of the only channel to keep; all by default.
    version : {'0.4', '0.5'}
        NGFF version.
    overwrite : bool
        Replace an existing image.
    progress : callable, optional
        Called with the rows done and the rows in all.
    band_rows : int
        Rows that are decoded at once, which bounds the memory; see `open_tiff`.

    Raises
    ------
    SlideError
        The file is no TIFF, truncated, in colour, of another data type, or has no such channel.
    OutputError
        The target exists or cannot be written to, or the disk is full.
    """
    if pixel_size_um is not None:
        check_pixel_size(pixel_size_um, str(source))
    target = Path(target)
    with open_tiff(source, pixel_size_um=pixel_size_um, band_rows=band_rows) as image:
        kept = _pick(image, channel)
        names = tuple(image.channels[i] for i in kept)
        labels = () if names == ("0",) else names
        shape = image.shape if len(kept) == 1 else (len(kept), *image.shape)
        spec = ImageSpec(
            target.stem, shape, image.dtype, image.pixel_size_um, version=version, channels=labels
        )
        with write_image(target, spec, overwrite=overwrite) as writers:
            _copy(image, kept, writers, progress)
        return Conversion(target, image.shape, image.dtype.name, names, image.pixel_size_um)


def _copy(
    image: TiffImage, kept: list[int], writers: list[PyramidWriter], progress: OnCount | None
) -> None:
    height = image.shape[0]
    for row in range(0, height, image.band_rows):
        stop = min(row + image.band_rows, height)
        for index, writer in zip(kept, writers, strict=True):
            writer.write(image.read(index, row, stop))
        if progress is not None:
            progress(stop, height)


def _pick(image: TiffImage, wanted: str | int | None) -> list[int]:
    count = len(image.channels)
    if wanted is None:
        return list(range(count))
    return [pick_channel(wanted, image.channels, "c", (count,), Path(image.source))]
