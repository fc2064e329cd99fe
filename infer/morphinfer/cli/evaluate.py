"""``morphinfer evaluate``: Dice, IoU, precision and recall of a label image against its reference."""

from __future__ import annotations

import click

from morphinfer.cli.console import Verbosity, echo, print_json, say, show_table, verbosity_options
from morphinfer.cli.matching import match_option
from morphinfer.cli.outcome import dice_basis, dice_columns, dice_rows
from morphinfer.cli.progress import progress_bar
from morphinfer.records import Evaluation, ScoresJson


@click.command()
@click.argument("labels", type=click.Path())
@click.argument("reference", type=click.Path())
@match_option
@click.option("--roi", metavar="[um:]FILE",
              help="Compare only what is inside the polygons of a GeoJSON or CSV file in pixels of the "
                   "slide, or with um: in micrometres.")  # fmt: skip
@click.option("--block-um", type=click.FloatRange(min=0, min_open=True), default=200,
              show_default=True, metavar="UM",
              help="Side of the blocks for the bootstrap of the intervals.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbosity_options
def evaluate(
    labels: str,
    reference: str,
    match: dict[str, str] | None,
    ignore: tuple[str, ...],
    roi: str | None,
    block_um: float,
    as_json: bool,
    verbosity: Verbosity,
) -> None:
    """Score LABELS against REFERENCE, both label images.

    They show the same section. Classes are matched by name, or by --match. Pixels without a label in
    REFERENCE do not count, nor do those of a class that --ignore names. A class that neither image has,
    or that REFERENCE does not name, shows n/a and is left out of the mean. Each Dice has a 95 % interval,
    from a bootstrap over square blocks of the section, if there are enough blocks.
    """
    from morphinfer.scoring import evaluate as run
    from morphinfer.scoring import match_sentence, scores_json

    with progress_bar("comparing", verbosity) as progress:
        scores = run(
            labels, reference, progress, match=match, ignore=ignore, roi=roi, block_um=block_um
        )
    for pair in scores.matched:
        say(verbosity, match_sentence(*pair))
    evaluation: Evaluation = {
        "labels": labels,
        "warnings": list(scores.warnings),
        **scores_json(scores),
    }
    if as_json:
        print_json(evaluation)
    else:
        print_scores(evaluation)


def print_scores(scores: ScoresJson) -> None:
    """Print Dice with its interval, the other scores of each class, their means, and the number of pixels."""
    from rich.table import Table

    rows = dice_rows(scores)
    table = Table("class", *dice_columns(scores))
    for name in scores["dice"]["per_class"]:
        table.add_row(name, *rows[name])
    table.add_section()
    table.add_row("mean", *rows[None])
    show_table(table)
    echo(dice_basis(scores))
