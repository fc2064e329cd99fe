"""Measurement of a finished set on the test part, on which nothing was trained or chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from morphinfer.scoring import Intervals, bootstrap_dice
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning.fusion import Fusion
from morphinfer_training.learning.loop import Fitted
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.learning.validation import HeldOutScorer

LEAST_BLOCK_UM = 100.0
"""Least side of a block of the bootstrap."""


@dataclass(frozen=True, slots=True, eq=False)
class TestScores:
    """Scores of a set on its test part."""

    __test__ = False  # no test of pytest

    networks: tuple[NDArray[np.float64], ...]
    """Dice of each class, shape (C,), for each calibrated network; NaN if undefined."""
    fused: NDArray[np.float64]
    """The same of their fusion."""
    intervals: Intervals
    """95 % intervals of the fusion."""
    positions: NDArray[np.int64]
    """Number of positions of each class, shape (C,)."""


def bootstrap_block_um(config: TrainConfig) -> float:
    """Side of the blocks of the bootstrap: the largest patch, since neighbours within one are alike."""
    return max(LEAST_BLOCK_UM, max(config.patch_sizes_px) * config.pixel_size_um)


def has_test_part(splits: Sequence[Split]) -> bool:
    """Whether any section has a test part."""
    return any(split.test is not None for split in splits)


def measure_test_part(
    networks: Sequence[Fitted],
    fusion: Fusion,
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    device: torch.device,
) -> TestScores:
    """Dice of the networks and of their fusion on the test parts of all sections.

    Parameters
    ----------
    networks : sequence of Fitted
        Trained networks, before calibration.
    fusion : Fusion
        Calibrations and weights.
    sections, splits
        Images, classes, and test parts.
    config : TrainConfig
        Stride, classes and pixel size.
    device : torch.device
        Where to compute.
    """
    parts = [replace(s, validation=_or_none(s)) for s in splits]
    blocks = replace(config.validation, block_um=bootstrap_block_um(config))
    scorer = HeldOutScorer(sections, parts, replace(config, validation=blocks), device)
    probabilities = np.stack(
        [scorer.probabilities(n.network.to(device), n.patch_size_px) for n in networks]
    )  # (M, K, C)
    for each in networks:
        each.network.cpu()
    fused = fusion(probabilities)
    return TestScores(
        tuple(scorer.dice(p) for p in fusion.calibrated(probabilities)),
        scorer.dice(fused),
        bootstrap_dice(_block_confusions(scorer, scorer.predicted(fused))),
        np.bincount(scorer.labels, minlength=scorer.classes),
    )


def _or_none(split: Split) -> NDArray[np.bool_]:
    return np.zeros_like(split.validation) if split.test is None else split.test


def _block_confusions(scorer: HeldOutScorer, predicted: NDArray[np.integer]) -> NDArray[np.int64]:
    """Confusion matrix of each block, shape (B, C, C)."""
    numbers, index = np.unique(scorer.blocks, return_inverse=True)
    counts = np.zeros((len(numbers), scorer.classes, scorer.classes), np.int64)
    np.add.at(counts, (index, scorer.labels, predicted), 1)
    return counts
