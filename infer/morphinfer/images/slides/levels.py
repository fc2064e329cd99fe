"""Where the levels of a slide lie: pixel sizes and outer corners, in micrometres.

Level 0 is the finest, and believed. A coarser level is believed where its data type, its extent and its
corner are those of level 0 (contract C9); of any other one this module says why it is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images.ngff import Dataset, Multiscale
from morphinfer.images.slides.checks import array_problem, check_array
from morphinfer.images.slides.pixel_sizes import (
    SQUARE_TOLERANCE,
    corner_um,
    length_units,
    pixel_size,
    usable_scale,
)
from morphinfer.images.slides.pixel_types import dtype_name

PLACE_TOLERANCE_PX = 1.0
"""How far extent and corner of a level may be off, in its own pixels: writers round odd sides either way."""
ROUNDING_PX = 1e-3


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a slide."""

    array: Any
    """zarr array or ndarray, of any legal axis order."""
    grid: PixelGrid
    """Its pixels, and where they lie."""
    chunk: tuple[int, int]
    """Rows and columns of a chunk on disk."""
    path: str = "0"
    """Path of the array inside the image."""
    verified: bool = False
    """Whether its pixels were compared with those of level 0."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.shape

    @property
    def pixel_size_um(self) -> float:
        """Side of a pixel in micrometres."""
        return self.grid.pixel_size_um


@dataclass(frozen=True, slots=True)
class _Base:
    """Level 0, and what the places of the others are measured by."""

    dataset: Dataset
    array: Any
    grid: PixelGrid
    um_per_scale: tuple[float, float] | None
    """Micrometres of a unit of translation along y and x; None where they have no usable unit."""
    row: int
    col: int
    """Axes y and x of the arrays."""


def place_levels(
    meta: Multiscale, arrays: Sequence[Any], path: str, stated_um: float | None
) -> tuple[list[Level], list[str]]:
    """The levels that can be believed, from fine to coarse, and a warning for each that is left out.

    Where no two translations differ, all levels share their corner.

    Parameters
    ----------
    meta : Multiscale
        What the metadata say.
    arrays : sequence
        The array of each dataset, or the `SlideError` that says why there is none.
    path : str
        The image, for messages.
    stated_um : float, optional
        Pixel size of level 0; rescales all levels alike. Factors come from the shapes where the
        metadata give no scale.

    Raises
    ------
    SlideError
        Level 0 is missing, its pixels are mirrored or not square, or their size is not known.
    """
    finest = _finest(meta, arrays, path)
    base = _base(meta, finest, arrays[finest], path, stated_um)
    level = Level(base.array, base.grid, _sides(base.array.chunks, base), base.dataset.path, True)
    levels, warnings = [level], []
    if finest:
        warnings.append(
            f"{path}: its levels are not listed from fine to coarse; level '{base.dataset.path}', the "
            f"largest, is taken as the finest"
        )
    if base.um_per_scale is None and any(base.dataset.translation or ()):
        warnings.append(
            f"{path}: its translation {base.dataset.translation} has no unit, and is not used"
        )
    for k, (dataset, array) in enumerate(zip(meta.datasets, arrays, strict=True)):
        if k == finest:
            continue
        if stated_um is None and _claims_finer(base, dataset):
            raise SlideError(
                f"{path}: level '{dataset.path}' has fewer pixels than level '{base.dataset.path}' and a "
                f"smaller scale, so that the pixel size is not known; state that of level "
                f"'{base.dataset.path}' in micrometres, for example `pixel_size_um=0.325`"
            )
        problem = _level_problem(base, array, meta)
        grid = problem or _level_grid(base, dataset, array, meta, stated_um)
        if isinstance(grid, str):
            warnings.append(f"{path}: level '{dataset.path}' is left out: {grid}")
        else:
            levels.append(Level(array, grid, _sides(array.chunks, base), dataset.path))
    return [level, *sorted(levels[1:], key=lambda v: v.pixel_size_um)], warnings


def _finest(meta: Multiscale, arrays: Sequence[Any], path: str) -> int:
    """Index of level 0: the array with most rows and columns.

    Raises
    ------
    SlideError
        It may be one that is missing, or the scales order the levels in another way.
    """
    places = [meta.axes.index(axis) for axis in "yx"]
    scales = [usable_scale(d.scale, places) for d in meta.datasets]
    smallest = min((s[0] for s in scales if s is not None), default=0.0)
    for k, (array, own) in enumerate(zip(arrays, scales, strict=True)):
        coarser = k > 0 if own is None or scales[0] is None else own[0] > smallest
        if isinstance(array, SlideError) and not coarser:
            raise array
    present = [k for k, array in enumerate(arrays) if not isinstance(array, SlideError)]
    if not present:
        raise arrays[0]

    def area(k: int) -> int:
        sides = [arrays[k].shape[p] for p in places if p < len(arrays[k].shape)]
        return math.prod(sides)

    return max(present, key=area)


def _base(meta: Multiscale, index: int, array: Any, path: str, stated_um: float | None) -> _Base:
    dataset = meta.datasets[index]
    check_array(array, "".join(meta.axes), path)
    row, col = meta.axes.index("y"), meta.axes.index("x")
    size = pixel_size(meta, dataset, path, stated_um)
    scale = usable_scale(dataset.scale, (row, col))
    um_per_scale = (size / scale[0], size / scale[1]) if scale else length_units(meta)
    corner = corner_um(dataset.translation, um_per_scale, size, (row, col))
    if corner is None:
        raise SlideError(
            f"{path}: a translation of {dataset.translation}; it must be finite; write the image again "
            f"without it"
        )
    shape = array.shape[row], array.shape[col]
    return _Base(dataset, array, PixelGrid(shape, size, corner), um_per_scale, row, col)


def _claims_finer(base: _Base, dataset: Dataset) -> bool:
    """Whether the scale of another level is smaller than that of the one with most pixels."""
    places = (base.row, base.col)
    first, own = usable_scale(base.dataset.scale, places), usable_scale(dataset.scale, places)
    return first is not None and own is not None and own[0] < first[0] * (1 - SQUARE_TOLERANCE)


def _level_problem(base: _Base, array: Any, meta: Multiscale) -> str | None:
    """Why the array of a coarser level cannot be one of this image; None where it can."""
    if isinstance(array, SlideError):
        return str(array).partition(": ")[2]
    problem = array_problem(array, "".join(meta.axes))
    if problem is not None:
        return problem
    types = [np.dtype(a.dtype).newbyteorder("=") for a in (base.array, array)]
    if types[0] != types[1]:
        return (
            f"its data type is {dtype_name(types[1])}, and that of level '{base.dataset.path}' "
            f"{dtype_name(types[0])}"
        )
    for axis, own, other in zip(meta.axes, array.shape, base.array.shape, strict=True):
        if axis in "cz" and own != other:
            return f"it has {own} planes along {axis}, and level '{base.dataset.path}' {other}"
    return None


def _level_grid(
    base: _Base, dataset: Dataset, array: Any, meta: Multiscale, stated_um: float | None
) -> PixelGrid | str:
    """Where a coarser level lies, or why it cannot be believed."""
    shape = _sides(array.shape, base)
    size = _level_size(base, dataset, shape, meta, stated_um)
    if isinstance(size, str):
        return size
    for axis, own, whole in zip("yx", shape, base.grid.shape, strict=True):
        off = own * size - whole * base.grid.pixel_size_um
        if abs(off) > (PLACE_TOLERANCE_PX + ROUNDING_PX) * size:
            return (
                f"its scale contradicts its shape: {own} pixels of {size:g} micrometres along {axis}, where "
                f"level '{base.dataset.path}' has {whole} of {base.grid.pixel_size_um:g}"
            )
    if dataset.translation is None or len({d.translation for d in meta.datasets}) == 1:
        return PixelGrid(shape, size, base.grid.corner_um)
    corner = corner_um(dataset.translation, base.um_per_scale, size, (base.row, base.col))
    limit = (PLACE_TOLERANCE_PX + ROUNDING_PX) * size
    if corner is None or any(
        abs(a - b) > limit for a, b in zip(corner, base.grid.corner_um, strict=True)
    ):
        return (
            f"its translation {[dataset.translation[p] for p in (base.row, base.col)]} puts it more than "
            f"one of its pixels away from level '{base.dataset.path}'"
        )
    return PixelGrid(shape, size, corner if base.dataset.translation else base.grid.corner_um)


def _level_size(
    base: _Base, dataset: Dataset, shape: tuple[int, int], meta: Multiscale, stated_um: float | None
) -> float | str:
    """Pixel size of a coarser level, by its scale or else by its shape; or why there is none."""
    places = (base.row, base.col)
    first, own = usable_scale(base.dataset.scale, places), usable_scale(dataset.scale, places)
    written = [dataset.scale[p] for p in places] if dataset.scale else []
    if first and own:
        if abs(own[0] / first[0] / (own[1] / first[1]) - 1) > SQUARE_TOLERANCE:
            return f"its pixels are of another form (scale {written})"
        if stated_um is not None:
            return stated_um * own[0] / first[0]
        return own[0] * (length_units(meta) or (1.0, 1.0))[0]
    if any(not 0 <= s < math.inf for s in written):
        return f"scale {written}; it must be above 0 and finite"
    factor = math.sqrt(math.prod(base.grid.shape) / math.prod(shape))
    whole = round(factor)
    fits = all(abs(n * whole - m) <= whole for n, m in zip(shape, base.grid.shape, strict=True))
    return base.grid.pixel_size_um * (whole if fits else factor)


def _sides(sides: Sequence[int], base: _Base) -> tuple[int, int]:
    return sides[base.row], sides[base.col]
