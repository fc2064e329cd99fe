"""What is printed of a finished segmentation: classes, shares, Dice, and where the files stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.console import Verbosity, print_json, say

if TYPE_CHECKING:
    from morphinfer.report import ReportPaths
    from morphinfer.segmentation import Segmentation


def print_outcome(
    result: Segmentation,
    report: ReportPaths | None,
    *,
    reference: str | None,
    as_json: bool,
    verbosity: Verbosity,
) -> None:
    """Print one segmentation, with its report where there is one."""
    from morphinfer.evaluation import renamed
    from morphinfer.labels import open_labels

    told = result.record["provider"]
    say(verbosity, f"ran on {told['ran']} ({told['why']})")
    if reference is not None:
        for sentence in renamed(result.labels, open_labels(reference)):
            say(verbosity, sentence)
    if as_json:
        print_json(result.summary)
        return
    print_summary(result.summary)
    click.echo(f"labels   {result.summary['labels']}")
    if report is not None:
        click.echo(f"picture  {report.picture}\nreport   {report.page}")


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print the classes with their shares, and Dice where there is a reference."""
    from rich.console import Console
    from rich.table import Table

    from morphinfer.report import show

    dice, iou = summary.get("dice", {}), summary.get("iou", {})
    table = Table("class", "share", *(["Dice", "IoU"] if dice else []))
    for name, share in summary["class_fractions"].items():
        scores = [show(dice["per_class"][name]), show(iou["per_class"][name])] if dice else []
        table.add_row(name, f"{share:.1%}", *scores)
    if dice:
        table.add_section()
        table.add_row("mean", "", show(dice["mean"]), show(iou["mean"]))
    Console().print(table)
    click.echo(
        f"{summary['seconds']:.1f} s, {summary['megapixels_per_second']:.1f} megapixels a second "
        f"at {summary['pixel_size_um']} micrometres a pixel"
    )
    if (share := summary["uncertain_fraction"]) is not None:
        click.echo(uncertain_sentence(share))


def uncertain_sentence(share: float) -> str:
    """How much of the tissue is uncertain.

    >>> uncertain_sentence(0.1234)
    '12 % of the tissue is uncertain (winning probability below 0.6)'
    """
    from morphinfer.uncertainty import UNCERTAIN_BELOW

    percent = 100 * share
    told = f"{percent:.1f}" if 0 < percent < 10 else f"{percent:.0f}"
    return f"{told} % of the tissue is uncertain (winning probability below {UNCERTAIN_BELOW:g})"


def print_slides(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each of many slides: shares of classes and uncertain tissue, or why it failed."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("slide", overflow="fold")
    table.add_column("classes", overflow="fold")
    table.add_column("uncertain", justify="right")
    table.add_column("seconds", justify="right")
    for told in summaries:
        if "error" in told:
            table.add_row(Text(told["slide"]), Text(f"failed: {told['error']}"), "", "")
            continue
        shares = ", ".join(f"{name} {n:.1%}" for name, n in told["class_fractions"].items())
        share = told["uncertain_fraction"]
        uncertain = "n/a" if share is None else f"{share:.1%}"
        table.add_row(Text(told["slide"]), Text(shares), uncertain, f"{told['seconds']:.1f}")
    Console().print(table)
