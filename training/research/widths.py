"""Accuracy against operations a pixel: the shipped sets beside the same with other channel widths.

    MORPHINFER_DATA=/path/to/sections python training/research/widths.py [--jobs 2]

Trains the shipped configurations with the widths below, five networks each (10 to 30 minutes a set on
two cores; sets in runs/accuracy/widths are reused), and compares their figures of
`validation_figures.py` with those of the shipped sets. Sections that are kept for a test are not read.
Writes results/DATE-widths.json and docs/pareto.png.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cost import multiply_adds_per_pixel
from morphinfer_training.config import read_config
from morphinfer_training.train import train
from protocol import ROOT, SETS, WORK, SetProtocol, prepare, write_results
from validation_figures import HeldOut, fusion_of, needed_by

WIDTHS = ((8, 16, 32, 32), (16, 16, 32, 32), (16, 32, 64, 64), (24, 48, 96, 96))
NOISE = 0.010
"""Range of the figure at the held-out positions over three seeds of a probe (`ablations.py`)."""


def main() -> int:
    """Train what is missing, measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="networks trained side by side")
    options = parser.parse_args()
    needed = {n for protocol in SETS for n in (*protocol.trained_on, *needed_by(protocol))}
    if reason := prepare(sorted(needed)):
        print(reason)
        return 0
    rows = [row for protocol in SETS for row in measure(protocol, options.jobs)]
    write_results("widths", rows, noise=NOISE)
    draw(ROOT / "docs" / "pareto.png", rows)
    print(markdown(rows))
    return 0


def measure(protocol: SetProtocol, jobs: int) -> list[dict[str, Any]]:
    """A row for each width of one set."""
    held_out, rows = HeldOut.of(protocol), []
    classes = len(held_out.config.classes)
    for channels in WIDTHS:
        folder = trained(protocol, channels, jobs)
        figures = held_out.figures(fusion_of(folder, held_out.config))
        rows.append({
            "set": protocol.name, "channels": list(channels),
            "shipped": folder == protocol.folder,
            "multiply_adds_per_pixel": multiply_adds_per_pixel(channels, classes),
            **figures, "mean": float(np.mean(list(figures.values()))),
        })  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    return rows


def trained(protocol: SetProtocol, channels: tuple[int, ...], jobs: int) -> Path:
    """The set with these channels, the shipped one where it has them."""
    config = read_config(protocol.config)
    if config.channels == channels:
        return protocol.folder
    folder = WORK / "widths" / "_".join([protocol.name, *map(str, channels)])
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        other = replace(config, channels=channels)
        train(other, folder, folder=protocol.config.parent, resume=True, jobs=jobs)
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
        for key, text in (("held-out", "held-out blocks"), ("scanners", "simulated scanners")):
            axes.plot(operations, [r[key] for r in shown], "o-", label=text)
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
    """The table of docs/methods.md."""
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
