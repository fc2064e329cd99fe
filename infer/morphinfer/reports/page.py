"""The report as one HTML page that needs no network and no other file, made of sections of its own.

Every text that comes from files is escaped; the page forbids itself to load anything.
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
"""From this share of a row on, a cell of the confusion matrix is dark and its text light."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a page."""

    png: bytes
    """The file."""
    shows_nuclei: bool
    """Whether the classes lie over the nuclei, or stand alone."""


def page(labels: LabelImage, summary: Summary, picture: Picture, check: SeamCheck) -> str:
    """The page of a finished segmentation.

    Parameters
    ----------
    labels : LabelImage
        The published result, with its run record.
    summary : Summary
        The outcome in figures (`summarise`), with the scores where there is a reference.
    picture : Picture
        The classes.
    check : SeamCheck
        For seams.
    """
    title = html.escape(Path(summary["slide"]).name)
    record, scores = labels.run_record(), scores_in(summary)
    sections = [
        _head(title, labels, record),
        _figures(labels, summary, check),
        _picture(picture, title),
        _classes(labels, summary),
        "" if scores is None else _confusion(labels, scores),
        _seams(check),
        models_section(record.models),
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
    """A score with three decimals, and its interval where there is one; 'n/a' where it is undefined.

    >>> show(0.7421, (0.711, 0.77))
    '0.742 [0.711, 0.770]'
    """
    if value is None:
        return "n/a"
    ends = "" if interval is None else " [{:.3f}, {:.3f}]".format(*interval)
    return f"{value:.3f}{ends}"


def percent(share: float) -> str:
    """A share as a person says it: whole, but with a decimal below ten.

    >>> [percent(s) for s in (0, 0.0123, 0.1234)]
    ['0 %', '1.2 %', '12 %']
    """
    told = 100 * share
    return f"{told:.1f} %" if 0 < told < 9.95 else f"{told:.0f} %"


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
        f"{rows} × {cols} cells of {size_um:g} µm.</p>"
    )


def _figures(labels: LabelImage, summary: Summary, check: SeamCheck) -> str:
    """The figures that a reader looks for first."""
    background = values_of(labels.classes, "background")
    empty = sum(summary["class_fractions"][labels.classes[value].name] for value in background)
    told = [(f"{(1 - empty) * _area_mm2(labels):.3g} mm²", "tissue")]
    uncertain = summary["uncertain_fraction"]
    if uncertain is not None:
        told.append(
            (
                percent(uncertain),
                f"of the tissue is uncertain (probability below {UNCERTAIN_BELOW:g})",
            )
        )
    if (scores := scores_in(summary)) is not None:
        dice = scores["dice"]
        interval = None if dice["intervals"] is None else dice["intervals"]["mean"]
        ends = "" if interval is None else ", 95 % interval {:.3f} to {:.3f}".format(*interval)
        told.append((show(dice["mean"]), f"mean Dice of {scores['classes_counted']} classes{ends}"))
    if (seams := check.seams) is not None:
        seen = {True: "Seams", False: "No seams", None: "n/a"}[seams.seen]
        ratio = "" if seams.ratio is None else f" (ratio {seams.ratio:.2f})"
        told.append((seen, f"changes of class at tile borders{ratio}"))
    cells = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in told)
    return f"<div class='figures'>{cells}</div>"


def _picture(picture: Picture, title: str) -> str:
    image = base64.b64encode(picture.png).decode()
    told = "The classes over the nuclei" if picture.shows_nuclei else "The classes alone"
    return (
        f"<figure><img alt='{told}' src='data:image/png;base64,{image}'>"
        f"<figcaption>{told}: {title}.</figcaption></figure>"
    )


