"""A label image as polygons or a table, in pixels of its slide."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np

from morphinfer.classes import values_of
from morphinfer.errors import AlignmentError, OptionsError, SlideError
from morphinfer.exports.coverage import Coverage, cover, load_shapely
from morphinfer.exports.files import ENDINGS, FormatName, load_pyarrow, write_file
from morphinfer.exports.tissuumaps import write_project
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import LabelImage, Slide, check_target, open_slide, staged
from morphinfer.records import ExportedClass, ExportSummary
from morphinfer.reports import readable, recorded_slide


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
    overwrite: bool = False,
) -> ExportSummary:
    """Write the areas of the classes as polygons, or a table of them; what was written.

    Places are x and y in pixels of level 0 of the slide, from the outer corner of its first pixel. What is
    unlabelled is left out.

    Parameters
    ----------
    labels : LabelImage
        The label image; it is read whole, a byte a position.
    out : str or Path
        File to publish. A name that ends in .gz is compressed, except GeoParquet, which is by itself.
    to : {'geojson', 'csv', 'shapes', 'tissuumaps'}
        GeoJSON as QuPath reads it, one annotation a polygon; a table of the classes; GeoParquet; a project of
        TissUUmaps with files beside it, see `tissuumaps`.
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
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        ``out`` exists or cannot be written, or shapely, or for GeoParquet pyarrow, is not installed.
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
    check_target(out, overwrite=overwrite)
    require_packages(to)
    image = labelled_slide(labels, slide)
    frame, grid = image.grid, labels.image.grid
    values = labels.read(Window(0, 0, *grid.shape))
    left_out = () if all_classes else values_of(labels.classes, "background")
    kept = [value for value in range(len(labels.classes)) if value not in left_out]
    coverage = cover(values, tolerance_um / grid.pixel_size_um, smooth=smooth).of(kept)
    figures = _figures(coverage, labels, kept)
    write = partial(
        write_file, coverage=_placed(coverage, grid, frame), classes=labels.classes, figures=figures
    )
    if to == "tissuumaps":
        nuclei = readable(image, labels)
        write_project(
            out, nuclei, partial(write, to="geojson", gzipped=False), spots, overwrite=overwrite
        )
    else:
        with staged(out, overwrite=overwrite) as draft:
            write(draft, to, gzipped=out.name.lower().endswith(".gz"))
    return {
        "labels": str(labels.image.path or labels.image.name),
        "out": str(out),
        "to": to,
        "polygons": len(coverage.polygons),
        "classes": figures,
        "pixel_size_um": frame.pixel_size_um,
        "tolerance_um": tolerance_um,
        "smooth": smooth,
    }


def export_path(labels: Path, to: FormatName) -> Path:
    """Where an export of a label image lies by default: beside it.

    >>> export_path(Path("a_labels.zarr"), "geojson").name
    'a_labels.geojson'
    """
    return labels.with_name(labels.name.removesuffix(".zarr") + ENDINGS[to])


def require_packages(to: FormatName) -> None:
    """Raise where a package that a form needs is missing.

    Raises
    ------
    OutputError
        shapely, or for GeoParquet pyarrow, is not installed.
    """
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


def _placed(coverage: Coverage, grid: PixelGrid, frame: PixelGrid) -> Coverage:
    """Polygons in pixels of the slide."""
    down_um, right_um = np.subtract(grid.corner_um, frame.corner_um)
    return coverage.placed(
        grid.pixel_size_um / frame.pixel_size_um,
        (right_um / frame.pixel_size_um, down_um / frame.pixel_size_um),
    )


def _figures(coverage: Coverage, labels: LabelImage, kept: list[int]) -> dict[str, ExportedClass]:
    """Number and area of the polygons of each class."""
    counts = np.bincount(coverage.values, minlength=len(labels.classes))
    areas = np.bincount(
        coverage.values, load_shapely().area(coverage.polygons), len(labels.classes)
    )
    position_um2 = labels.image.pixel_size_um**2
    return {
        labels.classes[value].name: {
            "polygons": int(counts[value]),
            "area_um2": float(areas[value] * position_um2),
        }
        for value in kept
    }
