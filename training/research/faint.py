"""Whether a set separates faint tissue from background, on a slide whose tissue was not trained on.

That needs no transcripts, since nuclei alone show where tissue is (`morphinfer_training.references`).
A crop of midbrain_nuclei, on the far side of the section from the corner that is trained on, is shown as
it is and with its normalised contrast reduced, as on a slide whose brightest layer sets the scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from morphinfer_training.config import SectionConfig, TrainConfig
from morphinfer_training.learning import Section, load_section
from morphinfer_training.references import BACKGROUND
from protocol import WORK, slide

SLIDE = "midbrain_side"
CONTRASTS = (1.0, 0.7, 0.5, 0.35)


@dataclass(frozen=True, slots=True)
class FaintShares:
    """How a prediction treats the tissue and the background of the crop; shares of 0 to 1."""

    tissue_lost: float
    """Of the tissue, what is called background."""
    background_kept: float
    """Of the background, what is called background."""

    @property
    def figure(self) -> float:
        """Mean of the shares of tissue and of background that are kept."""
        return (1 - self.tissue_lost + self.background_kept) / 2


def faint_section(config: TrainConfig) -> Section:
    """The crop; its positions are background or tissue."""
    crop = SectionConfig(slide=str(slide(SLIDE)), image_only=True)
    return load_section(crop, config, WORK)


def faded(section: Section, contrast: float) -> Section:
    """The section with its normalised intensities times ``contrast``."""
    return replace(section, image=np.asarray(section.image * contrast, np.float32))


def faint_shares(truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> FaintShares:
    """Shares of positions of the same shape, by their reference and by a prediction."""
    is_background = labels == BACKGROUND
    tissue = truth != BACKGROUND
    return FaintShares(float(is_background[tissue].mean()), float(is_background[~tissue].mean()))
