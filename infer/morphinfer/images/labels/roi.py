"""Regions of interest: polygons in a file that say which part of a slide counts.

GeoJSON (RFC 7946), as QuPath exports it, or CSV with x and y, as a selection of Xenium Explorer. The
coordinates are pixels of level 0 of the slide, where (0, 0) is the outer corner of the slide and (1, 1)
the opposite corner of its first pixel; or micrometres in the world coordinates of the slide: with
'um:' before the path, or in a CSV file that says so, by columns such as x_um or by an area in µm².
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import RoiError
from morphinfer.geometry import TIE, PixelGrid, TileGrid, Window
from morphinfer.images.labels.polygons import Ring, fill, geojson_rings
from morphinfer.limits import parse_json
from morphinfer.names import nearest_name

UM = "um:"
"""Before the path of a file whose coordinates are micrometres."""
BAND = 2048
"""Side of the tiles in which pixels are counted, which bounds the memory."""
IN_UM = re.compile(r"[µμu]m\b|micron|micromet", re.IGNORECASE)
GROUPS = ("polygon", "selection", "roi", "group", "id", "name")
"""Names of the column of a CSV file whose values keep polygons apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Roi:
    """The inside of some polygons."""

    path: Path
    """The file."""
    sha256: str
    """Hash of the file."""
    unit: Literal["pixel", "micrometer"]
    """Unit of its coordinates."""
    polygons: tuple[tuple[Ring, ...], ...]
    """Corners as (row, column) in micrometres in the frame of the slide: outer rings, and holes."""

    def mask(self, grid: PixelGrid, window: Window | None = None) -> NDArray[np.bool_]:
        """Whether the centre of each pixel of a grid, or of a window of it, is inside.

        A centre on an edge is on the far side of it, whatever rounding made of the edge.
        """
        window = window or Window(0, 0, *grid.shape)
        inside = np.zeros((window.height, window.width), np.bool_)
        for polygon in self.polygons:
            rings = [(r - grid.corner_um) / grid.pixel_size_um - 0.5 - TIE for r in polygon]
            least = np.min([ring.min(axis=0) for ring in rings], axis=0)
            most = np.max([ring.max(axis=0) for ring in rings], axis=0)
            top, left = np.clip(np.floor(least) - (window.row, window.col), 0, inside.shape)
            bottom, right = np.clip(np.ceil(most) + 1 - (window.row, window.col), 0, inside.shape)
            part = inside[int(top) : int(bottom), int(left) : int(right)]
            part |= fill(rings, window.row + int(top), window.col + int(left), part.shape)
        return inside

    def count(self, grid: PixelGrid) -> int:
        """Number of pixels of a grid whose centre is inside."""
        bands = (band for row in TileGrid(*grid.shape, BAND).bands() for band in row)
        return sum(int(np.count_nonzero(self.mask(grid, band))) for band in bands)

    def record(self) -> dict[str, Any]:
        """What a run record keeps of it, in JSON values."""
        return {
            "file": self.path.name,
            "sha256": self.sha256,
            "unit": self.unit,
            "polygons": len(self.polygons),
        }


def roi_file(roi: str) -> tuple[str, str]:
    """The prefix of a region of interest, if it has one, and the path of its file.

    >>> roi_file("um:selection.csv")
    ('um:', 'selection.csv')
    """
    return (UM, roi.removeprefix(UM)) if roi.startswith(UM) else ("", roi)


