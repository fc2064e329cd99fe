"""Output of a finished segmentation: shares of the classes, Dice, and the paths of the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from morphinfer.cli.console import Verbosity, echo, print_json, say, show_table
from morphinfer.records import ScoresJson, SlideFailure, Summary, dice_interval, scores_in

if TYPE_CHECKING:
    from morphinfer.runs import Segmentation


def print_outcome(result: Segmentation, *, as_json: bool, verbosity: Verbosity) -> None:
    """Print one segmentation, with its report if there is one."""
    from morphinfer.scoring import match_sentence

    provider = result.record.provider
    say(verbosity, f"ran on {provider.ran} ({provider.why})")
    if (roi := result.record.roi) is not None:
        say(verbosity, f"only {roi.positions} positions inside {roi.file} have labels")
    if (scores := scores_in(result.summary)) is not None:
        for pair in scores["matched"].items():
            say(verbosity, match_sentence(*pair))
    if as_json:
        print_json(result.summary)
        return
    print_summary(result.summary)
    echo(models_line(result.summary))
    echo(f"labels   {result.summary['labels']}")
    if result.report is not None:
        echo(f"picture  {result.report.picture}", f"report   {result.report.page}")


def print_summary(summary: Summary) -> None:
    """Print the classes with their shares, and Dice if there is a reference."""
    from rich.table import Table

    scores = scores_in(summary)
    table = Table("class", "share", *([] if scores is None else dice_columns(scores)))
    rows = {} if scores is None else dice_rows(scores)
    for name, share in summary["class_fractions"].items():
        table.add_row(name, f"{share:.1%}", *rows.get(name, ()))
    if rows:
        table.add_section()
        table.add_row("mean", "", *rows[None])
    show_table(table)
    if scores is not None:
        echo(dice_basis(scores))
    echo(
        f"{summary['seconds']:.1f} s, {summary['megapixels_per_second']:.1f} megapixels a second "
        f"at {summary['pixel_size_um']} micrometres a pixel"
    )
    if (uncertain := summary["uncertain_fraction"]) is not None:
        echo(uncertain_sentence(uncertain))


def models_line(summary: Summary) -> str:
    """The model set, with the organism and the tissue that it is for."""
    organism = summary["organism"]
    if organism in (None, "not documented"):  # what 'train' writes if its configuration names none
        organism = "its card names no organism"
    return f"models   {summary['models']} ({organism})"


def dice_columns(scores: ScoresJson) -> list[str]:
    """Headings of the columns of scores; that of Dice says whether it has an interval."""
    return [
        "Dice" if dice_interval(scores) is None else "Dice [95 %]",
        *("IoU", "precision", "recall"),
    ]


def dice_rows(scores: ScoresJson) -> dict[str | None, tuple[str, ...]]:
    """Dice with its interval, IoU, precision and recall by class; the key of the mean is None."""
    from morphinfer.reports import show

    dice, others = scores["dice"], (scores["iou"], scores["precision"], scores["recall"])
    rows: dict[str | None, tuple[str, ...]] = {
        name: (
            show(value, dice_interval(scores, name)),
            *(show(each["per_class"][name]) for each in others),
        )
        for name, value in dice["per_class"].items()
    }
    mean = show(dice["mean"], dice_interval(scores))
    rows[None] = mean, *(show(each["mean"]) for each in others)
    return rows


def dice_basis(scores: ScoresJson) -> str:
    """Number of classes, pixels and blocks behind Dice, or why it has no interval."""
    from morphinfer.scoring import FEWEST_BLOCKS

    classes = len(scores["dice"]["per_class"])
    counts = (
        f"{scores['classes_counted']} of {classes} classes counted, "
        f"{scores['pixels_compared']} pixels compared"
    )
    if (pixel_um := scores["compared_pixel_um"]) is not None:
        counts += f" ({scores['pixels_compared'] * pixel_um**2 / 1e6:.3g} mm2)"
    intervals = scores["dice"]["intervals"]
    if intervals is None:
        return counts
    blocks = f"{intervals['blocks']} blocks of {intervals['block_um']:g} micrometres"
    if intervals["mean"] is None:
        return f"{counts}; {blocks} are too few for an interval ({FEWEST_BLOCKS} are needed)"
    return f"{counts}; 95 % intervals from a bootstrap over {blocks}"


def uncertain_sentence(share: float) -> str:
    """One sentence with the uncertain share of the tissue.

    >>> uncertain_sentence(0.1234)
    '12 % of the tissue is uncertain (winning probability below 0.6)'
    """
    from morphinfer.networks import UNCERTAIN_BELOW
    from morphinfer.reports import percent

    return f"{percent(share)} of the tissue is uncertain (winning probability below {UNCERTAIN_BELOW:g})"


def print_slides(summaries: Sequence[Summary | SlideFailure]) -> None:
    """Print a row for each slide: shares of the classes and uncertain tissue, or the error."""
    from rich.table import Table

    table = Table()
    table.add_column("slide", overflow="fold")
    table.add_column("classes", overflow="fold")
    table.add_column("uncertain", justify="right")
    table.add_column("seconds", justify="right")
    for entry in summaries:
        if "class_fractions" not in entry:
            table.add_row(entry["slide"], f"failed: {entry['error']}", "", "")
            continue
        shares = ", ".join(f"{name} {n:.1%}" for name, n in entry["class_fractions"].items())
        share = entry["uncertain_fraction"]
        uncertain = "n/a" if share is None else f"{share:.1%}"
        table.add_row(entry["slide"], shares, uncertain, f"{entry['seconds']:.1f}")
    show_table(table)
    for line in dict.fromkeys(models_line(each) for each in summaries if "models" in each):
        echo(line)
