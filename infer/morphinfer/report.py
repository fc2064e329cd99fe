"""What a run leaves for a reader beside the label image: picture, JSON record, and one HTML page."""

from __future__ import annotations

import base64
import html
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.labels import LabelImage
from morphinfer.metrics import Scores, scores_json
from morphinfer.overlay import write_overlay
from morphinfer.slide import Slide
from morphinfer.staging import check_target, staged

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
img { max-width: 100%; background: #000; } table { border-collapse: collapse; margin: 1em 0; }
td, th { padding: .25em .9em; border-bottom: 1px solid #ccc; text-align: right; }
td:first-child, th:first-child { text-align: left; }
.box { display: inline-block; width: .9em; height: .9em; margin-right: .5em; border: 1px solid #888; }
pre { background: #f4f4f4; padding: 1em; overflow-x: auto; font-size: 12px; }
"""


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the parts of a report stand, beside the label image."""

    picture: Path
    """Overlay of the classes over the nuclei, PNG."""
    record: Path
    """The run record with the Dice report, JSON."""
    page: Path
    """Both and the tables in one self-contained HTML file."""

    @classmethod
    def beside(cls, labels: Path) -> ReportPaths:
        """Paths that belong to a label image."""
        stem = labels.name.removesuffix(".zarr")
        return cls(*(labels.with_name(stem + ending) for ending in (".png", ".json", ".html")))

    def check(self, *, overwrite: bool) -> None:
        """Refuse, before any work is done, what could not be written at the end."""
        for path in (self.picture, self.record, self.page):
            check_target(path, overwrite=overwrite)


def write_report(
    slide: Slide, labels: LabelImage, summary: Mapping[str, Any], *, overwrite: bool = False
) -> ReportPaths:
    """Write picture, record and page beside a label image.

    Parameters
    ----------
    slide : Slide
        The nuclei.
    labels : LabelImage
        The published result.
    summary : Mapping
        What ``--json`` prints; with 'dice' where a reference was given.
    overwrite : bool
        Replace a report that stands there.

    Raises
    ------
    OutputError
        A part exists, or cannot be written.
    """
    paths = ReportPaths.beside(labels.image.path or Path(labels.image.name))
    write_overlay(paths.picture, slide, labels, overwrite=overwrite)
    told = {**summary, "run": labels.record}
    with staged(paths.record, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    page = _page(labels, summary, paths.picture.read_bytes())
    with staged(paths.page, overwrite=overwrite) as partial:
        partial.write_text(page, encoding="utf-8")
    return paths


def summarise(labels: LabelImage, scores: Scores | None) -> dict[str, Any]:
    """The outcome in figures, as ``--json`` prints it; with Dice where there are scores."""
    record = labels.record
    told = {
        "slide": record["slide"]["path"],
        "labels": str(labels.image.path),
        "models": record["models"]["name"],
        "classes": record["classes"],
        "pixel_size_um": record["pixel_size_um"],
        "stride_px": record["stride_px"],
        "provider": record["provider"]["ran"],
        "seconds": record["seconds"],
        "megapixels_per_second": record["megapixels_per_second"],
        "peak_rss_mb": peak_rss_mb(),
        "class_fractions": record["class_fractions"],
        "uncertain_fraction": record.get("uncertain_fraction"),
    }
    return told if scores is None else {**told, **scores_json(scores)}


def _page(labels: LabelImage, summary: Mapping[str, Any], picture: bytes) -> str:
    image = base64.b64encode(picture).decode()
    title = html.escape(Path(str(summary["slide"])).name)
    record = html.escape(json.dumps(labels.record, indent=1))
    kind = "A synthetic section, segmented" if labels.record["slide"]["synthetic"] else "Segmented"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{STYLE}</style><h1>{title}</h1>"
        f"<p>{kind} with <b>{html.escape(str(summary['models']))}</b> on "
        f"{html.escape(str(summary['provider']))} in {summary['seconds']:.1f} s.</p>"
        f"<img alt='classes over nuclei' src='data:image/png;base64,{image}'>"
        f"{_class_table(labels, summary)}<h2>Run record</h2><pre>{record}</pre></html>\n"
    )


def _class_table(labels: LabelImage, summary: Mapping[str, Any]) -> str:
    height, width = labels.image.shape
    total_mm2 = height * width * labels.image.pixel_size_um**2 / 1e6
    dice = summary.get("dice")
    head = "<tr><th>class<th>share<th>mm²" + ("<th>Dice" if dice else "")
    rows = []
    for entry in labels.classes:
        share = summary["class_fractions"][entry.name]
        cells = f"<td>{share:.1%}<td>{share * total_mm2:.3f}"
        if dice:
            cells += f"<td>{show(dice['per_class'][entry.name])}"
        box = f"<span class=box style='background:{entry.colour}'></span>"
        rows.append(f"<tr><td>{box}{html.escape(entry.name)}{cells}")
    if dice:
        rows.append(f"<tr><td><b>mean</b><td><td><td><b>{show(dice['mean'])}</b>")
    return f"<table>{head}{''.join(rows)}</table>"


def show(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A score with three decimals, and its interval where there is one; 'n/a' where it is undefined.

    >>> show(0.7421, (0.711, 0.77))
    '0.742 [0.711, 0.770]'
    """
    if value is None:
        return "n/a"
    ends = "" if interval is None else " [{:.3f}, {:.3f}]".format(*interval)
    return f"{value:.3f}{ends}"


def peak_rss_mb() -> float | None:
    """Largest resident memory of this process so far, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows has no such counter in the standard library
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
