"""A label image as polygons or a table, in pixels of its slide."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from morphinfer.errors import AlignmentError, OptionsError, SlideError
from morphinfer.exports.coverage import load_shapely
from morphinfer.exports.drawing import draw
from morphinfer.exports.files import ENDINGS, FormatName, load_pyarrow, write_file
from morphinfer.exports.spatial_data import (
    check_store,
    is_store,
    load_spatialdata,
    write_store,
)
from morphinfer.exports.tissuumaps import write_project
from morphinfer.images import LabelImage, Slide, check_target, open_slide, staged
from morphinfer.records import ExportSummary
from morphinfer.reports import readable, recorded_slide

ELEMENT = "morphinfer"


def export_labels(
    labels: LabelImage,
    out: str | Path,
    to: FormatName,
    *,
    slide: str | Path | None = None,
    spots: str | None = None,
    tolerance_um: float = 0,
    smooth: bool = False,
    all_classes: bool = False,
    name: str = ELEMENT,
    cells: str | None = None,
    overwrite: bool = False,
) -> ExportSummary:
    """Write the areas of the classes as polygons, a table, or elements of SpatialData; what was written.

    Places are x and y in pixels of level 0 of the slide, from the outer corner of its first pixel. What is
    unlabelled is left out.

    Parameters
    ----------
    labels : LabelImage
        The label image; it is read whole, a byte a position.
    out : str or Path
        File to publish. A name that ends in .gz is compressed, except GeoParquet, which is by itself.
    to : {'geojson', 'csv', 'shapes', 'tissuumaps', 'spatialdata'}
        GeoJSON as QuPath reads it, one annotation a polygon; a table of the classes; GeoParquet; a project of
        TissUUmaps with files beside it, see `tissuumaps`; labels, polygons and a table in a SpatialData
        store, new or existing (`write_store`).
    slide : str or Path, optional
        Where the slide is; by default where the run record says.
    spots : str, optional
        Table of spots for TissUUmaps, see `read_spots`.
    tolerance_um : float
        Root of the area of the triangles that simplification removes, in micrometres; 0 for none. Neighbours
        keep sharing their border.
    smooth : bool
        Cut the corners of the steps that positions make; the area of each class stays within 0.5 %.
    all_classes : bool
        Whether classes whose role is background are written too.
    name : str
        Name of the labels in a SpatialData store; the other elements are NAME_polygons, NAME_classes and
        NAME_cells.
    cells : str, optional
        Table of that store for whose cells a table with their classes is added.
    overwrite : bool
        Replace a file that exists, or the elements of that name.

    Raises
    ------
    OutputError
        ``out`` exists or cannot be written, or a package is not installed (`check_export`).
    OptionsError
        The tolerance is below 0, or no number, or the form has no spots.
    SpotsError
        The table of spots cannot be used.
    AlignmentError, SlideError
        Where the slide is cannot be known, or the slide not read; see `labelled_slide`.
    """
    out = Path(out)
    if not 0 <= tolerance_um < math.inf:
        raise OptionsError(f"`tolerance_um={tolerance_um!r}`: a tolerance is 0 micrometres or more")
    if spots is not None and to != "tissuumaps":
        raise OptionsError(
            f"`to={to!r}`: holds no spots; leave `spots` out, or write a project of TissUUmaps"
        )
    if cells is not None and not (to == "spatialdata" and is_store(out)):
        raise OptionsError(
            f"`cells={cells!r}`: is a table of a SpatialData store; name that as `out`"
        )
    check_export(out, to, name, overwrite=overwrite)
    image = labelled_slide(labels, slide)
    drawn = draw(labels, image.grid, tolerance_um, smooth=smooth, all_classes=all_classes)
    write = partial(write_file, classes=labels.classes, figures=drawn.figures)
    if to == "spatialdata":
        write_store(out, drawn, image, name, cells=cells, overwrite=overwrite)
    elif to == "tissuumaps":
        nuclei = readable(image, labels)
        polygons = partial(write, to="geojson", coverage=drawn.placed(), gzipped=False)
        write_project(out, nuclei, polygons, spots, overwrite=overwrite)
    else:
        gzipped = out.name.lower().endswith(".gz")
        with staged(out, overwrite=overwrite) as draft:
            write(draft, to, drawn.placed(), gzipped=gzipped)
    return {
        "labels": str(labels.image.path or labels.image.name),
        "out": str(out),
        "to": to,
        "polygons": len(drawn.coverage.polygons),
        "classes": dict(drawn.figures),
        "pixel_size_um": image.pixel_size_um,
        "tolerance_um": tolerance_um,
        "smooth": smooth,
    }


def export_path(labels: Path, to: FormatName) -> Path:
    """Where an export of a label image lies by default: beside it.

    >>> export_path(Path("a_labels.zarr"), "geojson").name
    'a_labels.geojson'
    """
    return labels.with_name(labels.name.removesuffix(".zarr") + ENDINGS[to])


def check_export(out: Path, to: FormatName, name: str = ELEMENT, *, overwrite: bool) -> None:
    """Refuse an export that could not be written.

    Raises
    ------
    OutputError
        The output exists, or shapely, for GeoParquet pyarrow, or for SpatialData spatialdata, is not
        installed.
    """
    if to == "spatialdata":
        check_store(out, name, overwrite=overwrite)
        load_spatialdata()
    else:
        check_target(out, overwrite=overwrite)
    load_shapely()
    if to == "shapes":
        load_pyarrow()


def labelled_slide(labels: LabelImage, slide: str | Path | None = None) -> Slide:
    """The slide that a label image lies on.

    Parameters
    ----------
    labels : LabelImage
        A label image.
    slide : str or Path, optional
        Where the slide is; by default where the run record says.

    Raises
    ------
    AlignmentError
        The label image has no run record, and ``slide`` is missing.
    SlideError
        The slide cannot be opened, or is another image than the one that was segmented.
    """
    if "slide" in labels.record:
        try:
            return recorded_slide(labels, slide)
        except SlideError as problem:
            if slide is not None:
                raise
            raise SlideError(f"{problem}; name the slide with `slide`") from problem
    if slide is None:
        raise AlignmentError(
            f"{labels.image.path or labels.image.name}: does not say of which slide it is, so "
            f"places in pixels of that are not known; name the slide with `slide`"
        )
    return open_slide(slide, channel=0)
