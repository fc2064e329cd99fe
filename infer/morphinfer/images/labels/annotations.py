"""Annotations as label images: polygons of a GeoJSON file, as QuPath exports them, or of SpatialData.

Source of GeoJSON: RFC 7946; coordinates are x and y in pixels of level 0 of the slide, from its outer
corner, and the class is in 'properties' under 'classification', as in QuPath 0.4 and later.
"""

from __future__ import annotations

import hashlib
import logging
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.classes import LabelClass, default_classes
from morphinfer.errors import AlignmentError, MorphinferError, SlideError
from morphinfer.geometry import PixelGrid, TileGrid
from morphinfer.images.labels.classes import check_count
from morphinfer.images.labels.label_image import LABEL_CHUNK, LabelImage
from morphinfer.images.labels.polygons import (
    POLYGONS,
    Polygon,
    PolygonArray,
    Ring,
    geojson_rings,
    on_grid,
)
from morphinfer.images.labels.shapes import FILE, is_shapes, read_shapes
from morphinfer.images.slides import Level, Slide
from morphinfer.limits import parse_json

SUFFIXES = (".geojson", ".json")
CLASS_KEYS = ("classification", "class", "label", "name")
"""Keys of the properties of a feature that can hold its class."""
MOST_OUTSIDE = 0.01
"""Share of the corners off the slide above which a warning is given."""
TILE = 4096
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Found:
    """What a file holds."""

    polygons: list[tuple[str, tuple[Ring, ...]]] = field(default_factory=list)
    colours: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, rings: Sequence[Ring]) -> None:
        """Add a polygon; ValueError where a ring is none."""
        for ring in rings:
            if not np.isfinite(ring).all() or len(ring) < 3:
                raise ValueError(f"a ring of {len(ring)} points, or with one that is no number")
        self.polygons.append((name, tuple(rings)))


