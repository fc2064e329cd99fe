"""Where the levels of a slide lie: pixel sizes, corners and origin, in micrometres.

The offset of a level is that of its outer corner, not of the centre of its first pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.ngff import UM_PER_UNIT, Multiscale
from morphinfer.images.slide_checks import check_pixel_size


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a slide."""

    array: Any
    """zarr array or ndarray, of any legal axis order."""
    shape: tuple[int, int]
    """Rows and columns."""
    pixel_size_um: float
    """Side of a pixel in micrometres."""
    offset_um: tuple[float, float]
    """Outer corner of this level minus that of level 0, row and column, in micrometres."""
    chunk: tuple[int, int]
    """Rows and columns of a chunk on disk."""


def pixel_sizes(meta: Multiscale, path: Path, stated: float | None) -> list[float]:
    """Pixel size of each level in micrometres; a stated one rescales all levels alike.

    Raises
    ------
    SlideError
        The pixels are not square, or their size is neither told nor stated.
    """
    row, col = meta.axes.index("y"), meta.axes.index("x")
    scale_row, scale_col = meta.datasets[0].scale[row], meta.datasets[0].scale[col]
    if not all(0 < d.scale[axis] < math.inf for d in meta.datasets for axis in (row, col)):
        raise SlideError(
            f"{path}: scales {[d.scale for d in meta.datasets]}; they must be above 0 and finite; "
            f"write the image again with a current OME-Zarr writer"
        )
    if abs(scale_row / scale_col - 1) > 0.01:
        raise SlideError(
            f"{path}: pixels of {scale_row} by {scale_col}; they must be square within 1 %; "
            f"resample the image first"
        )
    if stated is not None:
        check_pixel_size(stated, str(path))
        return [stated * d.scale[row] / scale_row for d in meta.datasets]
    unit = (meta.units[row] or "").lower()
    if unit not in UM_PER_UNIT:
        told = f"unit '{unit}'" if unit else "no unit"
        raise SlideError(
            f"{path}: no pixel size (scale {scale_row:g} with {told}); state it in micrometres, "
            f"for example `pixel_size_um=0.325`"
        )
    sizes = [d.scale[row] * UM_PER_UNIT[unit] for d in meta.datasets]
    check_pixel_size(sizes[0], str(path))
    return sizes


def place_levels(meta: Multiscale, arrays: list[Any], sizes: list[float]) -> list[Level]:
    """The levels with their offsets; where no two translations differ, they share their corner."""
    row, col = meta.axes.index("y"), meta.axes.index("x")
    um_per_scale = sizes[0] / meta.datasets[0].scale[row]
    corners = [
        [d.translation[axis] * um_per_scale - size / 2 for axis in (row, col)]
        if d.translation
        else None
        for d, size in zip(meta.datasets, sizes, strict=True)
    ]
    told = len({d.translation for d in meta.datasets}) > 1
    levels = []
    for array, size, corner in zip(arrays, sizes, corners, strict=True):
        offset = (0.0, 0.0)
        if told and corner and corners[0]:
            offset = (corner[0] - corners[0][0], corner[1] - corners[0][1])
        shape, chunk = array.shape, array.chunks
        levels.append(
            Level(array, (shape[row], shape[col]), size, offset, (chunk[row], chunk[col]))
        )
    return levels


def origin(meta: Multiscale, size: float) -> tuple[float, float]:
    """Row and column of the centre of pixel (0, 0) of level 0, in micrometres."""
    row, col = meta.axes.index("y"), meta.axes.index("x")
    translation = meta.datasets[0].translation
    if translation is None:
        return 0.0, 0.0
    um_per_scale = size / meta.datasets[0].scale[row]
    return translation[row] * um_per_scale, translation[col] * um_per_scale
