"""Pixel size and corner of a level in micrometres, by the scale, translation and units of its metadata."""

from __future__ import annotations

import math
from collections.abc import Sequence

from morphinfer.errors import SlideError
from morphinfer.images.ngff import Dataset, Multiscale, um_per_unit
from morphinfer.images.slides.checks import check_pixel_size

SQUARE_TOLERANCE = 0.01


def pixel_size(meta: Multiscale, dataset: Dataset, path: str, stated_um: float | None) -> float:
    """Pixel size of level 0 in micrometres, as stated or by its scale and units.

    Raises
    ------
    SlideError
        The pixels are mirrored or not square, or their size is not known.
    """
    places = [meta.axes.index(axis) for axis in "yx"]
    mirrored = [
        a for a, p in zip("yx", places, strict=True) if dataset.scale and dataset.scale[p] < 0
    ]
    if mirrored:
        raise SlideError(
            f"{path}: axis {' and '.join(mirrored)} is mirrored (scale {dataset.scale}), which is not "
            f"supported; flip the image along it and write it with a positive scale"
        )
    if stated_um is not None:
        check_pixel_size(stated_um, path)
    scale = usable_scale(dataset.scale, places)
    ums = length_units(meta)
    if scale is None:
        found = (
            "no scale"
            if dataset.scale is None
            else "scale {} by {}".format(*(f"{dataset.scale[p]:g}" for p in places))
        )
    else:
        sizes = (scale[0] * ums[0], scale[1] * ums[1]) if ums else scale
        alike = [sizes] if stated_um is None else [sizes, scale]
        if all(abs(row / col - 1) > SQUARE_TOLERANCE for row, col in alike):
            raise SlideError(
                f"{path}: pixels of {sizes[0]:g} by {sizes[1]:g}; they must be square within 1 %; "
                f"resample the image first"
            )
        if stated_um is None and ums:
            check_pixel_size(sizes[0], path)
            return sizes[0]
        units = [meta.units[p] for p in places if um_per_unit(meta.units[p]) is None]
        found = f"scale {scale[0]:g} with {f'unit {units[0]!r}' if any(units) else 'no unit'}"
    if stated_um is not None:
        return stated_um
    raise SlideError(
        f"{path}: no pixel size ({found}{_version_hint(meta)}); state it in micrometres, for example "
        f"`pixel_size_um=0.325`"
    )


def _version_hint(meta: Multiscale) -> str:
    old = meta.stated_version < "0.4"
    return f"; NGFF {meta.stated_version} has none, 0.4 and 0.5 have" if old else ""


def length_units(meta: Multiscale) -> tuple[float, float] | None:
    """Micrometres of the units along y and x where both are known."""
    row, col = (um_per_unit(meta.units[meta.axes.index(axis)]) for axis in "yx")
    return None if row is None or col is None else (row, col)


def usable_scale(
    scale: Sequence[float] | None, places: Sequence[int]
) -> tuple[float, float] | None:
    """Scales along y and x where both are above 0 and finite."""
    if scale is None:
        return None
    row, col = (scale[p] for p in places)
    return (row, col) if 0 < row < math.inf and 0 < col < math.inf else None


def corner_um(
    translation: Sequence[float] | None,
    um_per_scale: tuple[float, float] | None,
    size: float,
    places: tuple[int, int],
) -> tuple[float, float] | None:
    """Outer corner by the centre of pixel (0, 0); None where that is not finite."""
    shift = [translation[p] for p in places] if translation and um_per_scale else [0.0, 0.0]
    row, col = (n * um - size / 2 for n, um in zip(shift, um_per_scale or (1.0, 1.0), strict=True))
    return (row, col) if math.isfinite(row) and math.isfinite(col) else None
