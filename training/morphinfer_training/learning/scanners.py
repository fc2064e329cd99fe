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
from morphinfer.images import Slide, slide_from_array
from morphinfer.tiles import measure_intensity, read_model_image
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split

Image = NDArray[np.float32]
SEAM_PX = 460
"""Side of the tiles of a stitched image, 300 micrometres at 0.65."""
WHITE = 255
"""Greatest intensity of the images of simulated scanners, which have 8 bits."""


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
"""Intensities of 0 to 1 as each scanner shows them."""


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

    Raises
    ------
    SlideError
        The scanner leaves nothing of a faint slide.
    """
    full = full_scale(slide, config)
    grey = replace(config.normalisation, method="fixed", low=0.0, high=full, clip=(0.0, 1.0))
    image = read_model_image(slide, config.pixel_size_um, grey)
    seen = SCANNERS[scanner](image, np.random.default_rng(1)).clip(0, 1)
    pixels = np.rint(seen * WHITE).astype(np.uint8)
    again = slide_from_array(pixels, config.pixel_size_um)
    normalisation = config.normalisation
    if normalisation.method == "fixed":
        low, high = (n * WHITE / full for n in (normalisation.low, normalisation.high))
        normalisation = replace(normalisation, low=low, high=high)
    shown = read_model_image(again, config.pixel_size_um, normalisation)
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


def full_scale(slide: Slide, config: TrainConfig) -> float:
    """Intensity of a slide that becomes white: the greatest of 8 bits, else where normalisation clips."""
    if slide.dtype == np.uint8:
        return float(WHITE)
    intensity = measure_intensity(slide, config.normalisation, config.pixel_size_um)
    return intensity.low + intensity.clip[1] * (intensity.high - intensity.low)
