"""The areas of each class as polygons that share their borders: no gaps, no overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import OutputError
from morphinfer.exports.borders import border_arcs

Polygons = NDArray[np.object_]
"""Polygons of shapely, shape (N,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Polygons that cover a label map; places are (x, y), from the outer corner of the map."""

    polygons: Polygons
    """One for each connected area of a class, with holes; positions that meet in a corner are apart."""
    values: NDArray[np.uint8]
    """Class value of each, shape (N,)."""

    def of(self, values: list[int]) -> Coverage:
        """Those of some classes."""
        kept = np.isin(self.values, values)
        return Coverage(self.polygons[kept], self.values[kept])

    def placed(self, scale: float, shift: tuple[float, float]) -> Coverage:
        """In other pixels: x and y times a scale, and shifted; to a millionth of a pixel."""

        def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.round(points * scale + shift, 6)

        return Coverage(load_shapely().transform(self.polygons, place), self.values)


def load_shapely() -> Any:
    """The module.

    Raises
    ------
    OutputError
        It is not installed.
    """
    try:
        import shapely
    except ImportError as problem:
        raise OutputError(
            'polygons need shapely, which is not installed: pip install "morphinfer[export]"'
        ) from problem
    module: ModuleType = shapely
    return module


def cover(values: NDArray[np.uint8], tolerance: float = 0, *, smooth: bool = False) -> Coverage:
    """Polygons of all areas of a label map, in positions.

    Parameters
    ----------
    values : ndarray of uint8, shape (height, width)
        Class values.
    tolerance : float
        Root of the area of the triangles that simplification removes, in positions; 0 for none. Both sides of
        a border are simplified alike, and the edge of the map stays (Visvalingam and Whyatt 1993).
    smooth : bool
        Cut the corners of the steps that positions make, by up to half a position (`Arcs.cuts`).

    Raises
    ------
    OutputError
        shapely is not installed.
    """
    shapely = load_shapely()
    arcs = border_arcs(values)
    points, arc = arcs.lines(arcs.cuts(values) if smooth else None)
    lines = shapely.linestrings(points[:, ::-1], indices=arc)
    del arcs, points, arc
    polygons = shapely.get_parts(shapely.polygonize(lines))
    del lines
    inside = values[_positions_inside(polygons)]
    if tolerance:
        polygons = shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False)
    return Coverage(polygons, inside)


def _positions_inside(polygons: Polygons) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of a position of each polygon: below its topmost corner, of several the leftmost."""
    shapely = load_shapely()
    points, polygon = shapely.get_coordinates(
        shapely.get_exterior_ring(polygons), return_index=True
    )
    order = np.lexsort((points[:, 0], points[:, 1], polygon))
    col, row = points[order[np.unique(polygon, return_index=True)[1]]].T
    return np.floor(row).astype(np.intp), np.floor(col).astype(np.intp)
