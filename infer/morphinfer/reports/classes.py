"""The sections of the page on the classes: areas and scores, and the confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from morphinfer.classes import LabelClass
from morphinfer.images import LabelImage
from morphinfer.records import ClassScoresJson, ScoresJson, Summary, dice_interval, scores_in
from morphinfer.reports.markup import escaped
from morphinfer.reports.svg import Whisker, whisker_chart
from morphinfer.scoring import FEWEST_BLOCKS, match_sentence

DARK_SHARE = 0.55
"""From this share of its row on, an entry of the confusion matrix is dark and its text light."""


def classes_section(labels: LabelImage, summary: Summary) -> str:
    """Share and area of each class, and its scores if there is a reference."""
    rows, all_mm2 = [], area_mm2(labels)
    for entry in labels.classes:
        share = summary["class_fractions"][entry.name]
        area = f"{share * all_mm2:.3f}"
        rows.append(
            f"<tr><td>{_named(entry)}<td>{share:.1%}<td class='bars'>{_bar(share)}<td>{area}"
        )
    table = _table("<tr><th>class<th>share<th><th>area, mm²", rows)
    scores = scores_in(summary)
    return f"<h2>Classes</h2>\n{table}{'' if scores is None else _scores(labels, scores)}"


def _scores(labels: LabelImage, scores: ScoresJson) -> str:
    """A table of the scores, with the areas of the part that was scored."""
    head = "<tr><th>class<th>Dice" + ("" if dice_interval(scores) is None else " [95 %]")
    head += "<th>IoU<th>precision<th>recall<th>reference, mm²<th>result, mm²"
    rows = [
        f"<tr><td>{_named(entry)}{_class_scores(scores, value, entry.name)}"
        for value, entry in enumerate(labels.classes)
    ]
    others = "".join(f"<td>{show(each['mean'])}" for each in _other_scores(scores))
    all_mm2 = _scored_mm2(scores, scores["pixels_compared"])
    mean = show(scores["dice"]["mean"], dice_interval(scores))
    rows.append(
        f"<tr class='total'><td>mean, sum of areas<td>{mean}{others}<td>{all_mm2}<td>{all_mm2}"
    )
    return _table(head, rows) + _intervals(labels, scores)


def _table(head: str, rows: Sequence[str]) -> str:
    return f"<div class='wide'><table>{head}{''.join(rows)}</table></div>"


def _named(entry: LabelClass) -> str:
    return f"{_box(entry.colour)}{escaped(entry.name)}"


def confusion_section(labels: LabelImage, scores: ScoresJson) -> str:
    """The confusion matrix, with the share of each entry in its row, also as a colour."""
    names = [escaped(c.name) for c in labels.classes]
    rows = []
    for entry, counts in zip(labels.classes, scores["confusion"], strict=True):
        total = sum(counts)
        if total:
            entries = "".join(_heat(count, total) for count in counts)
            rows.append(f"<tr><td>{_named(entry)}{entries}<td>{total}")
    return (
        "<h2>Confusion</h2>\n<p class='soft'>Rows are the classes of the reference, columns the "
        "classes that the networks predict. Each entry is a number of pixels, with its share of the "
        "row.</p>"
        f"<div class='wide'><table class='matrix'><tr><th>reference<th>{'<th>'.join(names)}<th>all"
        f"{''.join(rows)}</table></div>"
    )


def show(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A score with three decimals, and its interval if it has one; 'n/a' if it is undefined.

    >>> show(0.7421, (0.711, 0.77))
    '0.742 [0.711, 0.770]'
    """
    if value is None:
        return "n/a"
    ends = "" if interval is None else " [{:.3f}, {:.3f}]".format(*interval)
    return f"{value:.3f}{ends}"


def area_mm2(labels: LabelImage) -> float:
    """Area of a label image, or of its region of interest, in square millimetres."""
    roi = labels.run_record().roi
    positions = math.prod(labels.image.shape) if roi is None else roi.positions
    return positions * labels.image.pixel_size_um**2 / 1e6


def _class_scores(scores: ScoresJson, value: int, name: str) -> str:
    """Scores of a class, and its areas in the part that was scored."""
    dice = show(scores["dice"]["per_class"][name], dice_interval(scores, name))
    others = "".join(f"<td>{show(each['per_class'][name])}" for each in _other_scores(scores))
    pixels = (sum(scores["confusion"][value]), sum(row[value] for row in scores["confusion"]))
    areas = "".join(f"<td>{_scored_mm2(scores, count)}" for count in pixels)
    return f"<td>{dice}{others}{areas}"


def _other_scores(scores: ScoresJson) -> tuple[ClassScoresJson, ...]:
    return scores["iou"], scores["precision"], scores["recall"]


def _scored_mm2(scores: ScoresJson, pixels: int) -> str:
    side_um = scores["compared_pixel_um"]
    return "n/a" if side_um is None else f"{pixels * side_um**2 / 1e6:.3f}"


def _intervals(labels: LabelImage, scores: ScoresJson) -> str:
    """The reference and the blocks behind Dice, and a chart of Dice."""
    dice, intervals = scores["dice"], scores["dice"]["intervals"]
    inside = "" if scores["roi"] is None else f" inside {escaped(Path(scores['roi']).name)}"
    notes = [
        f"Dice against {escaped(Path(str(scores['reference'])).name)}, over "
        f"{scores['pixels_compared']} pixels with a label{inside}; areas are of that part."
    ]
    for pair in scores["matched"].items():
        sentence = escaped(match_sentence(*pair))
        notes.append(f"{sentence[0].upper()}{sentence[1:]}.")
    if intervals is None or intervals["mean"] is None:
        notes.append(
            f"Fewer than {FEWEST_BLOCKS} blocks of the section have pixels with a label, so there are "
            f"no intervals."
        )
        return f"<p class='soft'>{' '.join(notes)}</p>"
    notes.append(
        f"The 95 % intervals are from a bootstrap over {intervals['blocks']} square blocks of "
        f"{intervals['block_um']:g} µm; they show how Dice varies over tissue like that of this "
        f"section, not from animal to animal."
    )
    rows = [
        Whisker(c.name, dice["per_class"][c.name], intervals["per_class"].get(c.name), c.colour)
        for c in labels.classes
    ]
    rows.append(Whisker("mean", dice["mean"], intervals["mean"]))
    chart = whisker_chart(rows, label="Dice with its 95 % interval")
    return f"<p class='soft'>{' '.join(notes)}</p><figure>{chart}</figure>"


def _heat(count: int, total: int) -> str:
    share = count / total
    dark = " dark" if share >= DARK_SHARE else ""
    return (
        f"<td class='heat{dark}' style='--share:{0.65 * share:.3f}'>{count}"
        f"<small>{share:.1%}</small>"
    )


def _box(colour: str) -> str:
    return f"<span class='box' style='background:{escaped(colour)}'></span>"


def _bar(share: float) -> str:
    return f"<span class='bar' style='width:{8 * share:.2f}rem'></span>"
