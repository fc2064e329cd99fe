"""The region of interest: the part of a slide that a reference labels.

It is ``near-spots:UM``, everything within UM micrometres of a spot, or the path of a file with polygons
in pixels of level 0 of the slide: GeoJSON, as exported by QuPath, or CSV. As in QuPath, (0, 0) is the
outer corner of the slide and (1, 1) the opposite corner of its first pixel.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from morphinfer.errors import SpotsError
from morphinfer.geometry import TIE
from morphinfer_training.reference_grid import Floats, Mask, ReferenceGrid

NEAR_SPOTS = "near-spots:"

Ring = NDArray[np.float64]
Polygon = list[Ring]


def find_region(roi: str | None, counts: Floats, grid: ReferenceGrid) -> Mask:
    """Mask of the region of interest.

    Parameters
    ----------
    roi : str or None
        'near-spots:UM', the path of a .geojson, .json or .csv file, or None for the whole slide.
    counts : ndarray of float32, shape ``grid.shape``
        Number of spots in each pixel of the reference.
    grid : ReferenceGrid
        The reference.

    Returns
    -------
    ndarray of bool, shape ``grid.shape``
        Whether each pixel is inside.

    Raises
    ------
    SpotsError
        ``roi`` has neither form, the file contains no polygon, or the region is off the slide.
    """
    if roi is None:
        return np.ones(grid.shape, bool)
    if roi.startswith(NEAR_SPOTS):
        reach = _distance(roi) / grid.pixels.pixel_size_um
        return np.asarray(distance_transform_edt(counts <= 0) <= reach, dtype=bool)
    inside = np.zeros(grid.shape, bool)
    for polygon in read_polygons(Path(roi)):
        inside |= rasterise(polygon, grid)
    if not inside.any():
        raise SpotsError(
            f"{roi}: its polygons contain no part of the slide; the slide has "
            f"{grid.slide.shape[0]} rows (y) and {grid.slide.shape[1]} columns (x), and "
            f"coordinates must be pixels of its level 0"
        )
    return inside


def _distance(roi: str) -> float:
    text = roi.removeprefix(NEAR_SPOTS)
    try:
        distance = float(text)
    except ValueError:
        distance = -1.0
    if not 0 <= distance < 1e6:
        raise SpotsError(
            f"`roi={roi!r}`: '{text}' is not a distance in micrometres; write for example "
            f"'near-spots:30'"
        )
    return distance


def read_polygons(path: Path) -> list[Polygon]:
    """Polygons of a GeoJSON or CSV file.

    Returns
    -------
    list of list of ndarray of float64, shape (N, 2)
        Rings of (x, y) of each polygon: the outer ring, then its holes.

    Raises
    ------
    SpotsError
        The file does not exist, cannot be parsed, or contains no polygon.
    """
    if not path.is_file():
        raise SpotsError(
            f"`roi={str(path)!r}`: no such file; name a GeoJSON or CSV file, or write near-spots:UM"
        )
    try:
        if path.suffix.lower() == ".csv":
            polygons = [[_csv_ring(path)]]
        else:
            polygons = list(_polygons(json.loads(path.read_text(encoding="utf-8"))))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
        raise SpotsError(
            f"{path}: neither GeoJSON nor a CSV file with x and y ({problem}); export it again"
        ) from problem
    if not polygons or any(len(ring) < 3 for rings in polygons for ring in rings):
        raise SpotsError(
            f"{path}: no Polygon or MultiPolygon with three or more corners; draw one and export it"
        )
    return polygons


def _polygons(node: Any) -> Iterator[Polygon]:
    """Polygons of a GeoJSON object or of a list of objects; other geometries are ignored."""
    if isinstance(node, list):
        for entry in node:
            yield from _polygons(entry)
        return
    kind = node["type"]
    if kind == "FeatureCollection":
        yield from _polygons(node["features"])
    elif kind == "Feature":
        if node["geometry"] is not None:
            yield from _polygons(node["geometry"])
    elif kind == "GeometryCollection":
        yield from _polygons(node["geometries"])
    elif kind == "Polygon":
        yield [_ring(ring) for ring in node["coordinates"]]
    elif kind == "MultiPolygon":
        for rings in node["coordinates"]:
            yield [_ring(ring) for ring in rings]


def _ring(points: Any) -> Ring:
    return np.array([[float(x) for x in point[:2]] for point in points], np.float64).reshape(-1, 2)


def _csv_ring(path: Path) -> Ring:
    """Corners of one polygon: columns x and y, or the first two columns if they have other names."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    header = [name.strip().lower() for name in rows[0]]
    first, second = (header.index("x"), header.index("y")) if {"x", "y"} <= set(header) else (0, 1)
    named = not header[first].replace(".", "", 1).replace("-", "", 1).isdigit()
    return _ring([(row[first], row[second]) for row in rows[named:]])


def rasterise(polygon: Polygon, grid: ReferenceGrid) -> Mask:
    """Mask of the pixels whose centre is inside a polygon, by the number of edges to the left of it.

    Parameters
    ----------
    polygon : list of ndarray of float64, shape (N, 2)
        Rings of (x, y) in pixels of the slide; rings inside the first are holes.
    grid : ReferenceGrid
        The reference.

    Returns
    -------
    ndarray of bool, shape ``grid.shape``
        Whether the number of edges is odd. A centre on an edge is on the far side of it.
    """
    height, width = grid.shape
    crossings = np.zeros((height, width + 1), np.uint8)
    scale = grid.slide.pixel_size_um / grid.pixels.pixel_size_um
    for ring in polygon:
        # In pixels of the reference with integers at centres; the shift puts ties behind the edge.
        corners = ring * scale - 0.5 - TIE
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            low, high = sorted((y0, y1))
            rows = np.arange(max(0, np.ceil(low)), min(height, np.ceil(high)), dtype=np.intp)
            cols = np.ceil(x0 + (rows - y0) * (x1 - x0) / (y1 - y0))
            crossings[rows, np.clip(cols, 0, width).astype(np.intp)] ^= 1
    return np.asarray(np.bitwise_xor.accumulate(crossings, axis=1)[:, :width], dtype=bool)
