"""Levels of TIFF images: how much coarser they are, and pages of their own that are levels of another."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from morphinfer.geometry import ceil_div
from morphinfer.images.tiff.images import TiffImage
from morphinfer.images.tiff.planes import Plane

SAME_SIZE = 0.01
"""Share by which the resolution tags of two levels may differ from the ratio of their sides."""


def level_factor(shape: tuple[int, int], coarse: tuple[int, int]) -> float | None:
    """Side of a pixel of a level in pixels of the first; None where the two are of different form.

    Sides are rounded down or up when an image is halved, so a whole factor that fits is preferred.

    >>> level_factor((1001, 701), (500, 351)), level_factor((900, 900), (600, 600))
    (2.0, 1.5)
    """
    ratios = [n / m for n, m in zip(shape, coarse, strict=True)]
    whole = round(max(ratios))
    if all(n // whole <= m <= ceil_div(n, whole) for n, m in zip(shape, coarse, strict=True)):
        return float(whole)
    factor = max(ratios)
    off = max(abs(n / factor - m) for n, m in zip(shape, coarse, strict=True))
    return factor if off <= 1 else None


def fold_levels(images: list[TiffImage]) -> list[TiffImage]:
    """The images without those that are coarser levels of the largest, which it takes.

    Some writers store a pyramid as separate pages, from small to large or from large to small. A page is
    taken for a level if it is marked as reduced, or if its resolution tag states a pixel that is as
    much larger as its sides are shorter.
    """
    readable = [image for image in images if image.problem is None and image.ome is None]
    if len(readable) < 2:
        return images
    base = max(readable, key=lambda image: prod(image.shape))
    coarser = sorted(
        (image for image in readable if _is_level(image, base)),
        key=lambda image: -prod(image.shape),
    )
    if not coarser or any(len(levels) > 1 for levels in base.planes.values()):
        return images
    planes: dict[tuple[int, int], tuple[Plane, ...]] = {
        place: (*levels, *(image.planes[place][0] for image in coarser))
        for place, levels in base.planes.items()
    }
    folded = {id(base): replace(base, planes=planes)}
    return [
        folded.get(id(image), image)
        for image in images
        if not any(image is level for level in coarser)
    ]


def _is_level(image: TiffImage, base: TiffImage) -> bool:
    """Whether an image is a coarser level of another."""
    same = (
        image.planes.keys() == base.planes.keys()
        and image.unknown == base.unknown
        and image.key.dtype == base.key.dtype
        and image.key.photometric == base.key.photometric
        and not image.is_extra
    )
    factor = level_factor(base.shape, image.shape)
    if not same or factor is None or factor <= 1:
        return False
    fine, coarse = _resolution(base.key), _resolution(image.key)
    if fine is None or coarse is None:
        return bool(image.key.is_reduced)
    return abs(fine / coarse / factor - 1) < SAME_SIZE


def _resolution(page: Any) -> float | None:
    """Pixels in a unit of length along a row; None without one, or where it is 1, as a default is."""
    tag = page.tags.get("XResolution")
    pixels, units = tag.value if tag is not None else (0, 1)
    return pixels / units if pixels and units and pixels != units else None
