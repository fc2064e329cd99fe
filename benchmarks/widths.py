"""Accuracy against operations a pixel: the shipped sets beside the same with other channel widths.

    MORPHINFER_DATA=/path/to/sections python benchmarks/widths.py [--jobs 2]

Trains the shipped configurations with the widths below, five networks each (10 to 30 minutes a set on
two cores; what stands in runs/accuracy/widths is not trained again), and puts the figures of
`validation_figures.py` beside those of the shipped sets. No section that is kept for a test is touched.
Writes results/DATE-widths.json and docs/pareto.png.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from accuracy import SETS, ModelSetPlan
from machine import describe
from morphinfer_training.config import read_config
from morphinfer_training.learning.nets import multiply_adds_per_pixel
from morphinfer_training.train import train
from protocol import ROOT, WORK, data_folder, skip_reason, slide
from validation_figures import HeldOut

WIDTHS = ((8, 16, 32, 32), (16, 16, 32, 32), (16, 32, 64, 64), (24, 48, 96, 96))
NOISE = 0.010
"""What three seeds of a probe differ by on the held-out cells (`ablations.py`)."""


def main() -> int:
    """Train what is missing, measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="networks trained side by side")
    told = parser.parse_args()
    needed = sorted({name for plan in SETS for name in plan.trained_on})
    if reason := skip_reason(needed):
        print(reason)
        return 0
    os.environ.setdefault("MORPHINFER_DATA", str(data_folder()))
    os.environ["MORPHINFER_SECTIONS"] = str(WORK)
    for name in needed:
        slide("midbrain_corner" if name == "midbrain_nuclei" else name)
    rows = [row for plan in SETS for row in measure(plan, told.jobs)]
    found = {"machine": describe(), "noise": NOISE, "sets": rows}
    out = Path(__file__).parent / "results" / f"{datetime.date.today().isoformat()}-widths.json"
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draw(ROOT / "docs" / "pareto.png", rows)
    print(markdown(rows))
    return 0


def measure(plan: ModelSetPlan, jobs: int) -> list[dict[str, Any]]:
    """A row for each width of one set."""
    held, rows = HeldOut.of(plan), []
    for channels in WIDTHS:
        folder = trained(plan, channels, jobs)
        figures = held.figures(folder)
        rows.append({
            "set": plan.name, "channels": list(channels),
            "shipped": folder == plan.folder,
            "multiply_adds_per_pixel": multiply_adds_per_pixel(channels, len(held.config.classes)),
            **figures, "mean": float(np.mean(list(figures.values()))),
        })  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    return rows


def trained(plan: ModelSetPlan, channels: tuple[int, ...], jobs: int) -> Path:
    """The set with these channels, the shipped one where it has them."""
    config = read_config(plan.config)
    if config.channels == channels:
        return plan.folder
    folder = WORK / "widths" / "_".join([plan.name, *map(str, channels)])
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        other = replace(config, channels=channels)
        train(other, folder, folder=plan.config.parent, resume=True, jobs=jobs)
    return folder


def draw(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A panel a set: mean Dice over the operations of a network, with the noise below the best."""
    names = list(dict.fromkeys(row["set"] for row in rows))
    figure = Figure(figsize=(4.6 * len(names), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        shown = sorted(
            (r for r in rows if r["set"] == name), key=lambda r: r["multiply_adds_per_pixel"]
        )
        operations = [r["multiply_adds_per_pixel"] for r in shown]
        for key, told in (("held-out", "held-out cells"), ("scanners", "simulated scanners")):
            axes.plot(operations, [r[key] for r in shown], "o-", label=told)
        best = max(r["held-out"] for r in shown)
        axes.axhspan(best - NOISE, best, alpha=0.15, label="within the noise of the best")
        for row in shown:
            text = ", ".join(map(str, row["channels"])) + (" (shipped)" if row["shipped"] else "")
            axes.annotate(
                text, (row["multiply_adds_per_pixel"], row["held-out"]), rotation=30, fontsize=7,
                textcoords="offset points", xytext=(0, 6),
            )  # fmt: skip
        axes.set(xscale="log", xlabel="multiply-adds a pixel, one network", ylabel="mean Dice",
                 title=name)  # fmt: skip
        axes.margins(x=0.2, y=0.3)
        axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=130)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of training/PROTOCOL.md."""
    keys = ("held-out", "scanners", "misjudged", "compound", "faint", "mean")
    lines = [
        "| set | channels | multiply-adds a pixel | " + " | ".join(keys) + " |",
        "| --- " * (len(keys) + 3) + "|",
    ]
    for row in rows:
        text = ", ".join(map(str, row["channels"]))
        figures = " | ".join(f"{row[k]:.3f}" if k in row else "" for k in keys)
        lines.append(
            f"| `{row['set']}` | {f'**{text}**' if row['shipped'] else text} "
            f"| {row['multiply_adds_per_pixel']:.0f} | {figures} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
