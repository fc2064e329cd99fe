"""``morphinfer evaluate``: Dice and IoU of a label image against its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from morphinfer.cli.console import Verbosity, print_json, progress_bar, say, verbosity_options

if TYPE_CHECKING:
    from morphinfer.metrics import Scores


@click.command()
@click.argument("labels", type=click.Path())
@click.argument("reference", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbosity_options
def evaluate(labels: str, reference: str, as_json: bool, verbosity: Verbosity) -> None:
    """Score LABELS, a label image, against REFERENCE, another one of the same section.

    Classes are compared by their values, whatever their names. Cells that REFERENCE leaves
    unlabelled do not count. A class that neither image has, or that REFERENCE does not name, shows
    n/a and is left out of the mean.
    """
    from morphinfer.evaluation import evaluate as run
    from morphinfer.evaluation import renamed
    from morphinfer.labels import open_labels
    from morphinfer.metrics import scores_json

    pair = open_labels(labels), open_labels(reference)
    with progress_bar("comparing", verbosity) as progress:
        scores = run(*pair, progress)
    for sentence in renamed(*pair):
        say(verbosity, sentence)
    if as_json:
        print_json({"labels": labels, "reference": reference, **scores_json(scores)})
    else:
        print_scores(scores)


def print_scores(scores: Scores) -> None:
    """Print Dice and IoU of each class, their means, and what they rest on."""
    from rich.console import Console
    from rich.table import Table

    from morphinfer.report import show

    table = Table("class", "Dice", "IoU")
    for row in zip(scores.class_names, scores.dice, scores.iou, strict=True):
        table.add_row(row[0], show(row[1]), show(row[2]))
    table.add_section()
    table.add_row("mean", show(scores.mean_dice), show(scores.mean_iou))
    Console().print(table)
    click.echo(
        f"{scores.classes_counted} of {len(scores.class_names)} classes counted, "
        f"{scores.pixels_compared} pixels compared"
    )
