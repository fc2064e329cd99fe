"""``morphinfer report``: write the page of an existing label image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.console import Verbosity, complain, echo, print_json, say, verbosity_options
from morphinfer.cli.matching import match_option
from morphinfer.cli.pictures import picture_width_option
from morphinfer.cli.progress import progress_bar
from morphinfer.errors import SlideError

if TYPE_CHECKING:
    from morphinfer.images import LabelImage, Slide
    from morphinfer.records import ReportSummary, Summary


@click.command()
@click.argument("labels", metavar="LABELS.zarr", type=click.Path())
@click.option("--slide", type=click.Path(), metavar="SLIDE.zarr",
              help="Present path of the slide.  [default: the path in the run record]")  # fmt: skip
@click.option("--reference", type=click.Path(), metavar="REF.zarr",
              help="Label image to score the result against (Dice, IoU).")  # fmt: skip
@match_option
@click.option("--roi", metavar="[um:]FILE",
              help="Score only what is inside the polygons of a GeoJSON or CSV file in pixels of the "
                   "slide, or with um: in micrometres.")  # fmt: skip
@picture_width_option
@click.option("--out", type=click.Path(), metavar="PAGE.html",
              help="Page to write.  [default: LABELS.html beside the label image]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace a page that exists.")
@verbosity_options
def report(
    labels: str, as_json: bool, overwrite: bool, verbosity: Verbosity, **choices: Any
) -> None:
    """Write the report of LABELS.zarr again.

    LABELS.zarr is a label image that 'morphinfer segment' wrote. The report is one HTML file that needs
    no network and no other file: the picture, the classes with areas and Dice, the check for seams, the
    models and the run record. If the slide cannot be read, the picture shows the classes alone. With
    --picture-width it also writes the picture, as PAGE.png and PAGE.svg.
    """
    from morphinfer.images import check_targets, open_labels
    from morphinfer.reports import ReportPaths, page_paths, write_page

    for name in ("match", "ignore", "roi"):
        if choices[name] and not choices["reference"]:
            raise click.UsageError(f"--{name} needs a --reference; give one")
    image = open_labels(labels)
    image.run_record()  # refuse a label image of another tool before any work is done
    out = Path(choices["out"]) if choices["out"] else ReportPaths.beside(Path(labels)).page
    width = choices["picture_width"]
    check_targets(*page_paths(out, width), overwrite=overwrite)
    slide = _slide(image, choices["slide"])
    summary = _summary(image, choices, verbosity)
    seams = write_page(out, image, summary, slide=slide, picture_width=width, overwrite=overwrite)
    picture = None if width is None else str(out.with_suffix(".png"))
    if as_json:
        content: ReportSummary = {
            **summary,
            "seams": seams,
            "report": str(out),
            "picture": picture,
            "picture_of_nuclei": slide is not None,
        }
        print_json(content)
        return
    if picture is not None:
        echo(f"picture  {picture}")
    echo(f"report   {out}")


def _slide(labels: LabelImage, path: str | None) -> Slide | None:
    """The slide; None, and a warning on stderr, if it is not at the path in the run record."""
    from morphinfer.reports import recorded_slide

    if path is not None:
        return recorded_slide(labels, path)
    try:
        return recorded_slide(labels)
    except SlideError as problem:
        complain(
            f"warning: the picture shows the classes alone: {problem}; name the slide with --slide"
        )
        return None


def _summary(labels: LabelImage, choices: Mapping[str, Any], verbosity: Verbosity) -> Summary:
    """The figures of the report, with Dice if there is a reference."""
    from morphinfer.reports import summarise
    from morphinfer.scoring import evaluate, match_sentence

    if choices["reference"] is None:
        return summarise(labels, None)
    with progress_bar("comparing", verbosity) as progress:
        scores = evaluate(
            labels, choices["reference"], progress,
            match=choices["match"], ignore=choices["ignore"], roi=choices["roi"],
        )  # fmt: skip
    for pair in scores.matched:
        say(verbosity, match_sentence(*pair))
    return summarise(labels, scores)
