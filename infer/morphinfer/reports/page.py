"""The report as one HTML page that needs no network and no other file.

Every text that comes from files is escaped; the policy of the page forbids loading anything.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.classes import values_of
from morphinfer.images import LabelImage
from morphinfer.networks import UNCERTAIN_BELOW
from morphinfer.records import (
    RunRecord,
    RunRoi,
    Summary,
    scores_in,
)
from morphinfer.reports.classes import area_mm2, classes_section, confusion_section, show
from morphinfer.reports.maps import Map
from morphinfer.reports.markup import escaped
from morphinfer.reports.models import models_section
from morphinfer.reports.seams import SeamCheck
from morphinfer.reports.style import STYLE
from morphinfer.reports.svg import line_chart
from morphinfer.scoring import trained_on

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a page."""

    png: bytes
    """Bytes of the file."""
    shows_nuclei: bool
    """Whether the nuclei are visible below the classes."""


def page(
    labels: LabelImage,
    summary: Summary,
    picture: Picture,
    maps: Sequence[Map],
    check: SeamCheck,
) -> str:
    """The page of a finished segmentation.

    Parameters
    ----------
    labels : LabelImage
        The published result, with its run record.
    summary : Summary
        The figures of the run (`summarise`), with the scores if there is a reference.
    picture : Picture
        The classes.
    maps : sequence of Map
        Reference, errors and uncertainty, as far as there are any.
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
    title = escaped(Path(summary["slide"]).name)
    record, scores = labels.run_record(), scores_in(summary)
    sections = [
        _head(title, labels, record),
        _warnings([*record.warnings, *filter(None, [trained_on(record)])]),
        _figures(labels, summary, check),
        _picture(picture, title, labels),
        _maps(maps),
        classes_section(labels, summary),
        "" if scores is None else confusion_section(labels, scores),
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
        f"<b>{escaped(record.models.name)}</b> on {escaped(record.provider.ran)} in "
        f"{record.seconds:.1f} s by morphinfer {escaped(record.morphinfer)}: "
        f"{rows} × {cols} positions of {size_um:g} µm{_roi(record.roi)}.</p>"
    )


def _roi(roi: RunRoi | None) -> str:
    """The region of interest, by the name and the hash of its file."""
    if roi is None:
        return ""
    name = escaped(roi.file)
    return (
        f", of which the {roi.positions} inside {name} (SHA-256 {escaped(roi.sha256)}) have labels"
    )


def _warnings(warnings: Sequence[str]) -> str:
    """What the result must not be trusted for without a look; nothing where there is no warning."""
    items = "".join(f"<li>{escaped(warning)}</li>" for warning in warnings)
    return f"<h2>Warnings</h2>\n<ul class='warnings'>{items}</ul>" if items else ""


def _figures(labels: LabelImage, summary: Summary, check: SeamCheck) -> str:
    """The main figures: area of the tissue, uncertain share, mean Dice, seams."""
    background = values_of(labels.classes, "background")
    empty = sum(summary["class_fractions"][labels.classes[value].name] for value in background)
    figures = [(f"{(1 - empty) * area_mm2(labels):.3g} mm²", "tissue")]
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


def _picture(picture: Picture, title: str, labels: LabelImage) -> str:
    """The picture, and the command that shows it in every detail."""
    caption = "The classes over the nuclei" if picture.shows_nuclei else "The classes alone"
    path = labels.image.path
    name = escaped(f'"{path.name}"' if path and " " in path.name else labels.image.name)
    return (
        f"<figure>{_image(picture.png, caption)}<figcaption>{caption}: {title}. To pan and zoom in it, run "
        f"<code>morphinfer view {name}</code> in the folder of the label image.</figcaption></figure>"
    )


def _image(png: bytes, caption: str) -> str:
    return f"<img alt='{caption}' src='data:image/png;base64,{base64.b64encode(png).decode()}'>"


def _maps(maps: Sequence[Map]) -> str:
    figures = "".join(
        f"<figure>{_image(each.png, each.caption)}<figcaption>{each.caption}.</figcaption></figure>"
        for each in maps
    )
    return f"<h2>Maps</h2>\n<div class='maps'>{figures}</div>" if figures else ""


def _seams(check: SeamCheck) -> str:
    """The check for seams: the verdict, and a chart of the tile grid against the same grid moved."""
    text = f"<h2>Check for seams</h2>\n<p>{escaped(check.verdict)}</p>"
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
    lines = json.dumps({**record, "models": models}, indent=1).split("\n")
    text = "\n".join(map(escaped, lines))
    return f"<h2>Run record</h2>\n<details><summary>show</summary><pre>{text}</pre></details>"
