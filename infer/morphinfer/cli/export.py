"""``morphinfer export``: a label image as polygons, a table, or elements of other images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.also import FORMATS, into_slide_option
from morphinfer.cli.console import echo, print_json

if TYPE_CHECKING:
    from morphinfer.exports import FormatName
    from morphinfer.records import InSlideSummary


@click.command()
@click.argument("labels", metavar="LABELS.zarr", type=click.Path())
@click.option("--to", type=click.Choice(FORMATS), default="geojson",
              show_default=True,
              help="Polygons for QuPath, a table, GeoParquet, or for TissUUmaps or SpatialData.")  # fmt: skip
@into_slide_option
@click.option("--out", type=click.Path(), metavar="FILE",
              help="File to write, compressed where the name ends in .gz, or SpatialData store, which "
                   "may exist.  [default: beside the label image]")  # fmt: skip
@click.option("--slide", type=click.Path(), metavar="SLIDE.zarr",
              help="Present path of the slide.  [default: the path in the run record]")  # fmt: skip
@click.option("--tolerance", "tolerance_um", type=click.FloatRange(min=0), default=0,
              show_default=True, metavar="UM",
              help="Simplify the borders by this, in micrometres; 0 keeps every step.")  # fmt: skip
@click.option("--smooth", is_flag=True,
              help="Cut the corners of the steps; areas stay within 0.5 %.")  # fmt: skip
@click.option("--spots", metavar="[um:]FILE.csv",
              help="Spots for TissUUmaps: gene, x and y in pixels of the slide, or with um: in "
                   "micrometres.")  # fmt: skip
@click.option("--name", default="morphinfer", show_default=True,
              help="Name of the labels in a SpatialData store.")  # fmt: skip
@click.option("--cells", metavar="TABLE",
              help="Table of an existing SpatialData store whose cells get their classes.")  # fmt: skip
@click.option("--all-classes", is_flag=True, help="Write background too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def export(
    labels: str,
    to: FormatName,
    out: str | None,
    into_slide: str | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Write LABELS.zarr as polygons or as a table.

    Neighbouring polygons share their borders, without gaps and overlaps. Coordinates are x and y in pixels
    of level 0 of the slide, from its outer corner, as QuPath has them. What is unlabelled, and background, is
    left out. A SpatialData store gets labels, polygons and a table of class areas; the image in it, or the
    slide, is not changed.
    """
    from morphinfer.exports import export_labels, export_path, labelled_slide
    from morphinfer.images import open_labels

    if into_slide is not None:
        from morphinfer.runs import write_into_slide

        image = open_labels(labels)
        slide = labelled_slide(image, choices["slide"])
        path = write_into_slide(slide, image, into_slide, overwrite=choices["overwrite"])
        placed: InSlideSummary = {"labels": labels, "slide": slide.address, "out": str(path)}
        print_json(placed) if as_json else echo(str(path))
        return
    target = Path(out) if out else export_path(Path(labels), to)
    written = export_labels(open_labels(labels), target, to, **choices)
    if as_json:
        print_json(written)
    else:
        echo(
            f"{written['out']}: {written['polygons']} polygons of {len(written['classes'])} classes"
        )
