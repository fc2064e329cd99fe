"""Dice of several methods at the same positions, with intervals from a bootstrap over spatial blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from morphinfer.classes import UNLABELLED
from morphinfer.scoring import bootstrap_dice, dice, mean_dice, paired_difference
from morphinfer_training.baselines.predictions import FUSED
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import bootstrap_block_um

Blocks = NDArray[np.int64]
Interval = tuple[float, float]

HELD_OUT = "held-out positions"
"""Name of the scored positions in figures.json that were held out of the training sections."""
AGAINST = "random forest"
FORESTS = (AGAINST, "random forest, wider")
PRINTED = {"mean": "plain mean of the networks", "fused": "fused networks"}
"""What tables print for a name in figures.json."""
BASELINES = ("majority class", "Otsu and density", *FORESTS)
"""Names of the baselines in tables and files."""


@dataclass(frozen=True, slots=True)
class Result:
    """Labels of several methods on one or more sections."""

    name: str
    """Name of the scored positions in figures.json."""
    independent: bool
    """Whether they are of an animal that no choice has used."""
    relation: str
    """Which tissue they are, seen from the training sections; '' if nothing is said about it."""
    config: TrainConfig
    """Classes, stride and pixel size."""
    labels: Sequence[NDArray[np.uint8]]
    """Reference of each section."""
    masks: Sequence[NDArray[np.bool_]]
    """Positions of it that are scored."""
    methods: Mapping[str, Sequence[NDArray[np.uint8]]]
    """Labels of each section by each method."""
    named: Sequence[int]
    """Classes that the references name, whether any position is of them or not."""
    uncertainty: Sequence[NDArray[np.uint8]] = ()
    """Of the fused networks in each section, `morphinfer.networks.normalised_entropy`."""

    @property
    def known(self) -> list[int]:
        """Classes that the reference has."""
        return sorted(
            {int(v) for truth, mask in zip(self.labels, self.masks, strict=True)
             for v in np.unique(truth[mask])} - {UNLABELLED}
        )  # fmt: skip

    def blocks(self, method: str) -> NDArray[np.int64]:
        """Confusion matrix of each block, shape (B, C, C)."""
        position_um = self.config.stride_px * self.config.pixel_size_um
        side = max(1, round(bootstrap_block_um(self.config) / position_um))
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


def figures_json(result: Result) -> dict[str, Any]:
    """Dice, intervals and confusion of each method as JSON values.

    The mean is over the classes that occur in the reference. 'mean_of_named' also counts a class that
    it names but that does not occur, with a Dice of 0 where the result has it, as 'morphinfer evaluate'.
    """
    blocks = {name: result.blocks(name) for name in result.methods}
    any_blocks = next(iter(blocks.values()))
    methods = [_method(result, name, blocks) for name in result.methods]
    values: dict[str, Any] = {
        "section": result.name, "independent": result.independent, "relation": result.relation,
        "classes": list(result.config.classes), "block_um": bootstrap_block_um(result.config),
        "blocks": int(any_blocks.any(axis=(1, 2)).sum()), "cells": int(any_blocks.sum()),
        "methods": methods,
    }  # fmt: skip
    means = {each["name"]: each["dice"]["mean"] for each in methods}
    if forests := [name for name in FORESTS if name in means and FUSED in means]:
        best = max(forests, key=lambda name: means[name])
        values["above_best_forest"] = {"forest": best, **_difference(result, FUSED, best, blocks)}
    if others := [name for name in BASELINES if name in means and FUSED in means]:
        best = max(others, key=lambda name: means[name])
        margin = _difference(result, FUSED, best, blocks)
        values["verdict"] = verdict(means[FUSED], best, means[best], margin["interval"])
    if result.uncertainty:
        values["errors_by_uncertainty"] = result.errors_by_uncertainty()
    return values


def verdict(networks: float, best: str, of_best: float, interval: Interval | None) -> str:
    """One sentence on whether the best baseline beats the networks.

    Parameters
    ----------
    networks, of_best : float
        Mean Dice of the fused networks and of the best baseline.
    best : str
        Name of that baseline.
    interval : tuple of float, optional
        95 % interval of the Dice of the networks minus that of the baseline.

    Examples
    --------
    >>> verdict(0.6, "random forest", 0.65, (-0.08, -0.02))[:67]
    'A baseline (random forest) beats the networks: mean Dice 0.650 agai'
    """
    ends, scores = interval, (networks, of_best)
    sentence = f"The networks beat the best baseline ({best})"
    if of_best > networks:
        ends, scores = interval and (-interval[1], -interval[0]), (of_best, networks)
        sentence = f"A baseline ({best}) beats the networks"
    sentence += ": mean Dice {:.3f} against {:.3f}".format(*scores)
    if ends is None:
        return f"{sentence}."
    chance = ", so not significantly" if ends[0] <= 0 else ""
    return f"{sentence} (95 % interval of the difference {ends[0]:+.3f} to {ends[1]:+.3f}{chance})."


def _method(result: Result, name: str, blocks: Mapping[str, Blocks]) -> dict[str, Any]:
    names, known = result.config.classes, result.known
    total = blocks[name].sum(axis=0)
    interval = bootstrap_dice(blocks[name], known)
    per_class = dice(total[None], known)[0]
    values: dict[str, Any] = {
        "name": name,
        "dice": {
            "mean": float(mean_dice(per_class[None])[0]),
            "mean_of_named": float(mean_dice(dice(total[None], result.named))[0]),
            "per_class": {
                n: None if np.isnan(d) else float(d) for n, d in zip(names, per_class, strict=True)
            },
        },
        "intervals": {
            "mean": interval.mean,
            "per_class": dict(zip(names, interval.per_class, strict=True)),
        },
        "confusion": total.tolist(),
    }
    if AGAINST in blocks:
        values["above_random_forest"] = _difference(result, name, AGAINST, blocks)
    return values


def _difference(
    result: Result, name: str, other: str, blocks: Mapping[str, Blocks]
) -> dict[str, Any]:
    """Mean Dice of one method minus that of another, with its interval."""
    difference = paired_difference(blocks[name], blocks[other], result.known)
    return {"mean": difference.mean_dice, "interval": difference.interval}


def print_figures(section: Mapping[str, Any]) -> None:
    """Print the table of one result of `figures_json`."""
    title = f"{section['section']}: {section['cells']} positions in {section['blocks']} blocks"
    table = Table("Dice", *section["classes"], "mean", "95 %", "above forest", title=title)
    for method in section["methods"]:
        each = [method["dice"]["per_class"][c] for c in section["classes"]]
        interval = method["intervals"]["mean"]
        shown = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
        above = method.get("above_random_forest")
        name = PRINTED.get(method["name"], method["name"])
        table.add_row(name, *("n/a" if d is None else f"{d:.3f}" for d in each),
                      f"{method['dice']['mean']:.3f}", shown,
                      "" if above is None else f"{above['mean']:+.3f}")  # fmt: skip
    Console(width=130, markup=False).print(table)
    if "errors_by_uncertainty" in section:
        parts = ", ".join(f"{share:.3f}" for share in section["errors_by_uncertainty"])
        print(f"errors in the least, the middle and the most uncertain third, fused: {parts}")
    if "verdict" in section:
        print(section["verdict"])
