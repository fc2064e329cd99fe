"""The region of interest: where a reference says anything at all.

A region is told in words: ``near-spots:UM``, the cells within UM micrometres of a spot, or the path
of a polygon in pixels of the slide's level 0 (GeoJSON, such as QuPath exports, or CSV). As in QuPath,
(0, 0) is the slide's outer corner and (1, 1) the other corner of its first pixel.
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
from morphinfer_training.references.densities import Floats, Mask, ReferenceGrid

NEAR_SPOTS = "near-spots:"

Ring = NDArray[np.float64]
Polygon = list[Ring]


def find_region(told: str | None, counts: Floats, grid: ReferenceGrid) -> Mask:
    """Cells of the region of interest; all of them where none is told.

    Parameters
    ----------
    told : str or None
        'near-spots:UM', or the path of a .geojson, .json or .csv file.
    counts : ndarray of float32, shape ``grid.shape``
        All spots in each cell.
    grid : ReferenceGrid
        The cells, over the slide.

    Raises
    ------
    SpotsError
        Neither form, no polygon in the file, or nothing of the slide inside it.
    """
    if told is None:
        return np.ones(grid.shape, bool)
    if told.startswith(NEAR_SPOTS):
        reach = _distance(told) / grid.pixels.pixel_size_um
        return np.asarray(distance_transform_edt(counts <= 0) <= reach, dtype=bool)
    inside = np.zeros(grid.shape, bool)
    for polygon in read_polygons(Path(told)):
        inside |= rasterise(polygon, grid)
    if not inside.any():
        raise SpotsError(
            f"{told}: no cell of the slide lies inside its polygons; the slide has "
            f"{grid.slide.shape[0]} rows (y) and {grid.slide.shape[1]} columns (x), and "
            f"coordinates are pixels of its level 0"
        )
    return inside


def _distance(told: str) -> float:
    text = told.removeprefix(NEAR_SPOTS)
    try:
        distance = float(text)
    except ValueError:
        distance = -1.0
    if not 0 <= distance < 1e6:
        raise SpotsError(
            f"`roi={told!r}`: '{text}' is no distance in micrometres; write for example "
            f"'near-spots:30'"
        )
    return distance


def read_polygons(path: Path) -> list[Polygon]:
    """Polygons of a file, each a list of rings of (x, y): the outer one and its holes."""
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
            f"{path}: neither GeoJSON nor a CSV file of x and y ({problem}); export it again"
        ) from problem
    if not polygons or any(len(ring) < 3 for rings in polygons for ring in rings):
        raise SpotsError(
            f"{path}: no Polygon or MultiPolygon of three or more corners; draw one and export it"
        )
    return polygons


def _polygons(node: Any) -> Iterator[Polygon]:
    """Polygons of a GeoJSON object or a list of them; other geometries are passed over."""
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
    """The corners of one polygon: columns x and y by name, or else the first two."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    header = [name.strip().lower() for name in rows[0]]
    first, second = (header.index("x"), header.index("y")) if {"x", "y"} <= set(header) else (0, 1)
    named = not header[first].replace(".", "", 1).replace("-", "", 1).isdigit()
    return _ring([(row[first], row[second]) for row in rows[named:]])


def rasterise(polygon: Polygon, grid: ReferenceGrid) -> Mask:
    """Cells whose centre lies inside a polygon: an odd number of edges to the left of it.

    Parameters
    ----------
    polygon : list of ndarray of float64, shape (N, 2)
        Rings of (x, y) in pixels; rings inside the first are holes.
    grid : ReferenceGrid
        The cells, over the slide.
    """
    height, width = grid.shape
    crossings = np.zeros((height, width + 1), np.uint8)
    scale = grid.slide.pixel_size_um / grid.pixels.pixel_size_um
    for ring in polygon:
        # In pixels of the grid, an integer being a centre; centres on an edge lie behind it.
        corners = ring * scale - 0.5 - TIE
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            low, high = sorted((y0, y1))
            rows = np.arange(max(0, np.ceil(low)), min(height, np.ceil(high)), dtype=np.intp)
            cols = np.ceil(x0 + (rows - y0) * (x1 - x0) / (y1 - y0))
            crossings[rows, np.clip(cols, 0, width).astype(np.intp)] ^= 1
    return np.asarray(np.bitwise_xor.accumulate(crossings, axis=1)[:, :width], dtype=bool)
