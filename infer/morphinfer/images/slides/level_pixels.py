"""Whether the pixels of a coarser level are those of level 0, shrunk: where to look, and what was seen.

A few windows are compared (`level_windows`): where chunks of the level are absent, where the slide has most
contrast, where the coarsest level has none, and then places spread evenly, until enough of them have
structure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images.slides.level_windows import GREY_TOLERANCE, Comparison, compare_window
from morphinfer.images.slides.levels import Level

Read = Callable[[Window, int], NDArray[Any]]
"""Reads a window of the level of an index."""
ReadLevel = Callable[[Window], NDArray[Any]]
Place = tuple[float, float]
"""Parts of height and width."""

SIDE_PX = 64
"""Side of a window of the coarser level."""
REGION_PX = 1024
"""Side, in pixels of level 0, of the region out of which a window is chosen."""
GUIDE_PX = 4_000_000
"""Pixels of the coarsest level if it is to show where to look."""
SECTIONS = 2
"""Rows and columns of parts of the slide; the place of most contrast in each is looked at first."""
BATCH = SECTIONS**2
"""Windows that are read side by side."""
MOST_BATCHES = 4
ENOUGH = 2
"""Windows with structure that must agree; no further batch is read then."""
SPREAD = (0.7548776662466927, 0.5698402909980532)
"""Steps of the R2 sequence (Roberts, 2018), which spreads points evenly over a square."""


def compare_levels(
    levels: Sequence[Level], index: int, read: Read, first: Sequence[Place] = ()
) -> str | None:
    """How the pixels of a level differ from those of level 0.

    Parameters
    ----------
    levels : sequence of Level
        Level 0 first.
    index : int
        The coarser level.
    read : callable
        Reads a window of a level, one plane of one channel.
    first : sequence of tuple of float
        Where to look first, as parts of height and width.

    Returns
    -------
    str or None
        None where windows with structure agree. Else what differs, or that level 0 shows no structure by
        which the level could be verified.

    Notes
    -----
    Windows in which level 0 cannot be read are passed over; the level that is used is read, not they.
    """
    fine, coarse = levels[0], levels[index]
    agreeing = looked_at = 0

    def look(place: Place) -> Comparison | None:
        return _compare_at(fine, coarse, place, lambda w: read(w, 0), lambda w: read(w, index))

    with ThreadPoolExecutor(BATCH, "morphinfer-level") as pool:
        for batch in chain([first], _batches(levels, read)):
            for result in pool.map(look, batch):
                if result is None:
                    continue
                if result.problem is not None:
                    return result.problem
                looked_at += 1
                agreeing += result.structured
            if agreeing >= ENOUGH:
                return None
    if agreeing:
        return None
    return f"level '{fine.path}' shows no structure in {looked_at} windows by which it could be verified"


def _batches(levels: Sequence[Level], read: Read) -> Iterator[list[tuple[float, float]]]:
    """Where to look, as parts of height and width: where the coarsest level has contrast, then evenly."""
    coarsest = levels[-1]
    batches = MOST_BATCHES
    if math.prod(coarsest.shape) <= GUIDE_PX:
        try:
            guide = read(Window(0, 0, *coarsest.shape), len(levels) - 1)
        except SlideError:
            pass  # without a guide, places are spread evenly
        else:
            yield _telling(guide)
            batches -= 1
    points = [
        ((0.5 + k * SPREAD[0]) % 1, (0.5 + k * SPREAD[1]) % 1) for k in range(batches * BATCH)
    ]
    yield from (points[k : k + BATCH] for k in range(0, len(points), BATCH))


def _telling(guide: NDArray[Any]) -> list[tuple[float, float]]:
    """Places to look at in each part of an image: of most contrast, and one without any, if it has both.

    A part that a writer has left blank is constant; so is a frame around the slide.
    """
    contrast = _contrasts(guide, max(1, max(guide.shape) // 64))
    height, width = contrast.shape
    places = []
    for rows, cols in product(*(_halves(n) for n in contrast.shape)):
        part = contrast[rows, cols]
        flat = np.argwhere(part == 0)
        if len(flat) < part.size:
            places.append(
                (rows.start, cols.start, *np.unravel_index(int(part.argmax()), part.shape))
            )
        if len(flat):
            off = np.abs(flat - np.array(part.shape) // 2).sum(axis=1)
            places.append((rows.start, cols.start, *flat[int(off.argmin())]))
    return [((r0 + r + 0.5) / height, (c0 + c + 0.5) / width) for r0, c0, r, c in places]


def _halves(count: int) -> list[slice]:
    edges = [count * k // SECTIONS for k in range(SECTIONS + 1)]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


def _contrasts(image: NDArray[Any], block: int) -> NDArray[np.float32]:
    """Largest minus smallest value of each block of ``block`` x ``block`` pixels."""
    finite = np.nan_to_num(image.astype(np.float32))
    rows, cols = (np.arange(0, n, block) for n in image.shape)
    low, high = (
        extreme.reduceat(extreme.reduceat(finite, rows, axis=0), cols, axis=1)
        for extreme in (np.minimum, np.maximum)
    )
    contrast: NDArray[np.float32] = high - low
    return contrast


def _compare_at(
    fine: Level,
    coarse: Level,
    place: tuple[float, float],
    read_fine: ReadLevel,
    read_coarse: ReadLevel,
) -> Comparison | None:
    """What a window near a place has shown; None where level 0 cannot be read, or is too narrow there."""
    try:
        region = _region(fine, place)
        pixels = read_fine(region)
        window = _window_in(fine, coarse, region, pixels)
        if window is None:
            return None
        below, rows, cols = _below(fine, coarse, window)
        block = _part(pixels, region, below)
        block = read_fine(below) if block is None else block
    except SlideError:
        return None
    try:
        result = compare_window(read_coarse(window), block, rows, cols, grey=_grey(fine))
    except SlideError as problem:
        return Comparison(f"it cannot be read ({problem})", structured=False)
    if result.problem is None:
        return result
    row, col = window.row + window.height // 2, window.col + window.width // 2
    return replace(result, problem=f"around its row {row}, column {col} {result.problem}")


def _part(pixels: NDArray[Any], region: Window, part: Window) -> NDArray[Any] | None:
    """Pixels of a window that lies inside a region that was read; None where it does not."""
    row, col = part.row - region.row, part.col - region.col
    if row < 0 or col < 0 or part.row_stop > region.row_stop or part.col_stop > region.col_stop:
        return None
    return pixels[row : row + part.height, col : col + part.width]


def _region(fine: Level, place: tuple[float, float]) -> Window:
    """Part of one chunk of level 0 around a place."""
    starts, sides = [], []
    for part, size, chunk in zip(place, fine.shape, fine.chunk, strict=True):
        centre = min(int(part * size), size - 1)
        first = centre // chunk * chunk
        stop = min(first + chunk, size)
        if stop - first > REGION_PX:
            first = min(max(centre - REGION_PX // 2, first), stop - REGION_PX)
            stop = first + REGION_PX
        starts.append(first)
        sides.append(stop - first)
    return Window(*starts, *sides)


def _window_in(fine: Level, coarse: Level, region: Window, pixels: NDArray[Any]) -> Window | None:
    """Window of the coarser level where level 0 has most contrast in a region; None without room."""
    reach = SIDE_PX * coarse.pixel_size_um / fine.pixel_size_um
    step = max(1, min(pixels.shape) // 128)
    block = max(1, int(reach / 4 / step))
    contrast = _contrasts(pixels[::step, ::step], block)
    best = np.unravel_index(int(contrast.argmax()), contrast.shape)
    ranges = []
    for axis, (at, start, side) in enumerate(
        zip(best, (region.row, region.col), (region.height, region.width), strict=True)
    ):
        middle = start + (int(at) + 0.5) * block * step
        first = max(start, min(middle - reach / 2, start + side - reach))
        ranges.append(_coarse_range(fine, coarse, axis, first, first + reach))
    (row, height), (col, width) = ranges
    return Window(row, col, height, width) if height > 0 and width > 0 else None


def _coarse_range(
    fine: Level, coarse: Level, axis: int, start: float, stop: float
) -> tuple[int, int]:
    """First pixel of the coarser level, and how many, that lie inside pixels [start, stop) of level 0."""
    ratio, offset = _mapping(fine, coarse, axis)
    inside = min(stop, fine.shape[axis])
    first = max(0, math.ceil((start - offset) / ratio - 1e-6))
    last = min(coarse.shape[axis], max(first + 8, math.floor((inside - offset) / ratio + 1e-6)))
    last = min(last, math.floor((fine.shape[axis] - offset) / ratio + 1e-6))
    first = max(0, min(first, last - 8))
    return first, min(last - first, SIDE_PX)


def _mapping(fine: Level, coarse: Level, axis: int) -> tuple[float, float]:
    """Pixels of level 0 along a pixel of the coarser level, and where its pixel 0 begins."""
    between = coarse.grid.corner_um[axis] - fine.grid.corner_um[axis]
    return coarse.pixel_size_um / fine.pixel_size_um, between / fine.pixel_size_um


def _grey(level: Level) -> float:
    return GREY_TOLERANCE if np.dtype(level.array.dtype).kind in "biu" else 0.0


def _below(
    fine: Level, coarse: Level, window: Window
) -> tuple[Window, NDArray[np.intp], NDArray[np.intp]]:
    """Window of level 0 under one of the coarser level, and at which of its pixels those of that begin."""
    edges = []
    for axis, start, count in ((0, window.row, window.height), (1, window.col, window.width)):
        ratio, offset = _mapping(fine, coarse, axis)
        edge = np.rint(np.arange(start, start + count + 1) * ratio + offset).astype(np.intp)
        edges.append(np.clip(edge, 0, fine.shape[axis]))
    row, col = (int(edge[0]) for edge in edges)
    below = Window(row, col, int(edges[0][-1]) - row, int(edges[1][-1]) - col)
    return below, edges[0] - row, edges[1] - col
