"""Accuracy against operations a pixel over channel widths, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_pareto(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a PNG of the variants of channel widths and the probe."""
    shown = [r for r in rows if r["name"] == "probe" or r["question"] == "channel widths"]
    shown.sort(key=lambda row: row["multiply_adds_per_pixel"])
    noise = [r["fused"]["mean"] for r in rows if r["question"].startswith("noise")]
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for key, told in (("fused", "held-out cells"), ("scanners_mean", "simulated scanners")):
        values = [r[key]["mean"] if key == "fused" else r[key] for r in shown]
        axes.plot([r["multiply_adds_per_pixel"] for r in shown], values, "o-", label=told)
    if len(noise) > 1:
        middle = sum(noise) / len(noise)
        axes.axhspan(min(noise), max(noise), alpha=0.15, label=f"seeds of the probe ({middle:.3f})")
    for row in shown:
        width = dict(row["change"]).get("channels", [16])[0]
        at = row["multiply_adds_per_pixel"], row["fused"]["mean"]
        axes.annotate(f"{width} ...", at, textcoords="offset points", xytext=(4, 5))
    axes.set(xscale="log", xlabel="multiply-adds a pixel, one network", ylabel="mean Dice")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=130)
