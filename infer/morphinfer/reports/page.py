"""The report as one HTML page that needs no network and no other file.

Every text that comes from files is escaped; the policy of the page forbids loading anything.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.classes import values_of
from morphinfer.images import LabelImage
from morphinfer.networks import UNCERTAIN_BELOW
from morphinfer.records import RunRecord, ScoresJson, Summary, dice_interval, scores_in
from morphinfer.reports.models import models_section
from morphinfer.reports.seams import SeamCheck
from morphinfer.reports.style import STYLE
from morphinfer.reports.svg import Whisker, line_chart, whisker_chart
from morphinfer.scoring import FEWEST_BLOCKS, match_sentence

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
DARK_SHARE = 0.55
"""From this share of its row on, an entry of the confusion matrix is dark and its text light."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a page."""

    png: bytes
    """Bytes of the file."""
    shows_nuclei: bool
    """Whether the nuclei are visible below the classes."""


def page(labels: LabelImage, summary: Summary, picture: Picture, check: SeamCheck) -> str:
    """The page of a finished segmentation.

    Parameters
    ----------
    labels : LabelImage
        The published result, with its run record.
    summary : Summary
        The figures of the run (`summarise`), with the scores if there is a reference.
    picture : Picture
        The classes.
    check : SeamCheck
        Result of the check for seams.

    Returns
    -------
    str
        The HTML document.

    Raises
    ------
    RecordError
        The label image has no run record.
    """
    title = html.escape(Path(summary["slide"]).name)
    record, scores = labels.run_record(), scores_in(summary)
    sections = [
        _head(title, labels, record),
        _warnings(record.warnings),
        _figures(labels, summary, check),
        _picture(picture, title),
        _classes(labels, summary),
        "" if scores is None else _confusion(labels, scores),
        _seams(check),
        models_section(record.models, record.fit),
        _record(labels.record),
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
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


def percent(share: float) -> str:
    """A share in percent: a whole number, below ten with one decimal.

    >>> [percent(s) for s in (0, 0.0123, 0.1234)]
    ['0 %', '1.2 %', '12 %']
    """
    number = 100 * share
    return f"{number:.1f} %" if 0 < number < 9.95 else f"{number:.0f} %"


def _head(title: str, labels: LabelImage, record: RunRecord) -> str:
    synthetic = record.slide.synthetic
    badge = "<span class='badge'>synthetic section</span>" if synthetic else ""
    rows, cols = labels.image.shape
    size_um = labels.image.pixel_size_um
    kind = "A synthetic section, segmented" if synthetic else "Segmented"
    return (
        f"<h1>{title}{badge}</h1>\n<p class='soft'>{kind} with the model set "
        f"<b>{html.escape(record.models.name)}</b> on {html.escape(record.provider.ran)} in "
        f"{record.seconds:.1f} s by morphinfer {html.escape(record.morphinfer)}: "
        f"{rows} × {cols} positions of {size_um:g} µm.</p>"
    )


def _warnings(warnings: Sequence[str]) -> str:
    """What the result must not be trusted for without a look; nothing where there is no warning."""
    items = "".join(f"<li>{html.escape(warning)}</li>" for warning in warnings)
    return f"<h2>Warnings</h2>\n<ul class='warnings'>{items}</ul>" if items else ""


def _figures(labels: LabelImage, summary: Summary, check: SeamCheck) -> str:
    """The main figures: area of the tissue, uncertain share, mean Dice, seams."""
    background = values_of(labels.classes, "background")
    empty = sum(summary["class_fractions"][labels.classes[value].name] for value in background)
    figures = [(f"{(1 - empty) * _area_mm2(labels):.3g} mm²", "tissue")]
    uncertain = summary["uncertain_fraction"]
    if uncertain is not None:
        figures.append(
            (
                percent(uncertain),
                f"of the tissue is uncertain (probability below {UNCERTAIN_BELOW:g})",
            )
        )
    if (scores := scores_in(summary)) is not None:
        dice = scores["dice"]
        interval = None if dice["intervals"] is None else dice["intervals"]["mean"]
        ends = "" if interval is None else ", 95 % interval {:.3f} to {:.3f}".format(*interval)
        name = f"mean Dice of {scores['classes_counted']} classes{ends}"
        figures.append((show(dice["mean"]), name))
    if (seams := check.seams) is not None:
        seen = {True: "Seams", False: "No seams", None: "n/a"}[seams.seen]
        ratio = "" if seams.ratio is None else f" (ratio {seams.ratio:.2f})"
        figures.append((seen, f"changes of class at tile borders{ratio}"))
    boxes = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in figures)
    return f"<div class='figures'>{boxes}</div>"


def _picture(picture: Picture, title: str) -> str:
    image = base64.b64encode(picture.png).decode()
    caption = "The classes over the nuclei" if picture.shows_nuclei else "The classes alone"
    return (
        f"<figure><img alt='{caption}' src='data:image/png;base64,{image}'>"
        f"<figcaption>{caption}: {title}.</figcaption></figure>"
    )


