"""``morphinfer finish``: publish a label image after all its shards are done."""

from __future__ import annotations

from pathlib import Path

import click

from morphinfer.cli.console import Verbosity, verbosity_options
from morphinfer.cli.jobs import forget_at_the_end
from morphinfer.cli.matching import match_option
from morphinfer.cli.outcome import print_outcome
from morphinfer.cli.pictures import picture_width_option


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
    """Publish a label image whose shards are all done.

    Shards are what 'morphinfer segment --shard' computes. The command also writes the picture, the run
    record and the report, as 'segment' does, if the slide can still be opened.
    """
    from morphinfer.reports import ReportSettings
    from morphinfer.runs import finish as run

    result = run(
        labels, reference=reference, match=match, ignore=ignore, overwrite=overwrite,
        report=ReportSettings(picture_width), ends=False,
    )  # fmt: skip
    forget_at_the_end(Path(labels))
    print_outcome(result, as_json=as_json, verbosity=verbosity)
