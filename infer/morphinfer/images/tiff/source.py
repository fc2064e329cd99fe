"""TIFF files as slides: plain, OME (of one file or several), ImageJ, QPTIFF, SCN; read by window.

Rows run down, columns run right. Levels share their outer corner. Tiles and uncompressed rows are read
where they lie; images in compressed strips only up to `SMALL_BYTES`, others are converted first.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from morphinfer.errors import SlideError
from morphinfer.images.stores import MOST_LISTED
from morphinfer.images.tiff.array import TiffArray
from morphinfer.images.tiff.checks import (
    Planes,
    check_image,
    check_planes,
    level_planes,
)
from morphinfer.images.tiff.file import opened
from morphinfer.images.tiff.images import TiffImage, list_images
from morphinfer.images.tiff.metadata import channel_names, pixel_size
from morphinfer.images.tiff.planes import KeptPlane, Plane
from morphinfer.images.tiff.pyramids import fold_levels, level_factor
from morphinfer.images.tiff.segments import SMALL_BYTES, SegmentPlane
from morphinfer.names import suggestion

Pages = Literal["channels", "planes"]
"""What the pages of a file are that does not say it: channels, or planes along z."""
IDENTITY_BYTES = 2**16
"""Bytes at the beginning and at the end of a file that distinguish it from others."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TiffSource:
    """A TIFF image that was opened and checked; no file stays open."""

    path: Path
    """The file."""
    series: int
    """Number of the image in the file."""
    arrays: tuple[TiffArray, ...]
    """Its levels, from fine to coarse."""
    factors: tuple[float, ...]
    """Side of a pixel of each level in pixels of the first."""
    channels: tuple[str, ...]
    """Channel names; their numbers where the file gives none."""
    pixel_size_um: float | None
    """Side of a pixel in micrometres, where the file states it."""
    sha256: str
    """SHA-256 of its shape and data type, and of the size, the beginning and the end of the file."""
    warnings: tuple[str, ...]
    """What was left out or could not be verified, a sentence each."""
    missing: tuple[str, ...] = ()
    """Files that its metadata name and that are not there."""

    @property
    def axes(self) -> str:
        """Axes of the arrays, out of c, z, y and x."""
        return self.arrays[0].axes

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns at full resolution."""
        return self.arrays[0].shape[-2], self.arrays[0].shape[-1]


def open_tiff(
    path: str | Path,
    *,
    series: str | int | None = None,
    pages: Pages | None = None,
    colour: bool = False,
    pixel_size_um: float | None = None,
) -> TiffSource:
    """Open an image of a TIFF file; its pixels are decoded where the arrays are sliced.

    Parameters
    ----------
    path : str or Path
        The file.
    series : str or int, optional
        Number or name of the image; the largest by default.
    pages : {'channels', 'planes'}, optional
        What the pages are where the file does not say it.
    colour : bool
        Whether the colours of an RGB image count as channels.
    pixel_size_um : float, optional
        Side of a pixel in micrometres; overrides what the file says.

    Raises
    ------
    SlideError
        The file is missing, of another format, damaged, in colour, or does not say what its pages are.
    """
    path = Path(path)
    warnings: list[str] = []
    with opened(path) as files:
        images, problem = list_images(files)
        if problem is not None:
            warnings.append(f"{path}: {problem}; it is read as a plain TIFF file")
        images = fold_levels(images)
        index = pick_series(series, images, path, warnings)
        image = check_image(images[index], path, pages, colour=colour, warnings=warnings)
        names = channel_names(files, image)
        size = pixel_size_um or pixel_size(files, image)
        if size is None and image.ome is not None and image.ome.shape != image.shape:
            warnings.append(_other_shape(path, image))
        levels = level_planes(image, path, warnings)
        check_planes(image, levels[0], names, path, warnings)
        arrays, factors = _arrays(image, levels, (path, index, pages, colour))
    for text in warnings:
        logger.warning("%s", text)
    sha256 = _identity(path, index, arrays[0])
    return TiffSource(
        path,
        index,
        arrays,
        factors,
        names,
        size,
        sha256,
        tuple(dict.fromkeys(warnings)),
        image.missing,
    )


def pick_series(
    wanted: str | int | None, images: list[TiffImage], path: Path, warnings: list[str]
) -> int:
    """Number of the image to read: the one of a number or name, by default the largest.

    Raises
    ------
    SlideError
        There is no image, none of that number or name, or several of that name.
    """
    if not images:
        raise SlideError(f"{path}: not a TIFF file, or damaged (no image in it); copy it again")
    listed = "; ".join(
        f"{i}: {image.name or 'no name'}, {image.shape[0]} x {image.shape[1]}"
        for i, image in enumerate(images[:MOST_LISTED])
    )
    if wanted is not None:
        named = [i for i, image in enumerate(images) if image.name == wanted]
        if str(wanted).isdecimal() and int(wanted) < len(images):
            named.append(int(wanted))
        if not named:
            near = suggestion(str(wanted), [image.name for image in images])
            raise SlideError(
                f"{path}: no image '{wanted}'{near}; choose a `series` out of {listed}"
            )
        if len(named) > 1 and images[named[1]].name == wanted:
            raise SlideError(
                f"{path}: several images have the name '{wanted}'; choose a `series` by its number out of "
                f"{listed}"
            )
        return named[0]
    usual = [i for i, image in enumerate(images) if not image.is_extra] or [*range(len(images))]
    index = max(usual, key=lambda i: prod(images[i].shape))
    if len(usual) > 1 or images[index].is_extra:
        largest = (
            "largest" if len(usual) == len(images) else "largest that is no macro or label image"
        )
        warnings.append(
            f"{path}: {len(images)} images ({listed}); the {largest} is read, {index}; another is chosen by "
            f"`series`"
        )
    return index


def _other_shape(path: Path, image: TiffImage) -> str:
    rows, cols = image.ome.shape if image.ome is not None else (0, 0)
    return (
        f"{path}: its OME-XML describes {rows} x {cols} pixels and it has {image.shape[0]} x "
        f"{image.shape[1]}, so that the pixel size stated there is not believed"
    )


def _arrays(
    image: TiffImage, levels: list[Planes], source: tuple[Any, ...]
) -> tuple[tuple[TiffArray, ...], tuple[float, ...]]:
    """Arrays of the levels, and the sides of their pixels in pixels of the first."""
    axes = ("c" if image.channels > 1 else "") + ("z" if image.depth > 1 else "") + "yx"
    arrays, factors = [], []
    for number, planes in enumerate(levels):
        kept = {place: _kept(plane, image.depth) for place, plane in planes.items()}
        stacks = tuple(
            tuple(kept.get((channel, z)) for z in range(image.depth))
            for channel in range(image.channels)
        )
        arrays.append(TiffArray(stacks, axes, (_level_again, (*source, number))))
        one = next(iter(planes.values()))
        factors.append(level_factor(image.shape, one.shape) or 1.0)
    return tuple(arrays), tuple(factors)


def is_slow(plane: Plane) -> bool:
    """Whether a window of a plane costs far more than its own pixels: strips, or one huge tile."""
    size = prod(plane.chunk) * plane.dtype.itemsize
    return isinstance(plane, SegmentPlane) and (not plane.page.is_tiled or size > SMALL_BYTES)


def _kept(plane: Plane, depth: int) -> Plane:
    """The plane, kept decoded where it is small and slow to read by window."""
    size = prod(plane.shape) * plane.dtype.itemsize * depth
    return KeptPlane(plane) if is_slow(plane) and size <= SMALL_BYTES else plane


def _level_again(
    path: Path, series: int, pages: Pages | None, colour: bool, level: int
) -> TiffArray:
    """A level of a file, opened again in another process."""
    return open_tiff(path, series=series, pages=pages, colour=colour).arrays[level]


def _identity(path: Path, series: int, array: TiffArray) -> str:
    """SHA-256 of what distinguishes an image, wherever its file lies."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        digest = hashlib.sha256(file.read(IDENTITY_BYTES))
        file.seek(max(0, size - IDENTITY_BYTES))
        digest.update(file.read(IDENTITY_BYTES))
    description = [
        size,
        series,
        array.axes,
        list(array.shape),
        str(array.dtype),
        digest.hexdigest(),
    ]
    return hashlib.sha256(json.dumps(description).encode()).hexdigest()
