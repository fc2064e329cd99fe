"""Simulated scanners: one section as other microscopes might have shown it.

A network that is scored only on other blocks of the section that it was trained on never meets
another microscope. Choices are made with these changes in its place; they are simulated, and do not
replace an independent section. All but the changes of scale leave pixels at their positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from morphinfer.geometry import ceil_div
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.slides.slide import Slide
from morphinfer.tiles.tiling import read_model_image
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split

Image = NDArray[np.float32]
SEAM_PX = 460
"""Side of the tiles of a stitched image, 300 micrometres at 0.65."""


def defocus(image: Image, rng: np.random.Generator) -> Image:
    """A Gaussian of one micrometre."""
    return np.asarray(gaussian_filter(image, 1.5), np.float32)


def dim(image: Image, rng: np.random.Generator) -> Image:
    """A short exposure: few photons, few grey levels."""
    return np.asarray(rng.poisson(image * 40) / 160, np.float32)


def seams(image: Image, rng: np.random.Generator) -> Image:
    """Stitched from tiles of uneven brightness."""
    rows, cols = (np.arange(n) // SEAM_PX for n in image.shape)
    gains = rng.uniform(0.6, 1.4, (int(rows[-1]) + 1, int(cols[-1]) + 1)).astype(np.float32)
    return image * gains[rows[:, None], cols]


SCANNERS: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "as scanned": lambda image, rng: image,
    "defocus": defocus,
    "dim, shot noise": dim,
    "gamma 0.5": lambda image, rng: np.sqrt(image),
    "black level raised": lambda image, rng: image - 0.05,
    "haze": lambda image, rng: image * 0.85 + 0.15,
    "seams": seams,
    "pixel size 20 % too small": lambda image, rng: zoom(image, 1.2, order=1),
    "pixel size 20 % too large": lambda image, rng: zoom(image, 1 / 1.2, order=1),
}


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


def scanned(
    slide: Slide, section: Section, split: Split, config: TrainConfig, scanner: str
) -> tuple[Section, Split]:
    """A section and its split as a simulated scanner shows them.

    Parameters
    ----------
    slide : Slide
        The slide of the section.
    section, split : Section, Split
        As trained on.
    config : TrainConfig
        Pixel size, stride and normalisation; the latter is measured again.
    scanner : str
        A key of ``SCANNERS``.
    """
    grey = replace(config.normalisation, method="fixed", low=0.0, high=255.0, clip=(0.0, 1.0))
    image = read_model_image(slide, config.pixel_size_um, grey)
    seen = SCANNERS[scanner](image, np.random.default_rng(1)).clip(0, 1)
    pixels = np.rint(seen * 255).astype(np.uint8)
    again = slide_from_array(pixels, config.pixel_size_um)
    shown = read_model_image(again, config.pixel_size_um, config.normalisation)
    rows, cols = (
        np.minimum(
            ((np.arange(ceil_div(after, config.stride_px)) + 0.5) * before / after).astype(int),
            most - 1,
        )
        for before, after, most in zip(image.shape, shown.shape, section.labels.shape, strict=True)
    )
    at = np.ix_(rows, cols)
    return (
        replace(section, image=shown, labels=section.labels[at]),
        Split(split.train[at], split.validation[at]),
    )
