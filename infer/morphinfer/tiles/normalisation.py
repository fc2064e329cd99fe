"""Intensity normalisation: two numbers per slide, taken from its tissue at low resolution.

Slides differ tenfold in brightness, and in how densely nuclei lie. The slide is looked at with
pixels of ``SAMPLE_UM``, in blocks of ``BLOCK`` x ``BLOCK`` of them (21 micrometres, room for one
nucleus). Blocks whose contrast lies above Otsu's threshold on its logarithm count as tissue. Over
those blocks, a percentile of the block minima (what lies between nuclei) becomes 0 and a percentile
of the block maxima (nuclei) becomes 1; so neither the area of the background nor the density of
nuclei moves them much. The same two numbers serve every tile and are kept in the run record.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import EmptySlideError
from morphinfer.geometry import Window
from morphinfer.images import Slide
from morphinfer.tiles.model_image import ModelImage

SAMPLE_UM = 2.6
BLOCK = 8
SAMPLE_SIDE = 512
SAMPLE_LIMIT_PX = 4_000_000
READERS = 4
SPREAD = (0.7548776662466927, 0.5698402909980532)
"""Steps of the R2 sequence, whose smallest values lie evenly over the plane and in no stripe.
Source: Roberts, 'The unreasonable effectiveness of quasirandom sequences', 2018."""
ROUNDING = 1e-5
STRONGEST = 99.9
"""Percentile of the contrast that is GREYS grey levels."""
GREYS = 255


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
    slide: Slide, normalisation: Normalisation, *, may_be_empty: bool = False
) -> Intensity:
    """The two numbers of a slide.

    Parameters
    ----------
    slide : Slide
        The slide.
    normalisation : Normalisation
        How they are found.
    may_be_empty : bool
        Whether they may be flat. The whole slide is then looked at before it is called empty, and not
        only a sample of it.

    Raises
    ------
    EmptySlideError
        The slide is constant, and may not be.
    SlideError
        It holds NaN.
    """
    if normalisation.method == "fixed":
        return Intensity(normalisation.low, normalisation.high, normalisation.clip)
    intensity = _tissue_percentiles(slide, normalisation, SAMPLE_LIMIT_PX)
    if not intensity.is_flat:
        return intensity
    if not may_be_empty:
        raise EmptySlideError(
            f"{slide.name}: constant, with no contrast beyond the intensity {intensity.low:g}; choose "
            f"the nuclei with `channel`, or accept an empty slide with `on_empty='background'`"
        )
    return _tissue_percentiles(slide, normalisation, math.inf)


def _tissue_percentiles(slide: Slide, normalisation: Normalisation, limit_px: float) -> Intensity:
    darkest, brightest = _block_extremes(slide, limit_px)
    contrast = brightest - darkest
    grey = float(np.percentile(contrast, STRONGEST)) / GREYS or 1.0
    contrast = np.log1p(contrast / grey)  # in grey levels, whatever the unit of the slide
    tissue = contrast >= otsu_threshold(contrast)
    low = float(np.percentile(darkest[tissue], normalisation.low))
    high = float(np.percentile(brightest[tissue], normalisation.high))
    return Intensity(low, high, normalisation.clip)


def otsu_threshold(values: NDArray[Any], bins: int = 256) -> float:
    """Threshold that separates two groups with the largest variance between them.

    Source: Otsu, 'A threshold selection method from gray-level histograms', IEEE TSMC 1979. Equal
    to the smallest value where all are the same.
    """
    counts, edges = np.histogram(values, bins)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    sums = np.cumsum(counts * centres)
    above = below[-1] + counts[-1] - below
    usable = (below > 0) & (above > 0)
    if not usable.any():
        return float(np.min(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    between = np.where(usable, between, -1.0)
    best = between >= between.max() * (1 - 1e-9)  # all along an empty gap between the groups
    first = int(best.argmax())  # another gap may separate as well, but no threshold between the two
    return float(edges[1:-1][first:][np.logical_and.accumulate(best[first:])].mean())


def _block_extremes(
    slide: Slide, limit_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Minimum and maximum of each block of the sampled windows."""
    image = ModelImage.of(slide, max(SAMPLE_UM, slide.pixel_size_um))

    def extremes(window: Window) -> list[NDArray[np.float32]]:
        sample = image.read(window)
        rows, cols = (np.arange(0, n, BLOCK) for n in sample.shape)
        return [
            extreme.reduceat(extreme.reduceat(sample, rows, axis=0), cols, axis=1)
            .ravel()
            .astype(np.float32, copy=False)
            for extreme in (np.minimum, np.maximum)
        ]

    with ThreadPoolExecutor(READERS, "morphinfer-sample") as pool:
        extremes_by_window = list(pool.map(extremes, sample_windows(image, limit_px)))
    darkest, brightest = (
        np.concatenate(column) for column in zip(*extremes_by_window, strict=True)
    )
    return darkest, brightest


def sample_windows(image: ModelImage, limit_px: float = SAMPLE_LIMIT_PX) -> list[Window]:
    """Windows that cover the image, or an even choice of them.

    Parameters
    ----------
    image : ModelImage
        The slide at low resolution.
    limit_px : float
        Most pixels of the slide's level to read.
    """
    height, width = image.shape
    windows = [
        Window(row, col, min(SAMPLE_SIDE, height - row), min(SAMPLE_SIDE, width - col))
        for row in range(0, height, SAMPLE_SIDE)
        for col in range(0, width, SAMPLE_SIDE)
    ]
    pixels = height * width * max(1.0, image.factor) ** 2
    count = max(1, int(len(windows) * min(1.0, limit_px / pixels)))
    spread = [
        (SPREAD[0] * (w.row // SAMPLE_SIDE) + SPREAD[1] * (w.col // SAMPLE_SIDE)) % 1
        for w in windows
    ]
    return [windows[i] for i in sorted(np.argsort(spread, kind="stable")[:count])]
