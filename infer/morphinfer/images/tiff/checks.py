"""What is refused, left out or asked about when a TIFF image is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile

from morphinfer.errors import SlideError
from morphinfer.images.stores import MOST_LISTED
from morphinfer.images.tiff.file import COLOURS, photometric
from morphinfer.images.tiff.images import TiffImage
from morphinfer.images.tiff.planes import Plane
from morphinfer.images.tiff.pyramids import level_factor
from morphinfer.images.tiff.segments import SegmentPlane

JPEG = (6, 7, 34892, 33007)
"""Compressions of which tifffile makes RGB out of YCbCr."""
AXIS_MEANINGS = {"T": "time points"}

Planes = Mapping[tuple[int, int], Plane]


def check_image(
    image: TiffImage,
    path: Path,
    pages: Literal["channels", "planes"] | None,
    *,
    colour: bool,
    warnings: list[str],
) -> TiffImage:
    """The image with the meaning of its pages settled.

    Parameters
    ----------
    image : TiffImage
        The image.
    path : Path
        Name for messages.
    pages : {'channels', 'planes'}, optional
        What the pages are where the file does not say it.
    colour : bool
        Whether the colours of an RGB image count as channels.
    warnings : list of str
        Takes what the image is read without.

    Raises
    ------
    SlideError
        Its planes cannot be read, it is in colour or inverted, or does not say what its pages are.
    """
    if image.problem is not None:
        raise SlideError(image.problem)
    compression = int(image.key.compression)
    if compression not in tifffile.TIFF.DECOMPRESSORS:
        raise SlideError(
            f"{path}: its pixels have the compression {compression}, which tifffile {tifffile.__version__} "
            f"does not decode; save the image with another, such as deflate"
        )
    _check_photometric(image, path, colour=colour)
    for axis, length in image.first_of:
        what = AXIS_MEANINGS.get(axis, f"planes along its axis {axis}")
        warnings.append(f"{path}: {length} {what}; only the first is read")
    orientation = image.key.tags.valueof("Orientation", 1)
    if orientation not in (0, 1):
        warnings.append(
            f"{path}: its tag Orientation is {orientation} and not 1; it is not applied, and rows are read "
            f"in the order in which they are stored"
        )
    image = replace(image, is_colour=photometric(image.key) in COLOURS)
    if image.unknown == 1 or pages == "channels":
        return image
    if pages is None:
        raise SlideError(
            f"{path}: {image.unknown} pages, and nothing says whether they are channels or planes of a "
            f"stack: choose a channel, `channel=0` to {image.unknown - 1}, or a plane, `z=0` to "
            f"{image.unknown - 1} or `z='max'` for all of them; a conversion keeps all pages as channels "
            f"with `channel='all'`"
        )
    inner = image.channels // image.unknown
    planes = {
        (channel % inner, channel // inner * image.depth + z): levels
        for (channel, z), levels in image.planes.items()
    }
    return replace(image, planes=planes, channels=inner, depth=image.unknown * image.depth)


def _check_photometric(image: TiffImage, path: Path, *, colour: bool) -> None:
    """Refuse pixels that are not intensities."""
    name = photometric(image.key)
    if name in COLOURS:
        decoded = name == "RGB" or (name == "YCBCR" and image.key.compression in JPEG)
        if colour and decoded and image.samples >= 3:
            return
        chosen = "; if its colours are fluorescence channels, choose one, such as `channel='blue'`"
        raise SlideError(
            f"{path}: a colour image ({name}), as brightfield microscopes write it, and the networks "
            f"know nuclei in fluorescence only{chosen if decoded else ''}"
        )
    if name == "PALETTE":
        if not _rises(image.key.colormap):
            raise SlideError(
                f"{path}: a PALETTE image whose colours do not rise with its values, so that these are "
                f"no intensities; save the nuclei channel as a grey TIFF first"
            )
    elif name != "MINISBLACK":
        inverted = ", where 0 is white" if name == "MINISWHITE" else ""
        raise SlideError(
            f"{path}: a {name} image{inverted}; nuclei stains are single channels where 0 is dark: save "
            f"the nuclei channel as a grey TIFF first"
        )


def _rises(colormap: Any) -> bool:
    """Whether a palette grows brighter with the value, as a grey or a one-coloured look-up table does."""
    colours = np.asarray(colormap if colormap is not None else (), np.int64)
    if colours.ndim != 2 or colours.shape[0] != 3 or colours.shape[1] < 2:
        return False
    steps = np.diff(colours, axis=1)
    return bool((steps >= 0).all() and np.count_nonzero(steps.sum(axis=0)) * 2 > steps.shape[1])


def level_planes(image: TiffImage, path: Path, warnings: list[str]) -> list[Planes]:
    """Planes of each level, from fine to coarse; a level that does not fit the first is left out."""
    first = {place: levels[0] for place, levels in image.planes.items()}
    levels: list[Planes] = [first]
    base = next(iter(first.values()))
    for number in range(1, min(len(levels_) for levels_ in image.planes.values())):
        planes = {place: levels_[number] for place, levels_ in image.planes.items()}
        problem = _misfit(planes, base, levels[-1])
        if problem is None:
            levels.append(planes)
        else:
            warnings.append(f"{path}: level {number} is left out: {problem}")
    return levels


def _misfit(planes: Planes, base: Plane, above: Planes) -> str | None:
    """Why a level cannot be one of an image, or None."""
    one = next(iter(planes.values()))
    finer = next(iter(above.values()))
    if any(plane.shape != one.shape or plane.dtype != base.dtype for plane in planes.values()):
        return f"its data type is {one.dtype} and not {base.dtype}, or its planes differ in size"
    if any(n >= m for n, m in zip(one.shape, finer.shape, strict=True)) or 0 in one.shape:
        return (
            f"its {one.shape[0]} x {one.shape[1]} pixels are no fewer than those of the level above"
        )
    if level_factor(base.shape, one.shape) is None:
        return f"its {one.shape[0]} x {one.shape[1]} pixels are of another form than the image"
    return next((plane.problem for plane in planes.values() if plane.problem), None)


def check_planes(
    image: TiffImage, planes: Planes, names: tuple[str, ...], path: Path, warnings: list[str]
) -> None:
    """Refuse a file that is cut short, and planes that do not fit each other.

    Raises
    ------
    SlideError
        Pixels are missing at the end of a file, or planes differ in size or data type.
    """
    base = next(iter(planes.values()))
    for (channel, z), plane in planes.items():
        if plane.shape != base.shape or plane.dtype != base.dtype:
            raise SlideError(
                f"{path}: planes of {base.shape} {base.dtype} and of {plane.shape} {plane.dtype} in one "
                f"image; save the nuclei channel as an image of its own first"
            )
        if plane.problem is not None:
            raise SlideError(
                f"{path}: cut short or damaged ({plane.problem}); copy it again from its source"
            )
        if isinstance(plane, SegmentPlane) and plane.empty:
            warnings.append(
                f"{path}: {plane.empty} of {plane.segments} tiles or strips of channel "
                f"{names[channel]}, plane {z}, hold nothing and are read as 0"
            )
    absent = [names[c] for c in range(image.channels) if missing_planes(image, c)]
    if absent:
        listed = ", ".join(absent[:MOST_LISTED])
        files = f" (in {', '.join(image.missing[:MOST_LISTED])})" if image.missing else ""
        of = "channels" if len(absent) > 1 else "channel"
        warnings.append(f"{path}: planes of the {of} {listed} are not there{files}")


def missing_planes(image: TiffImage, channel: int) -> int:
    """How many planes of a channel are not there."""
    return sum((channel, z) not in image.planes for z in range(image.depth))
