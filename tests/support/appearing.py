"""Synthetic sections of nuclei, and the provenance of a set that was trained on one."""

from __future__ import annotations

from typing import Any

import numpy as np

from morphinfer.images.arrays import slide_from_array
from morphinfer.records.parsing import to_plain
from morphinfer.tiles.appearance import measure_appearance
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.normalisation import Normalisation, measure_intensity


def section(side: int = 512, seed: int = 0, sigma: float = 3.0) -> np.ndarray:
    """Blobs of the size of nuclei on a dim ground."""
    rng = np.random.default_rng(seed)
    points = np.zeros((side, side), np.float32)
    rows, cols = rng.integers(0, side, (2, side * side // 900))
    points[rows, cols] = rng.uniform(0.6, 1.4, len(rows))
    image = 20 + 2600 * blur(points, sigma) + rng.normal(0, 1, points.shape)
    return image.clip(0, 255).astype(np.uint8)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """The image out of focus."""
    return np.rint(blur(image.astype(np.float32), sigma)).astype(np.uint8)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; the edges wrap."""
    frequencies = [np.fft.fftfreq(side) for side in image.shape]
    down, across = (np.exp(-2 * (np.pi * sigma * f) ** 2) for f in frequencies)
    return np.fft.ifft2(np.fft.fft2(image) * np.outer(down, across)).real


def trained_on(image: np.ndarray, pixel_size_um: float) -> dict[str, Any]:
    """Provenance of a set whose only training section is this image."""
    slide = slide_from_array(image, pixel_size_um)
    intensity = measure_intensity(slide, Normalisation(), pixel_size_um)
    appearance = measure_appearance(ModelImage.of(slide, pixel_size_um), intensity)
    return {"sections": [{"name": "trained.zarr", "appearance": to_plain(appearance)}]}
