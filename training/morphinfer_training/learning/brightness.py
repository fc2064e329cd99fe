"""Choice between networks that are blind to brightness and networks that see it.

Blind networks transfer between slides; networks that see brightness can be better where a class
differs in it. With ``brightness = "auto"`` both kinds are trained, and the kind with the higher mean of
two figures is kept: the mean Dice of the fusion at the held-out positions as scanned, and its mean over
the simulated scanners. Blind networks are kept on a tie.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning.fusion import Fusion
from morphinfer_training.learning.loop import Fitted, network_name
from morphinfer_training.learning.parallel import TrainingJob
from morphinfer_training.learning.scanners import SCANNERS, scanned
from morphinfer_training.learning.sections import open_section_slide
from morphinfer_training.learning.validation import HeldOutScorer, mean_dice

logger = logging.getLogger(__name__)

Figures = dict[str, dict[str, float]]
"""For each kind 'held_out', 'scanners' and their 'mean'."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """The trained networks of one kind and their fusion."""

    config: TrainConfig
    """Training configuration; its ``brightness`` is 'blind' or 'seen'."""
    networks: list[Fitted]
    """The networks, not calibrated, on the CPU."""
    probabilities: NDArray[np.float32]
    """Their probabilities at the held-out positions, shape (M, K, C)."""
    fusion: Fusion
    """Calibrations and weights."""


def configs_by_brightness(config: TrainConfig) -> list[TrainConfig]:
    """The configuration, or with ``brightness = "auto"`` one for each kind, blind first."""
    if config.brightness != "auto":
        return [config]
    return [replace(config, brightness="blind"), replace(config, brightness="seen")]


def network_names(config: TrainConfig) -> dict[str, int]:
    """Patch size of each network that is trained, of all kinds, by its name in the run."""
    return {
        network_name(patch, one.brightness): patch
        for one in configs_by_brightness(config)
        for patch in config.patch_sizes_px
    }


def choose_candidate(
    candidates: Sequence[Candidate], scorer: HeldOutScorer, job: TrainingJob, folder: Path
) -> tuple[Candidate, Figures]:
    """The kind with the higher mean of both figures, the first on a tie.

    Parameters
    ----------
    candidates : sequence of Candidate
        The kinds, blind first.
    scorer : HeldOutScorer
        The held-out positions as scanned.
    job : TrainingJob
        Sections and splits.
    folder : Path
        Folder to which the paths of the sections are relative.

    Returns
    -------
    candidate : Candidate
        The kind to publish.
    figures : dict
        Figures of each kind, rounded to 4 decimals; empty if there is only one.
    """
    if len(candidates) == 1:
        return candidates[0], {}
    logger.info("comparing networks that are blind to brightness and that see it")
    figures: Figures = {}
    scanners = scanner_figures(candidates, job, folder)
    for each, seen in zip(candidates, scanners, strict=True):
        held_out = mean_dice(scorer.dice(each.fusion(each.probabilities)))
        values = {"held_out": held_out, "scanners": seen, "mean": (held_out + seen) / 2}
        figures[each.config.brightness] = {k: round(v, 4) for k, v in values.items()}
    return max(candidates, key=lambda c: figures[c.config.brightness]["mean"]), figures


def scanner_figures(candidates: Sequence[Candidate], job: TrainingJob, folder: Path) -> list[float]:
    """Mean Dice of each candidate, averaged over the simulated scanners.

    A scanner that leaves nothing of a faint section is left out.
    """
    held_out = [
        (open_section_slide(entry, folder), section, split)
        for entry, section, split in zip(job.config.sections, job.sections, job.splits, strict=True)
        if split.validation.any()
    ]
    dice: list[list[float]] = []
    for scanner in SCANNERS:
        with suppress(SlideError):
            views = [scanned(*each, job.config, scanner) for each in held_out]
            shown = replace(job, sections=[s for s, _ in views], splits=[s for _, s in views])
            scorer = shown.scorer()
            dice.append([fused_dice(each, scorer, job) for each in candidates])
    return [float(mean) for mean in np.mean(dice, axis=0)]


def fused_dice(candidate: Candidate, scorer: HeldOutScorer, job: TrainingJob) -> float:
    """Mean Dice of the fusion of a candidate at the positions of a scorer."""
    probabilities = []
    for each in candidate.networks:
        network = each.network.to(job.device)
        probabilities.append(scorer.probabilities(network, each.patch_size_px))
        network.cpu()
    return mean_dice(scorer.dice(candidate.fusion(np.stack(probabilities))))
