"""Polygons with classes as a label image: drawn window by window, on the grid of another image.

A pixel belongs to a polygon if its centre lies inside, by the even-odd rule over the polygon's rings, so
that inner rings are holes. Where polygons of different classes overlap, the later one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.geometry import PixelGrid

POLYGONS = ("Polygon", "MultiPolygon")
"""Types of GeoJSON geometries that have an area."""
Ring = NDArray[np.float64]
"""Corners of a ring as (row, column), shape (N, 2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One polygon, in pixels of a grid; integers are centres of pixels."""

    value: int
    """Value of its class."""
    rings: tuple[Ring, ...]
    """Outer ring, and holes."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First and one past the last row, and the same of columns, that it may touch."""
        least = np.floor(np.min([ring.min(axis=0) for ring in self.rings], axis=0)).astype(int)
        most = np.ceil(np.max([ring.max(axis=0) for ring in self.rings], axis=0)).astype(int) + 1
        return int(least[0]), int(most[0]), int(least[1]), int(most[1])


class PolygonArray:
    """Polygons as an array of uint8 that is read by slices; `UNLABELLED` outside of all."""

    dtype = np.dtype(np.uint8)

    def __init__(self, polygons: Sequence[Polygon], shape: tuple[int, int], chunk: int) -> None:
        self.shape = shape
        self.chunks = (min(chunk, shape[0]), min(chunk, shape[1]))
        self.ndim = 2
        self._drawn = [(polygon, polygon.box) for polygon in polygons]

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[np.uint8]:
        return self.draw(index)[0]

    def draw(self, index: tuple[slice, slice]) -> tuple[NDArray[np.uint8], int]:
        """The classes of a window, and in how many pixels one class was drawn over another."""
        rows, cols = (each.indices(side) for each, side in zip(index, self.shape, strict=True))
        values = np.full((rows[1] - rows[0], cols[1] - cols[0]), UNLABELLED, np.uint8)
        covered = 0
        for polygon, box in self._drawn:
            top, bottom = max(rows[0], box[0]), min(rows[1], box[1])
            left, right = max(cols[0], box[2]), min(cols[1], box[3])
            if top >= bottom or left >= right:
                continue
            part = values[top - rows[0] : bottom - rows[0], left - cols[0] : right - cols[0]]
            inside = fill(polygon.rings, top, left, part.shape)
            covered += int(((part != UNLABELLED) & (part != polygon.value) & inside).sum())
            part[inside] = polygon.value
        return values, covered


def fill(rings: Sequence[Ring], top: int, left: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels of a window have their centre inside an odd number of rings.

    Parameters
    ----------
    rings : sequence of ndarray of float64, shape (N, 2)
        Corners as (row, column); the last one is joined to the first.
    top, left : int
        First row and column of the window.
    shape : tuple of int
        Its rows and columns.

    Examples
    --------
    >>> square = np.array([(-0.5, -0.5), (-0.5, 1.5), (1.5, 1.5), (1.5, -0.5)])
    >>> fill([square], 0, 0, (3, 3)).astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 0]])
    """
    crossings = np.zeros((shape[0], shape[1] + 1), np.uint32)
    for ring in rings:
        start, end = ring, np.roll(ring, -1, axis=0)
        low, high = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
        first = np.clip(np.ceil(low - top), 0, shape[0]).astype(np.int64)
        counts = np.clip(np.ceil(high - top), 0, shape[0]).astype(np.int64) - first
        edge = np.repeat(np.arange(len(ring)), counts)
        within = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
        row = first[edge] + within
        run = end[edge] - start[edge]
        col = start[edge, 1] + (row + top - start[edge, 0]) * run[:, 1] / run[:, 0]
        place = np.clip(np.ceil(col - left), 0, shape[1]).astype(np.int64)
        np.add.at(crossings, (row, place), 1)
    odd: NDArray[np.bool_] = np.cumsum(crossings[:, :-1], axis=1) % 2 == 1
    return odd


def geojson_rings(geometry: Mapping[str, Any]) -> Iterator[list[NDArray[np.float64]]]:
    """Rings of (x, y), each of shape (N, 2), of every polygon of a GeoJSON geometry; none of another type."""
    if geometry["type"] not in POLYGONS:
        return
    parts = geometry["coordinates"]
    for part in [parts] if geometry["type"] == "Polygon" else parts:
        yield [
            np.array([[float(x) for x in point[:2]] for point in ring], np.float64).reshape(-1, 2)
            for ring in part
        ]


def on_grid(points: NDArray[np.float64], frame: PixelGrid, grid: PixelGrid) -> Ring:
    """Corners in pixels of a slide as (row, column), brought to the pixels of another grid.

    Parameters
    ----------
    points : ndarray of float64, shape (N, 2)
        x and y in pixels of ``frame``, from its outer corner.
    frame : PixelGrid
        Level 0 of the slide.
    grid : PixelGrid
        The other grid; there integers are centres of pixels.
    """
    corner = np.subtract(frame.corner_um, grid.corner_um)
    return (points[:, ::-1] * frame.pixel_size_um + corner) / grid.pixel_size_um - 0.5
