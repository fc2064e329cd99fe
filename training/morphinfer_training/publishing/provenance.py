"""Provenance of a model set: how it was trained and how it scored, as every file of the set contains it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from morphinfer.networks import APPEARANCE_KEY
from morphinfer.scoring import LEVEL
from morphinfer.tiles import describe
from morphinfer_training.config import TestConfig, TrainConfig, ValidationConfig, json_types
from morphinfer_training.learning import (
    Fusion,
    HeldOutScorer,
    Row,
    Section,
    Split,
    TestScores,
    bootstrap_block_um,
    gap_positions,
    mean_dice,
    network_name,
    reliability,
    test_gap_positions,
)


def validation_scores(
    config: TrainConfig,
    scorer: HeldOutScorer,
    probabilities: NDArray[np.float32],
    fusion: Fusion,
) -> dict[str, Any]:
    """Scores of the calibrated networks and of their fusion on the held-out positions, as JSON types.

    Parameters
    ----------
    config : TrainConfig
        Names of networks and classes.
    scorer : HeldOutScorer
        The held-out positions.
    probabilities : ndarray of float32, shape (M, K, C)
        Uncalibrated probabilities of M networks at K held-out positions.
    fusion : Fusion
        Calibrations, weights and class factors.
    """
    names = map(network_name, config.patch_sizes_px)
    calibrated, fused = fusion.calibrated(probabilities), fusion(probabilities)
    return {
        "networks": {
            n: _rounded(scorer.dice(p), config) for n, p in zip(names, calibrated, strict=True)
        },
        "fused": _rounded(scorer.dice(fused), config),
        "cells": len(scorer.labels),
        "class_factors": [round(float(f), 4) for f in fusion.factors],
        "temperatures": [round(c.temperature, 4) for c in fusion.calibrations],
        "biases": [[round(float(b), 4) for b in c.bias] for c in fusion.calibrations],
        "calibration_error": round(reliability(scorer.merged(fused), scorer.labels)[1], 4),
    }


def _rounded(dice: NDArray[np.float64], config: TrainConfig) -> dict[str, Any]:
    """Dice of each class and their mean, as JSON types."""
    values = [None if np.isnan(d) else round(float(d), 4) for d in dice]
    return {
        "mean": round(mean_dice(dice), 4),
        "per_class": dict(zip(config.classes, values, strict=True)),
    }


def test_scores(test: TestScores, config: TrainConfig) -> dict[str, Any]:
    """Scores on the test part, as JSON types."""
    names = map(network_name, config.patch_sizes_px)
    intervals = test.intervals

    def ends(interval: tuple[float, float] | None) -> list[float] | None:
        return None if interval is None else [round(end, 4) for end in interval]

    return {
        "part": part_in_words(config.test),
        "gap_um": test_gap_positions(config) * config.stride_px * config.pixel_size_um,
        "networks": {
            n: _rounded(dice, config) for n, dice in zip(names, test.networks, strict=True)
        },
        "fused": _rounded(test.fused, config),
        "cells": int(test.positions.sum()),
        "class_cells": dict(zip(config.classes, test.positions.tolist(), strict=True)),
        "intervals": {
            "level": LEVEL,
            "mean": ends(intervals.mean),
            "per_class": dict(zip(config.classes, map(ends, intervals.per_class), strict=True)),
            "block_um": bootstrap_block_um(config),
            "blocks": intervals.blocks,
        },
    }


def part_in_words(part: ValidationConfig | TestConfig) -> str:
    """Which part of each section is held out or tested.

    >>> part_in_words(TestConfig(side="bottom"))
    'the bottom part (25%)'
    """
    if part.polygons:
        return f"the inside of {', '.join(Path(file).name for file in part.polygons if file)}"
    if part.side:
        return f"the {part.side} part ({part.fraction:.0%})"
    if isinstance(part, ValidationConfig):
        return f"blocks of {part.block_um:g} micrometres ({part.fraction:.0%})"
    return ""


def training_provenance(
    config: TrainConfig,
    sections: Sequence[Section],
    splits: Sequence[Split],
    *,
    scores: Mapping[str, Any],
    histories: Mapping[str, Sequence[Row]],
    date: str,
    device: torch.device,
    test: TestScores | None = None,
) -> dict[str, Any]:
    """Description of the training in every file of a set, as JSON types.

    It contains no path but those of the configuration, where environment variables are not expanded.

    Parameters
    ----------
    config : TrainConfig
        Training configuration.
    sections : sequence of Section
        Images and classes.
    splits : sequence of Split
        Positions of each section for training and held out.
    scores : mapping
        Result of `validation_scores`.
    histories : mapping of str to sequence of Row
        Evaluations by network.
    date : str
        Date of the training.
    device : torch.device
        Where it was computed.
    test : TestScores, optional
        Scores on the test part.
    """
    return {
        "date": date,
        "config": config.plain(),
        "sections": [
            _section_facts(section, split, config)
            for section, split in zip(sections, splits, strict=True)
        ],
        "protocol": _protocol(config),
        "validation": dict(scores),
        **({} if test is None else {"test": test_scores(test, config)}),
        "versions": {
            "morphinfer": version("morphinfer"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": device.type,
        "history": {name: _learning_curve(history) for name, history in histories.items()},
    }


def _protocol(config: TrainConfig) -> str:
    """Which parts were held out and tested, and the gaps around them, in sentences."""
    position_um = config.stride_px * config.pixel_size_um
    text = (
        f"{part_in_words(config.validation)} of each section with transcripts held out, with a gap of "
        f"{gap_positions(config) * position_um:.0f} micrometres that was neither trained on nor scored."
    )
    if test := part_in_words(config.test):
        text += (
            f" Test part: {test} of each section with transcripts, with a gap of "
            f"{test_gap_positions(config) * position_um:.0f} micrometres; measured once, after all choices."
        )
    return text


def _section_facts(section: Section, split: Split, config: TrainConfig) -> dict[str, Any]:
    image = section.image
    appearance = describe(lambda window: image[window.slices], image.shape, config.pixel_size_um)
    counts = np.bincount(section.labels[split.train], minlength=len(config.classes))
    return {
        "name": section.name,
        "identity": section.identity,
        "synthetic": section.synthetic,
        "trained_cells": dict(zip(config.classes, counts.tolist(), strict=True)),
        "held_out_cells": int(split.validation.sum()),
        **({} if section.reference is None else {"reference": dict(section.reference)}),
        **({} if split.test is None else {"test_cells": int(split.test.sum())}),
        APPEARANCE_KEY: None if appearance is None else json_types(asdict(appearance)),
    }


def _learning_curve(history: Sequence[Row]) -> dict[str, list[float]]:
    """Learning curve of a network, rounded, as JSON types."""
    return {
        "step": [row.step for row in history],
        "loss": [round(row.loss, 4) for row in history],
        "mean_dice": [round(row.mean_dice, 4) for row in history],
    }
