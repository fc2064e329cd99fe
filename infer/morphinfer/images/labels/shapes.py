"""Shapes of a SpatialData store: polygons and circles in GeoParquet, brought to pixels of an image.

The coordinates of an element lead to the coordinate system 'global' by the element's transformation,
and from there to an image of the same store by the inverse of that image's. In both, the corner of the
first pixel of an image is 0.
Source: https://geoparquet.org (1.0, encoding WKB); OGC 06-103r4, 'Well-known Binary Representation'.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import AlignmentError, SlideError
from morphinfer.images.stores import Address, no_node, ome_block, open_image, open_store

FILE = "shapes.parquet"
GLOBAL = "global"
POINT, POLYGON, MULTIPOLYGON = 1, 3, 6
CIRCLE = np.exp(2j * np.pi * np.arange(64) / 64)
Points = NDArray[np.float64]
"""x and y, shape (N, 2)."""


def is_shapes(path: str | Path) -> bool:
    """Whether a path is that of a shapes element of a SpatialData store, or of its file."""
    path = Path(path)
    return path.name == FILE or (path / FILE).is_file()


def read_shapes(
    path: str | Path, keys: Sequence[str], image: Path | None
) -> Iterator[tuple[str, list[list[Points]]]]:
    """Class and polygons of each shape, in pixels of an image of the same store.

    Parameters
    ----------
    path : str or Path
        The element, STORE/shapes/NAME, or the file in it.
    keys : sequence of str
        Names of columns that can hold the class. Without any of them it is the only column of text, or
        the name of the element.
    image : Path or None
        The image that was segmented.

    Yields
    ------
    tuple of str and list
        Class, '' where the shape has none; rings of each polygon, a hole after its outer ring.

    Raises
    ------
    SlideError
        The file or the metadata cannot be read, or pyarrow is not installed.
    AlignmentError
        The image is of another store, or a transformation is not supported.
    """
    element = Path(path).parent if Path(path).name == FILE else Path(path)
    to_pixels = _to_pixels(element, image)
    table = _table(element / FILE)
    names = _names(table, keys, element.name)
    radii = table["radius"] if "radius" in table else [None] * len(names)
    for name, geometry, radius in zip(names, table["geometry"], radii, strict=True):
        polygons = [] if geometry is None else _polygons(geometry, radius)
        yield name, [[_moved(ring, to_pixels) for ring in rings] for rings in polygons]


def _table(file: Path) -> dict[str, list[Any]]:
    try:
        import pyarrow.parquet as pq
    except ImportError as problem:
        raise SlideError(
            f"{file}: reading Parquet needs pyarrow, which is not installed: pip install "
            f"'morphinfer[shapes]'"
        ) from problem
    try:
        table = pq.read_table(file)
    except (OSError, ValueError) as problem:  # errors of pyarrow derive from them
        raise SlideError(f"{file}: cannot be read ({problem})") from problem
    columns: dict[str, list[Any]] = table.to_pydict()
    if "geometry" not in columns:
        raise AlignmentError(f"{file}: no column 'geometry' among {', '.join(columns)}")
    return columns


def _names(table: Mapping[str, list[Any]], keys: Sequence[str], element: str) -> list[str]:
    texts = [
        name
        for name, values in table.items()
        if name != "geometry" and all(isinstance(v, str | None) for v in values) and any(values)
    ]
    column = next((key for key in keys if key in texts), texts[0] if len(texts) == 1 else None)
    if column is None and texts:
        raise AlignmentError(
            f"{element}: its columns of text are {', '.join(texts)}; name the one with the classes "
            f"'{keys[0]}'"
        )
    if column is None:
        return [element] * len(table["geometry"])
    return [value or "" for value in table[column]]


def _to_pixels(element: Path, image: Path | None) -> NDArray[np.float64]:
    """Matrix from coordinates of an element to pixels of an image, for (x, y, 1)."""
    store = element.absolute().parent.parent
    if image is None or store not in image.absolute().parents:
        raise AlignmentError(
            f"{element}: shapes are placed by the image of their store, and the slide "
            f"{image or 'of the label image'} is not in it; export them as GeoJSON in pixels of the slide"
        )
    group = open_store(Address.of(element))
    node = group.node()
    if node is None:
        raise SlideError(no_node(group.address))
    pixels = ome_block(open_image(image).node)["multiscales"][0]
    try:
        own = _global(node.attrs.get("coordinateTransformations"), ["x", "y"], element)
        # Steps without an output are plain NGFF, and apply to every system.
        theirs = _global(pixels.get("coordinateTransformations"), _axes(pixels), image)
        level = _matrix(_sequence(pixels["datasets"][0]), _axes(pixels), image)
        inverse = np.asarray(np.linalg.inv(theirs @ level), np.float64)
    except (KeyError, TypeError, ValueError, IndexError, np.linalg.LinAlgError) as problem:
        raise AlignmentError(
            f"{element}: its transformation, or that of {image.name}, is malformed ({problem!r})"
        ) from problem
    return inverse @ own


def _sequence(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "sequence", "transformations": dataset.get("coordinateTransformations", [])}


def _axes(block: Mapping[str, Any]) -> list[str]:
    return [axis if isinstance(axis, str) else str(axis["name"]) for axis in block["axes"]]


def _global(steps: Any, axes: Sequence[str], path: Path) -> NDArray[np.float64]:
    """Matrix to the system 'global', or that of all steps where none names a system."""
    steps = steps or []
    named = {(step.get("output") or {}).get("name"): step for step in steps}
    if set(named) <= {None}:
        return _matrix({"type": "sequence", "transformations": steps}, axes, path)
    if GLOBAL not in named:
        raise AlignmentError(
            f"{path}: leads to the coordinate systems {', '.join(map(str, named))} and not to '{GLOBAL}'"
        )
    return _matrix(named[GLOBAL], axes, path)


def _matrix(step: Mapping[str, Any], axes: Sequence[str], path: Path) -> NDArray[np.float64]:
    """A transformation as a matrix for (x, y, 1)."""
    result = np.eye(3)
    listed = (
        (step.get("input") or {}).get("axes") if isinstance(step.get("input"), Mapping) else None
    )
    names = [str(axis["name"]) for axis in listed] if listed else list(axes)
    kind = step["type"]
    if kind == "sequence":
        for part in step["transformations"]:
            result = _matrix(part, names, path) @ result
    elif kind in ("scale", "translation"):
        for place, axis in enumerate("xy"):
            number = float(step[kind][names.index(axis)])
            result[(place, place) if kind == "scale" else (place, 2)] = number
    elif kind == "affine":
        columns = [names.index("x"), names.index("y"), len(names)]
        outputs = (step.get("output") or {}).get("axes")
        rows = [str(axis["name"]) for axis in outputs] if outputs else names
        for place, axis in enumerate("xy"):
            result[place] = [float(step["affine"][rows.index(axis)][column]) for column in columns]
    elif kind != "identity":
        raise AlignmentError(f"{path}: a transformation of type '{kind}' is not supported")
    return result


def _moved(points: Points, matrix: NDArray[np.float64]) -> Points:
    moved: Points = points @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def _polygons(geometry: bytes, radius: float | None) -> list[list[Points]]:
    """Rings of each polygon of a geometry; a point with a radius is a circle."""
    kind, parts, _ = _parsed(geometry, 0)
    if kind == POINT and radius is not None:
        (x, y) = parts[0][0][0]
        circle = np.column_stack([x + radius * CIRCLE.real, y + radius * CIRCLE.imag])
        return [[circle]]
    return parts if kind in (POLYGON, MULTIPOLYGON) else []


def _parsed(data: bytes, at: int) -> tuple[int, list[list[Points]], int]:
    """Type of a geometry, its polygons as rings, and where it ends."""
    order = "<" if data[at] == 1 else ">"
    (code,) = struct.unpack_from(f"{order}I", data, at + 1)
    at += 9 if code & 0x20000000 else 5
    dimension, kind = divmod(code & 0xFFFF, 1000)
    size = 2 + bool(code & 0x80000000) + bool(code & 0x40000000) + (0, 1, 1, 2)[dimension]
    if kind == POINT:
        return kind, [[np.frombuffer(data, f"{order}f8", 2, at)[None]]], at + 8 * size
    if kind not in (POLYGON, MULTIPOLYGON):
        return kind, [], len(data)
    (count,) = struct.unpack_from(f"{order}I", data, at)
    at += 4
    polygons: list[list[Points]] = []
    if kind == MULTIPOLYGON:
        for _ in range(count):
            _, parts, at = _parsed(data, at)
            polygons += parts
        return kind, polygons, at
    rings = []
    for _ in range(count):
        (length,) = struct.unpack_from(f"{order}I", data, at)
        flat = np.frombuffer(data, f"{order}f8", length * size, at + 4)
        rings.append(flat.reshape(length, size)[:, :2].astype(np.float64))
        at += 4 + 8 * length * size
    return kind, [rings] if rings else [], at
