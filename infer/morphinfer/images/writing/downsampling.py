"""Levels of a pyramid: their shapes, and how 2 x 2 pixels become one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import ceil_div

Reduction = Literal["mean", "mode"]
SMALLEST_LEVEL = 256


def level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Shapes of the levels, halved (rounded up) until both sides are small.

    >>> level_shapes((600, 1025))
    [(600, 1025), (300, 513), (150, 257), (75, 129)]
    """
    shapes = [shape]
    while max(shapes[-1]) > SMALLEST_LEVEL:
        height, width = shapes[-1]
        shapes.append((ceil_div(height, 2), ceil_div(width, 2)))
    return shapes


def halve_by_mean(image: NDArray[Any]) -> NDArray[Any]:
    """Mean over 2 x 2 pixels, rounded to the data type; an odd last row or column counts twice."""
    quads = _quads(image)
    if image.dtype.kind == "f":
        exact = np.result_type(image.dtype, np.float32)
        mean: NDArray[Any] = quads.mean(axis=0, dtype=exact).astype(image.dtype, copy=False)
        return mean
    if image.dtype.itemsize == 8:  # the sum of four needs more than 64 bits
        rest = (quads & 3).sum(axis=0, dtype=image.dtype)
        return np.asarray((quads >> 2).sum(axis=0, dtype=image.dtype) + ((rest + 2) >> 2))
    unsigned = image.dtype.kind in "bu" and image.dtype.itemsize < 4
    total = quads.sum(axis=0, dtype=np.uint32 if unsigned else np.int64)
    return np.asarray(((total + 2) >> 2).astype(image.dtype))


def halve_by_mode(labels: NDArray[Any]) -> NDArray[Any]:
    """Most frequent value of 2 x 2 pixels, the smallest of those on a tie."""
    first, second, third, fourth = np.sort(_quads(labels), axis=0)
    later = np.where(second == third, second, np.where(third == fourth, third, first))
    mode: NDArray[Any] = np.where(first == second, first, later)
    return mode


def _quads(image: NDArray[Any]) -> NDArray[Any]:
    """The four pixels of each 2 x 2 block, shape (4, ceil(M / 2), ceil(N / 2))."""
    height, width = image.shape
    even = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    return np.stack([even[i::2, j::2] for i in (0, 1) for j in (0, 1)])