def open_roi(roi: str | Path, frame: PixelGrid) -> Roi:
    """A region of interest on a slide.

    Parameters
    ----------
    roi : str or Path
        Path of a GeoJSON or CSV file; 'um:' before it says that its coordinates are micrometres.
    frame : PixelGrid
        Level 0 of the slide.

    Raises
    ------
    RoiError
        The file cannot be read, contains no polygon, or none of it lies on the slide.
    """
    prefix, name = roi_file(str(roi))
    path = Path(name)
    if not path.is_file():
        raise RoiError(
            f"`roi={str(path)!r}`: no such file{nearest_name(path)}; name a GeoJSON or CSV file"
        )
    content = path.read_bytes()
    in_um = bool(prefix)
    try:
        if path.suffix.lower() == ".csv":
            polygons, named_um = _csv_polygons(content.decode("utf-8-sig"))
            in_um |= named_um
        else:
            found = _geojson_polygons(parse_json(content, "MOST_ANNOTATIONS_MB"))
            polygons = [rings for rings in found if rings]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as problem:
        raise RoiError(
            f"{path}: neither GeoJSON nor a CSV file with x and y ({problem}); export it again"
        ) from problem
    if not polygons or any(len(ring) < 3 for rings in polygons for ring in rings):
        raise RoiError(
            f"{path}: no Polygon or MultiPolygon with three or more corners; draw one and export it"
        )
    if not all(np.isfinite(ring).all() for rings in polygons for ring in rings):
        raise RoiError(f"{path}: a corner is not a finite number; export it again")
    side = 1.0 if in_um else frame.pixel_size_um
    corner = (0.0, 0.0) if in_um else frame.corner_um
    placed = tuple(tuple(ring[:, ::-1] * side + corner for ring in rings) for rings in polygons)
    _check_place(placed, path, frame, in_um=in_um)
    unit: Literal["pixel", "micrometer"] = "micrometer" if in_um else "pixel"
    return Roi(path, hashlib.sha256(content).hexdigest(), unit, placed)


def _check_place(
    polygons: Sequence[Sequence[Ring]], path: Path, frame: PixelGrid, *, in_um: bool
) -> None:
    """Refuse polygons that all lie off the slide."""
    top, left, bottom, right = frame.extent_um
    for rings in polygons:
        least, most = rings[0].min(axis=0), rings[0].max(axis=0)
        if most[0] > top and least[0] < bottom and most[1] > left and least[1] < right:
            return
    raise RoiError(
        f"{path}: its polygons contain no part of the slide, which has {frame.shape[0]} rows (y) and "
        f"{frame.shape[1]} columns (x) of {frame.pixel_size_um:g} micrometres; coordinates are taken as "
        + (
            "micrometres"
            if in_um
            else f"pixels of its level 0: write {UM}{path.name} if they are micrometres"
        )
    )


def _geojson_polygons(node: Any) -> Iterator[list[Ring]]:
    """Polygons of a GeoJSON object or of a list of objects; other geometries are ignored."""
    if isinstance(node, list):
        for entry in node:
            yield from _geojson_polygons(entry)
    elif node["type"] == "FeatureCollection":
        yield from _geojson_polygons(node["features"])
    elif node["type"] == "Feature":
        yield from [] if node["geometry"] is None else _geojson_polygons(node["geometry"])
    elif node["type"] == "GeometryCollection":
        yield from _geojson_polygons(node["geometries"])
    else:
        yield from geojson_rings(node)


def _csv_polygons(text: str) -> tuple[list[list[Ring]], bool]:
    """Polygons of a CSV file, and whether it says that they are in micrometres.

    Columns x and y, with or without a unit; the first two columns if they have other names. Lines that
    begin with '#' are comments.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    comments = " ".join(line for line in lines if line.startswith("#"))
    lines = [line for line in lines if not line.startswith("#")]
    delimiter = max(",;\t", key=lines[0].count)
    rows = [[value.strip() for value in row] for row in csv.reader(lines, delimiter=delimiter)]
    header = [name.lower() for name in rows[0]]
    axes = [re.split(r"[^a-z]", name, maxsplit=1)[0] for name in header]
    first, second = (axes.index("x"), axes.index("y")) if {"x", "y"} <= {*axes} else (0, 1)
    named = not header[first].replace(".", "", 1).replace("-", "", 1).isdigit()
    groups = [header.index(name) for name in GROUPS if named and name in header]
    corners: dict[str, list[tuple[float, float]]] = {}
    for row in rows[named:]:
        group = row[groups[0]] if groups else ""
        corners.setdefault(group, []).append((float(row[first]), float(row[second])))
    in_um = bool(IN_UM.search(" ".join([comments, *([header[first]] if named else [])])))
    return [[np.array(each, np.float64).reshape(-1, 2)] for each in corners.values()], in_um
