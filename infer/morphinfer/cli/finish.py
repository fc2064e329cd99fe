"""``morphinfer finish``: publish a label image after all its shards are done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from morphinfer.cli.console import Verbosity, complain, verbosity_options
from morphinfer.cli.matching import match_option
from morphinfer.cli.outcome import print_outcome
from morphinfer.cli.pictures import picture_width_option
from morphinfer.errors import MorphinferError

if TYPE_CHECKING:
    from morphinfer.reports import ReportPaths
    from morphinfer.runs import Segmentation


@click.command()
@click.argument("labels", metavar="LABELS.zarr", type=click.Path())
@click.option("--reference", type=click.Path(), metavar="REF.zarr",
              help="Label image to score the result against (Dice, IoU).")  # fmt: skip
@match_option
@picture_width_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@verbosity_options
def finish(
    labels: str,
    reference: str | None,
    match: dict[str, str] | None,
    ignore: tuple[str, ...],
    picture_width: int | None,
    as_json: bool,
    overwrite: bool,
    verbosity: Verbosity,
) -> None:
    """Publish LABELS.zarr after all its shards ('morphinfer segment --shard') are done.

    It also writes the picture, the run record and the report, as 'segment' does, if the slide can
    still be opened.
    """
    from morphinfer.reports import ReportPaths
    from morphinfer.runs import Draft
    from morphinfer.runs import finish as run

    target = Path(labels)
    Draft.load(target)
    ReportPaths.beside(target).check(overwrite=overwrite)
    result = run(target, reference=reference, match=match, ignore=ignore, overwrite=overwrite)
    report = _report(result, picture_width, overwrite=overwrite)
    print_outcome(result, report, as_json=as_json, verbosity=verbosity)


def _report(
    result: Segmentation, picture_width: int | None, *, overwrite: bool
) -> ReportPaths | None:
    """Write the report; None, and a warning on stderr, if the slide cannot be read any more."""
    from morphinfer.reports import recorded_slide, write_report

    try:
        slide = recorded_slide(result.labels)
        return write_report(
            slide, result.labels, result.summary, picture_width=picture_width, overwrite=overwrite
        )
    except MorphinferError as problem:
        complain(f"warning: the label image is published, but without a report: {problem}")
        return None