def _classes(labels: LabelImage, summary: Summary) -> str:
    """Share and area of each class, with Dice if there is a reference."""
    scores = scores_in(summary)
    head = "<tr><th>class<th>share<th><th>area, mm²"
    if scores is not None:
        head += "<th>Dice" + ("" if dice_interval(scores) is None else " [95 %]") + "<th>IoU"
    rows = []
    for entry in labels.classes:
        share = summary["class_fractions"][entry.name]
        area_mm2 = share * _area_mm2(labels)
        columns = f"<td>{share:.1%}<td class='bars'>{_bar(share)}<td>{area_mm2:.3f}"
        if scores is not None:
            columns += _class_scores(scores, entry.name)
        rows.append(f"<tr><td>{_box(entry.colour)}{html.escape(entry.name)}{columns}")
    if scores is not None:
        mean = show(scores["dice"]["mean"], dice_interval(scores))
        iou = show(scores["iou"]["mean"])
        rows.append(f"<tr class='total'><td>mean<td><td><td><td>{mean}<td>{iou}")
    table = f"<div class='wide'><table>{head}{''.join(rows)}</table></div>"
    return f"<h2>Classes</h2>\n{table}{'' if scores is None else _intervals(labels, scores)}"


def _class_scores(scores: ScoresJson, name: str) -> str:
    dice = show(scores["dice"]["per_class"][name], dice_interval(scores, name))
    return f"<td>{dice}<td>{show(scores['iou']['per_class'][name])}"


def _intervals(labels: LabelImage, scores: ScoresJson) -> str:
    """The reference and the blocks behind Dice, and a chart of Dice."""
    dice, intervals = scores["dice"], scores["dice"]["intervals"]
    notes = [
        f"Dice against {html.escape(Path(str(scores['reference'])).name)}, over "
        f"{scores['pixels_compared']} pixels with a label."
    ]
    for pair in scores["matched"].items():
        sentence = html.escape(match_sentence(*pair))
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


def _confusion(labels: LabelImage, scores: ScoresJson) -> str:
    """The confusion matrix, with the share of each entry in its row, also as a colour."""
    names = [html.escape(c.name) for c in labels.classes]
    rows = []
    for entry, name, counts in zip(labels.classes, names, scores["confusion"], strict=True):
        total = sum(counts)
        if total:
            entries = "".join(_heat(count, total) for count in counts)
            rows.append(f"<tr><td>{_box(entry.colour)}{name}{entries}<td>{total}")
    return (
        "<h2>Confusion</h2>\n<p class='soft'>Rows are the classes of the reference, columns the "
        "classes that the networks predict. Each entry is a number of pixels, with its share of the "
        "row.</p>"
        f"<div class='wide'><table class='matrix'><tr><th>reference<th>{'<th>'.join(names)}<th>all"
        f"{''.join(rows)}</table></div>"
    )


def _heat(count: int, total: int) -> str:
    share = count / total
    dark = " dark" if share >= DARK_SHARE else ""
    return (
        f"<td class='heat{dark}' style='background:rgba(var(--heat),{0.65 * share:.3f})'>{count}"
        f"<small>{share:.1%}</small>"
    )


def _seams(check: SeamCheck) -> str:
    """The check for seams: the verdict, and a chart of the tile grid against the same grid moved."""
    text = f"<h2>Check for seams</h2>\n<p>{html.escape(check.verdict)}</p>"
    if (seams := check.seams) is None:
        return text
    chart = line_chart(
        {"the same grid, moved": (seams.offsets, [100 * share for share in seams.shares])},
        x_label="offset of the grid in positions",
        y_label="pairs that differ, %",
        point=(0, 100 * seams.at_borders, "the tile borders"),
    )
    if not chart:
        return text
    return (
        f"{text}<figure>{chart}<figcaption>Share of pairs of neighbouring positions with different "
        f"classes: the point is for pairs across the {seams.borders} tile borders, the line for the "
        f"same grid moved by an offset. A point clearly above the line indicates seams.</figcaption>"
        f"</figure>"
    )


def _record(record: Mapping[str, Any]) -> str:
    """The run record, without the provenance of the models, which has a section."""
    models = {k: v for k, v in record["models"].items() if k != "provenance"}
    text = html.escape(json.dumps({**record, "models": models}, indent=1))
    return f"<h2>Run record</h2>\n<details><summary>show</summary><pre>{text}</pre></details>"


def _area_mm2(labels: LabelImage) -> float:
    height, width = labels.image.shape
    return height * width * labels.image.pixel_size_um**2 / 1e6


def _box(colour: str) -> str:
    return f"<span class='box' style='background:{html.escape(colour)}'></span>"


def _bar(share: float) -> str:
    return f"<span class='bar' style='width:{8 * share:.2f}rem'></span>"