def is_annotations(path: str | Path) -> bool:
    """Whether a path is that of a file of annotations, by its ending, or of shapes of SpatialData.

    >>> is_annotations("slide.geojson"), is_annotations("labels.zarr")
    (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES or is_shapes(path)


def open_annotations(
    path: str | Path, frame: PixelGrid, grid: PixelGrid, image: Path | None = None
) -> LabelImage:
    """Polygons as a label image on a grid; drawn when it is read.

    Parameters
    ----------
    path : str or Path
        A GeoJSON file, each feature of which is a polygon or several, with a class; or shapes of a
        SpatialData store, STORE/shapes/NAME (`read_shapes`).
    frame : PixelGrid
        Level 0 of the slide that was annotated.
    grid : PixelGrid
        Grid of the label image.
    image : Path, optional
        The slide itself; shapes need it to be in their store.

    Returns
    -------
    LabelImage
        Unlabelled outside of the polygons. Its classes are in the order of the file.

    Raises
    ------
    SlideError
        The file cannot be read.
    AlignmentError
        It is no GeoJSON, holds no polygon with a class, or all lie off the slide; or shapes are of
        another store than the slide.
    """
    path = Path(path)
    found = _Found()
    if is_shapes(path):
        path = path.parent if path.is_file() else path
        _read_shapes(path, found, frame, grid, image)
    else:
        _read_geojson(path, found, frame, grid)
    if not found.polygons:
        left_out = _counted(found.left_out) or "it is empty"
        raise AlignmentError(
            f"{path}: no polygon with a class ({left_out}); give each annotation a class, in QuPath before "
            f"they are exported as GeoJSON"
        )
    names = list(dict.fromkeys(name for name, _ in found.polygons))
    polygons = [Polygon(names.index(name), rings) for name, rings in found.polygons]
    array = PolygonArray(polygons, grid.shape, LABEL_CHUNK)
    try:
        check_count(len(names))
        warnings = tuple(f"{path}: {text}" for text in _warnings(found, array, frame, grid))
    except AlignmentError as problem:
        raise AlignmentError(f"{path}: {problem}") from problem
    for text in warnings:
        logger.warning("%s", text)
    file = path / FILE if path.is_dir() else path
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    level = Level(array, grid, array.chunks)
    drawn = Slide(path.name, path, (level,), "yx", (), 0, "max", "0.5", sha256, warnings=warnings)
    classes = tuple(
        LabelClass.of({"name": c.name, "colour": found.colours.get(c.name, c.colour)})
        for c in default_classes(names)
    )
    return LabelImage(drawn, classes, {}, warnings=warnings)


def _read_geojson(path: Path, found: _Found, frame: PixelGrid, grid: PixelGrid) -> None:
    try:
        content = parse_json(path.read_bytes(), "MOST_ANNOTATIONS_MB")
    except OSError as problem:
        raise SlideError(f"{path}: cannot be read ({problem.strerror})") from problem
    except ValueError as problem:
        raise AlignmentError(f"{path}: not valid JSON ({problem}); export it again") from problem
    try:
        for feature in _features(content):
            _add_feature(feature, found, frame, grid)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        raise AlignmentError(
            f"{path}: its GeoJSON is malformed ({problem!r}); export it again from QuPath"
        ) from problem


def _read_shapes(
    path: Path, found: _Found, frame: PixelGrid, grid: PixelGrid, image: Path | None
) -> None:
    try:
        for name, polygons in read_shapes(path, CLASS_KEYS, image):
            if not (name and polygons):
                found.left_out["without a class" if polygons else "without an area"] += 1
                continue
            for rings in polygons:
                found.add(name, [on_grid(points, frame, grid) for points in rings])
    except (struct.error, ValueError, IndexError, TypeError) as problem:
        if isinstance(problem, MorphinferError):
            raise
        raise AlignmentError(
            f"{path}: its geometries are no polygons in WKB ({problem!r}); write them with spatialdata"
        ) from problem


def _features(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, list):
        yield from content
    elif content["type"] == "FeatureCollection":
        yield from content["features"]
    elif content["type"] == "Feature":
        yield content
    else:
        raise ValueError(f"type {content['type']!r} and not Feature or FeatureCollection")


def _add_feature(
    feature: Mapping[str, Any], found: _Found, frame: PixelGrid, grid: PixelGrid
) -> None:
    geometry = feature.get("geometry") or {"type": "nothing"}
    properties = feature.get("properties") or {}
    stated = next((properties[key] for key in CLASS_KEYS if properties.get(key)), None)
    name = _class_name(stated) if isinstance(stated, Mapping) else stated
    if geometry["type"] not in POLYGONS:
        found.left_out[f"of type {geometry['type']}"] += 1
        return
    if not name:
        found.left_out["without a class"] += 1
        return
    if isinstance(stated, Mapping) and isinstance(stated.get("color"), list):
        found.colours[str(name)] = "#" + bytes(stated["color"][:3]).hex()
    for rings in geojson_rings(geometry):
        if not rings:
            found.left_out["without an area"] += 1
            continue
        found.add(str(name), [on_grid(ring, frame, grid) for ring in rings])


def _class_name(stated: Mapping[str, Any]) -> Any:
    """Name of a class of QuPath; one that is derived of others lists their names since 0.5."""
    return stated.get("name") or ": ".join(map(str, stated.get("names") or []))


def _warnings(
    found: _Found, array: PolygonArray, frame: PixelGrid, grid: PixelGrid
) -> Iterator[str]:
    """What was left out, what lies off the slide, and what overlaps."""
    if found.left_out:
        yield f"{_counted(found.left_out)}, left out"
    corners = np.concatenate([rings[0] for _, rings in found.polygons])
    # A corner on the far edge of the slide lies one pixel further.
    places = [frame.locate(grid, axis, corners[:, axis]) for axis in (0, 1)]
    on_slide = [(p >= -1) & (p <= side) for p, side in zip(places, frame.shape, strict=True)]
    share = 1 - float((on_slide[0] & on_slide[1]).mean())
    if share == 1:
        raise AlignmentError(
            f"all polygons lie off the slide of {frame.shape[0]} x {frame.shape[1]} pixels; their "
            f"coordinates must be pixels of its level 0"
        )
    if share > MOST_OUTSIDE:
        yield (
            f"{share:.0%} of the corners lie off the slide of {frame.shape[0]} x {frame.shape[1]} pixels; "
            f"coordinates must be pixels of its level 0"
        )
    tiles = [tile for band in TileGrid(*grid.shape, TILE).bands() for tile in band]
    covered = sum(array.draw(tile.slices)[1] for tile in tiles)
    if covered:
        yield f"polygons of different classes overlap in {covered} pixels, where the later one counts"


def _counted(left_out: Counter[str]) -> str:
    return ", ".join(f"{count} feature(s) {why}" for why, count in left_out.items())
