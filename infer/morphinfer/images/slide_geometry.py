"""Where the levels of a slide lie: pixel sizes and outer corners, in micrometres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images.addresses import Address
from morphinfer.images.ngff import UM_PER_UNIT, Multiscale
from morphinfer.images.slide_checks import check_pixel_size


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a slide."""

    array: Any
    """zarr array or ndarray, of any legal axis order."""
    grid: PixelGrid
    """Its pixels, and where they lie."""
    chunk: tuple[int, int]
    """Rows and columns of a chunk on disk."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.shape

    @property
    def pixel_size_um(self) -> float:
        """Side of a pixel in micrometres."""
        return self.grid.pixel_size_um


def pixel_sizes(meta: Multiscale, path: Address | Path, stated: float | None) -> list[float]:
    """Pixel size of each level in micrometres; a stated one rescales all levels alike.

    Raises
    ------
    SlideError
        The pixels are not square, or their size is not known.
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
        unit_text = f"unit '{unit}'" if unit else "no unit"
        raise SlideError(
            f"{path}: no pixel size (scale {scale_row:g} with {unit_text}); state it in micrometres, "
            f"for example `pixel_size_um=0.325`"
        )
    sizes = [d.scale[row] * UM_PER_UNIT[unit] for d in meta.datasets]
    check_pixel_size(sizes[0], str(path))
    return sizes


def place_levels(meta: Multiscale, arrays: list[Any], sizes: list[float]) -> list[Level]:
    """The levels at their places; where no two translations differ, they share their corner."""
    row, col = meta.axes.index("y"), meta.axes.index("x")
    um_per_scale = sizes[0] / meta.datasets[0].scale[row]

    def corner_um(translation: tuple[float, ...] | None, size: float) -> tuple[float, float]:
        y, x = (translation[row], translation[col]) if translation else (0.0, 0.0)
        return y * um_per_scale - size / 2, x * um_per_scale - size / 2

    translations = [d.translation for d in meta.datasets]
    differ = translations[0] is not None and len(set(translations)) > 1
    shared_um = corner_um(translations[0], sizes[0])
    levels = []
    for array, size, translation in zip(arrays, sizes, translations, strict=True):
        corner = corner_um(translation, size) if differ and translation else shared_um
        shape, chunk = ((sides[row], sides[col]) for sides in (array.shape, array.chunks))
        levels.append(Level(array, PixelGrid(shape, size, corner), chunk))
    return levels
