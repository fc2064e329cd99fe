"""Sections whose intensities were normalised wrongly; simulated scanners are in `learning.scanners`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import Section

MISJUDGED = (
    *((gain, 0.0) for gain in (0.5, 0.7, 1.4, 2.0)),
    *((1.0, offset) for offset in (-0.2, -0.1, 0.1, 0.2)),
)
"""Gains and offsets of normalised intensities that a misjudged slide may have."""


def misjudged(section: Section, config: TrainConfig, gain: float, offset: float) -> Section:
    """A section whose normalisation went wrong: its intensities are multiplied, then shifted.

    Simulated scanners are normalised like any slide and cannot show this: a recipe that fell from 0.77
    to 0.47 on another microscope gained under them and lost here (docs/history.md).
    """
    image = (section.image * gain + offset).clip(*config.normalisation.clip)
    return replace(section, image=image.astype(np.float32))


COMPOUND = range(8)
"""Seeds of compound changes."""


def compound(section: Section, config: TrainConfig, seed: int) -> Section:
    """A section whose gamma, gain, black level, sharpness and noise are all off, drawn at random.

    The result is not normalised again. Single changes did not show that networks lose faint nuclei; all
    at once do.
    """
    rng = np.random.default_rng([7, seed])
    gamma, gain = np.exp(rng.uniform(-0.5, 0.5)), np.exp(rng.uniform(-0.6, 0.6))
    offset, noise = rng.uniform(-0.15, 0.15), rng.uniform(0, 0.1)
    sigma = rng.uniform(0, 1.0) / config.pixel_size_um
    image = np.where(section.image > 0, section.image.clip(1e-6) ** gamma, section.image)
    image = gaussian_filter(image * gain + offset, sigma)
    image = image + rng.standard_normal(image.shape) * noise
    return replace(section, image=image.clip(*config.normalisation.clip).astype(np.float32))
