"""Intensity normalisation: two numbers per slide, taken from its tissue at low resolution.

Slides differ tenfold in brightness, and in how densely nuclei lie. The level that is read for the
networks is averaged to pixels of ``SAMPLE_UM``, in blocks of 8 x 8 of them (21 micrometres, room for
one nucleus; see `blocks`) out of many parts of the slide (see `sample`). Blocks with the contrast of
tissue count: a percentile of their minima (what lies between nuclei) becomes 0 and a percentile of their
maxima (nuclei) becomes 1. So neither the area of the background, nor the density of nuclei, nor how
coarser levels were made moves them much. The same two numbers serve every tile and are kept in the run
record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from morphinfer.errors import EmptySlideError
from morphinfer.images import Slide
from morphinfer.tiles.blocks import ROUNDING, tissue_contrast
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.sample import sample_blocks

SAMPLE_UM = 2.6


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How intensities become network input: (value - low) / (high - low), clipped."""

    method: Literal["tissue_percentiles", "fixed"] = "tissue_percentiles"
    """Whether ``low`` and ``high`` are percentiles of the slide's tissue, or intensities."""
    low: float = 50.0
    """Percentile of the block minima (see the module), or intensity, that becomes 0."""
    high: float = 75.0
    """Percentile of the block maxima, or intensity, that becomes 1."""
    clip: tuple[float, float] = (-0.5, 2.0)
    """Limits of the result."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """What one slide's intensities are mapped by: (value - low) / (high - low), clipped."""

    low: float
    """Intensity that becomes 0."""
    high: float
    """Intensity that becomes 1."""
    clip: tuple[float, float]
    """Limits of the result."""

    @property
    def is_flat(self) -> bool:
        """Whether the two are the same but for rounding, so that nothing can be mapped."""
        return not self.high - self.low > ROUNDING * max(abs(self.high), abs(self.low))


def measure_intensity(
    slide: Slide,
    normalisation: Normalisation,
    pixel_size_um: float,
    *,
    may_be_empty: bool = False,
) -> Intensity:
    """The two numbers of a slide.

    Parameters
    ----------
    slide : Slide
        The slide.
    normalisation : Normalisation
        How they are found.
    pixel_size_um : float
        Side of a pixel of the networks, which decides what level is read.
    may_be_empty : bool
        Whether they may be flat, as on a constant slide. All of it has been looked at then.

    Raises
    ------
    EmptySlideError
        The slide is constant, and may not be.
    SlideError
        It holds NaN.
    """
    if normalisation.method == "fixed":
        return Intensity(normalisation.low, normalisation.high, normalisation.clip)
    seen = ModelImage.of(slide, pixel_size_um)
    sample_um = max(SAMPLE_UM, seen.slide.levels[seen.level].pixel_size_um)
    blocks = sample_blocks(ModelImage.of(seen.slide, sample_um, seen.level))
    tissue = blocks.selected(blocks.contrast >= tissue_contrast(blocks.contrast).limit)
    low = float(np.percentile(tissue.darkest, normalisation.low))
    high = float(np.percentile(tissue.brightest, normalisation.high))
    intensity = Intensity(low, high, normalisation.clip)
    if intensity.is_flat and not may_be_empty:
        raise EmptySlideError(
            f"{slide.name}: constant, with no contrast beyond the intensity {low:g}; choose "
            f"the nuclei with `channel`, or accept an empty slide with `on_empty='background'`"
        )
    return intensity