def _classes(labels: LabelImage, summary: Summary) -> str:
    """Share and area of each class, with Dice where there is a reference."""
    scores = scores_in(summary)
    head = "<tr><th>class<th>share<th><th>area, mm²"
    if scores is not None:
        head += "<th>Dice" + ("" if dice_interval(scores) is None else " [95 %]") + "<th>IoU"
    rows = []
    for entry in labels.classes:
        share = summary["class_fractions"][entry.name]
        cells = f"<td>{share:.1%}<td class='bars'>{_bar(share)}<td>{share * _area_mm2(labels):.3f}"
        if scores is not None:
            cells += _class_scores(scores, entry.name)
        rows.append(f"<tr><td>{_box(entry.colour)}{html.escape(entry.name)}{cells}")
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
    """What Dice rests on, and a chart of it."""
    dice, intervals = scores["dice"], scores["dice"]["intervals"]
    notes = [
        f"Dice against {html.escape(Path(str(scores['reference'])).name)}, over "
        f"{scores['pixels_compared']} cells."
    ]
    notes += [f"There, {html.escape(match_sentence(*pair))}." for pair in scores["matched"].items()]
    if intervals is None or intervals["mean"] is None:
        notes.append(
            f"Fewer than {FEWEST_BLOCKS} blocks of the section hold labelled cells, so no interval is "
            f"told."
        )
        return f"<p class='soft'>{' '.join(notes)}</p>"
    notes.append(
        f"95 % intervals come from a bootstrap over {intervals['blocks']} square blocks of "
        f"{intervals['block_um']:g} µm; they tell how sure Dice is on tissue like this section's, not "
        f"how it varies from animal to animal."
    )
    rows = [
        Whisker(c.name, dice["per_class"][c.name], intervals["per_class"].get(c.name), c.colour)
        for c in labels.classes
    ]
    rows.append(Whisker("mean", dice["mean"], intervals["mean"]))
    chart = whisker_chart(rows, label="Dice with its 95 % interval")
    return f"<p class='soft'>{' '.join(notes)}</p><figure>{chart}</figure>"


def _confusion(labels: LabelImage, scores: ScoresJson) -> str:
    """The confusion matrix, with the share of each row and a colour for it."""
    names = [html.escape(c.name) for c in labels.classes]
    rows = []
    for entry, name, counts in zip(labels.classes, names, scores["confusion"], strict=True):
        total = sum(counts)
        if total:
            cells = "".join(_heat(count, total) for count in counts)
            rows.append(f"<tr><td>{_box(entry.colour)}{name}{cells}<td>{total}")
    return (
        "<h2>Confusion</h2>\n<p class='soft'>Rows are the classes of the reference, columns what the "
        "networks called them: cells, and their share of the row.</p>"
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
    """The check for seams: the sentence, and the grid at its place against all other places."""
    told = f"<h2>Check for seams</h2>\n<p>{html.escape(check.verdict)}</p>"
    if (seams := check.seams) is None:
        return told
    chart = line_chart(
        {"the same grid, moved": (seams.offsets, [100 * share for share in seams.shares])},
        x_label="offset of the grid in cells",
        y_label="pairs that differ, %",
        point=(0, 100 * seams.at_borders, "the tile borders"),
    )
    if not chart:
        return told
    return (
        f"{told}<figure>{chart}<figcaption>Share of neighbouring cells of different classes across the "
        f"{seams.borders} borders of the tiles, and across lines as many elsewhere. A point that stands "
        f"out above the line would be a seam.</figcaption></figure>"
    )


def _record(record: Mapping[str, Any]) -> str:
    """The run record, without what the section on the models shows."""
    models = {k: v for k, v in record["models"].items() if k != "provenance"}
    told = html.escape(json.dumps({**record, "models": models}, indent=1))
    return f"<h2>Run record</h2>\n<details><summary>show</summary><pre>{told}</pre></details>"


def _area_mm2(labels: LabelImage) -> float:
    height, width = labels.image.shape
    return height * width * labels.image.pixel_size_um**2 / 1e6


def _box(colour: str) -> str:
    return f"<span class='box' style='background:{html.escape(colour)}'></span>"


def _bar(share: float) -> str:
    return f"<span class='bar' style='width:{8 * share:.2f}rem'></span>"
