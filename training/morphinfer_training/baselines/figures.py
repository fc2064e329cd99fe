"""Dice of several methods at the same positions, with intervals from a bootstrap over spatial blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from morphinfer.classes import UNLABELLED
from morphinfer.scoring import bootstrap_dice, dice, mean_dice, paired_difference
from morphinfer_training.baselines.predictions import FUSED
from morphinfer_training.config import TrainConfig

BLOCK_UM = 100.0
"""Of the bootstrap: as wide as the largest patch."""
AGAINST = "random forest"


@dataclass(frozen=True, slots=True)
class Result:
    """Labels of several methods on one or more sections."""

    name: str
    """Name of the scored positions in figures.json."""
    independent: bool
    """Whether they are of an animal that no choice has used."""
    config: TrainConfig
    """Classes, stride and pixel size."""
    labels: Sequence[NDArray[np.uint8]]
    """Reference of each section."""
    masks: Sequence[NDArray[np.bool_]]
    """Positions of it that are scored."""
    methods: Mapping[str, Sequence[NDArray[np.uint8]]]
    """Labels of each section by each method."""
    uncertainty: Sequence[NDArray[np.uint8]]
    """Of the fused networks in each section, `morphinfer.networks.normalised_entropy`."""
    named: Sequence[int]
    """Classes that the references name, whether any position is of them or not."""

    @property
    def known(self) -> list[int]:
        """Classes that the reference has."""
        return sorted(
            {int(v) for truth, mask in zip(self.labels, self.masks, strict=True)
             for v in np.unique(truth[mask])} - {UNLABELLED}
        )  # fmt: skip

    def blocks(self, method: str) -> NDArray[np.int64]:
        """Confusion matrix of each block, shape (B, C, C)."""
        side = max(1, round(BLOCK_UM / (self.config.stride_px * self.config.pixel_size_um)))
        count = len(self.config.classes)
        matrices = []
        for truth, mask, labels in zip(self.labels, self.masks, self.methods[method], strict=True):
            rows, cols = np.nonzero(mask & (truth != UNLABELLED))
            wide = truth.shape[1] // side + 1
            block = rows // side * wide + cols // side
            pair = truth[rows, cols].astype(np.int64) * count + labels[rows, cols]
            size = (truth.shape[0] // side + 1) * wide
            counts = np.bincount(block * count**2 + pair, minlength=size * count**2)
            matrices.append(counts.reshape(size, count, count))
        return np.concatenate(matrices)

    def errors_by_uncertainty(self, parts: int = 3) -> list[float]:
        """Share of positions that the fusion gets wrong, from the least to the most uncertain part."""
        zipped = zip(self.labels, self.masks, self.methods[FUSED], self.uncertainty, strict=True)
        wrong, unsure = [], []
        for truth, mask, labels, uncertainty in zipped:
            scored = mask & (truth != UNLABELLED)
            wrong.append((labels != truth)[scored])
            unsure.append(uncertainty[scored])
        order = np.argsort(np.concatenate(unsure), kind="stable")
        return [float(part.mean()) for part in np.array_split(np.concatenate(wrong)[order], parts)]


def write_picture(path: Path, result: Result, method: str = FUSED) -> None:
    """The label map of one section (left) beside its reference (right); neither shows the nuclei."""
    colours = [bytes.fromhex(c.colour.removeprefix("#")) for c in result.config.label_classes]
    palette = np.full((256, 3), 255, np.uint8)
    palette[: len(colours)] = [list(c) for c in colours]
    left, right = (palette[labels[0]] for labels in (result.methods[method], result.labels))
    gap = np.full((len(left), 3, 3), 255, np.uint8)
    joined = np.concatenate([left, gap, right], axis=1)
    path.write_bytes(imagecodecs.png_encode(joined.repeat(4, axis=0).repeat(4, axis=1)))


def figures(result: Result) -> dict[str, Any]:
    """Dice, intervals and confusion of each method as JSON values.

    The mean is over the classes that occur in the reference. 'mean_of_named' also counts a class that
    it names but that does not occur, with a Dice of 0 where the result has it, as 'morphinfer evaluate'.
    """
    forest = result.blocks(AGAINST)
    methods = []
    for name in result.methods:
        blocks = result.blocks(name)
        interval = bootstrap_dice(blocks, result.known)
        per_class = dice(blocks.sum(axis=0)[None], result.known)[0]
        better = paired_difference(blocks, forest, result.known)
        names = result.config.classes
        methods.append({
            "name": name,
            "dice": {
                "mean": float(mean_dice(per_class[None])[0]),
                "mean_of_named": float(
                    mean_dice(dice(blocks.sum(axis=0)[None], result.named))[0]
                ),
                "per_class": {
                    n: None if np.isnan(d) else float(d)
                    for n, d in zip(names, per_class, strict=True)
                },
            },
            "intervals": {
                "mean": interval.mean,
                "per_class": dict(zip(names, interval.per_class, strict=True)),
            },
            "above_random_forest": {"mean": better.mean_dice, "interval": better.interval},
            "confusion": blocks.sum(axis=0).tolist(),
        })  # fmt: skip
    return {
        "section": result.name, "independent": result.independent,
        "classes": list(result.config.classes), "block_um": BLOCK_UM, "blocks": interval.blocks,
        "cells": int(forest.sum()), "methods": methods,
        "errors_by_uncertainty": result.errors_by_uncertainty(),
    }  # fmt: skip


def print_figures(result: Result) -> None:
    """Print the table of one result."""
    section = figures(result)
    title = f"{section['section']}: {section['cells']} positions in {section['blocks']} blocks"
    table = Table("Dice", *section["classes"], "mean", "95 %", "above forest", title=title)
    for method in section["methods"]:
        each = [method["dice"]["per_class"][c] for c in section["classes"]]
        interval = method["intervals"]["mean"]
        shown = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
        table.add_row(method["name"], *("n/a" if d is None else f"{d:.3f}" for d in each),
                      f"{method['dice']['mean']:.3f}", shown,
                      f"{method['above_random_forest']['mean']:+.3f}")  # fmt: skip
    Console(width=130).print(table)
    parts = ", ".join(f"{share:.3f}" for share in section["errors_by_uncertainty"])
    print(f"errors in the least, the middle and the most uncertain third, fused: {parts}")
