"""Files of polygons with classes: GeoJSON, CSV and GeoParquet.

Sources: RFC 7946; https://qupath.readthedocs.io ('Exporting annotations': coordinates in pixels of the full
resolution, from its top left corner) and the type adapters of QuPath 0.4 and later, which read 'objectType'
and 'classification', with 'name' and 'color', under 'properties'; https://geoparquet.org (1.0, encoding WKB).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from morphinfer.classes import LabelClass
from morphinfer.errors import OutputError
from morphinfer.exports.coverage import Coverage, load_shapely
from morphinfer.records import ExportedClass

FormatName = Literal["geojson", "csv", "shapes", "tissuumaps", "spatialdata"]
ENDINGS: Mapping[FormatName, str] = {
    "geojson": ".geojson", "csv": ".csv", "shapes": ".parquet", "tissuumaps": ".tmap",
    "spatialdata": "_spatialdata.zarr",
}  # fmt: skip
"""Forms, and how their files end."""
AT_ONCE = 1000
"""Polygons that are turned into text at a time, which bounds the memory."""
CSV_COLUMNS = ("class", "polygons", "area_um2", "centroid_x_px", "centroid_y_px")


def write_file(
    path: Path,
    to: FormatName,
    coverage: Coverage,
    classes: Sequence[LabelClass],
    figures: Mapping[str, ExportedClass],
    *,
    gzipped: bool,
) -> None:
    """Write polygons in pixels of the slide.

    Parameters
    ----------
    path : Path
        File that is written.
    to : {'geojson', 'csv', 'shapes'}
        Its form.
    coverage : Coverage
        Polygons in pixels of level 0.
    classes : sequence of LabelClass
        All classes of the label image.
    figures : Mapping
        Number and area of the polygons of each class that is written.
    gzipped : bool
        Whether GeoJSON and CSV are compressed; the bytes hold neither name nor time.
    """
    if to == "shapes":
        _write_geoparquet(path, coverage, classes)
        return
    with path.open("wb") as file:
        if not gzipped:
            _write_text(file, to, coverage, classes, figures)
            return
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            _write_text(cast(BinaryIO, packed), to, coverage, classes, figures)


def _write_text(
    file: BinaryIO,
    to: FormatName,
    coverage: Coverage,
    classes: Sequence[LabelClass],
    figures: Mapping[str, ExportedClass],
) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    if to == "csv":
        _write_csv(text, coverage, classes, figures)
    else:
        _write_geojson(text, coverage, classes)
    text.flush()
    text.detach()


def _write_geojson(text: io.TextIOBase, coverage: Coverage, classes: Sequence[LabelClass]) -> None:
    """A feature for each polygon, its outer ring anticlockwise where y points up."""
    shapely = load_shapely()
    properties = [json.dumps(_properties(each), ensure_ascii=False) for each in classes]
    text.write('{"type": "FeatureCollection", "features": [')
    for start in range(0, len(coverage.polygons), AT_ONCE):
        some = shapely.orient_polygons(coverage.polygons[start : start + AT_ONCE])
        values = coverage.values[start : start + AT_ONCE]
        for place, (value, geometry) in enumerate(
            zip(values, shapely.to_geojson(some), strict=True), start
        ):
            text.write(",\n" if place else "\n")
            text.write(f'{{"type": "Feature", "geometry": {geometry}, ')
            text.write(f'"properties": {properties[value]}}}')
    text.write("\n]}\n")


def _properties(each: LabelClass) -> dict[str, Any]:
    """What QuPath reads of an annotation besides its shape."""
    colour = list(bytes.fromhex(each.colour[1:7]))
    return {
        "objectType": "annotation",
        "classification": {"name": each.name, "color": colour},
    }


def _write_csv(
    text: io.TextIOBase,
    coverage: Coverage,
    classes: Sequence[LabelClass],
    figures: Mapping[str, ExportedClass],
) -> None:
    """A row for each class; the centroid is that of its whole area, and empty where there is none."""
    shapely = load_shapely()
    areas = shapely.area(coverage.polygons)
    centroids = shapely.get_coordinates(shapely.centroid(coverage.polygons))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for value, each in enumerate(classes):
        if each.name not in figures:
            continue
        own = coverage.values == value
        centroid = np.average(centroids[own], axis=0, weights=areas[own]) if own.any() else ()
        written = figures[each.name]
        writer.writerow([
            each.name, written["polygons"], f"{written['area_um2']:.10g}",
            *([f"{place:.3f}" for place in centroid] or ["", ""]),
        ])  # fmt: skip


def load_pyarrow() -> Any:
    """The module, with that for Parquet.

    Raises
    ------
    OutputError
        It is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as problem:
        raise OutputError(
            'shapes need pyarrow, which is not installed: pip install "morphinfer[export,shapes]"'
        ) from problem
    return pyarrow


def _write_geoparquet(path: Path, coverage: Coverage, classes: Sequence[LabelClass]) -> None:
    """A row for each polygon: geometry, class and colour."""
    pyarrow = load_pyarrow()
    column = {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = pyarrow.table(
        {
            "geometry": pyarrow.array(load_shapely().to_wkb(coverage.polygons), pyarrow.binary()),
            "class": [classes[value].name for value in coverage.values],
            "color": [classes[value].colour for value in coverage.values],
        }
    )
    pyarrow.parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
