"""How a slide looks to a network: four statistics of its tissue, by which slides are compared.

They are measured on normalised model pixels, which the networks see, in windows spread over the slide,
and described by quantiles over those windows that show tissue. The texture of a window is its energy by
scale: what its variance loses each time that its sides are halved (the spectrum of Haar wavelets).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.normalisation import Intensity
from morphinfer.tiles.sample import SPREAD

STATISTICS = ("skewness", "grain", "detail_um", "peaks")
"""Names, in the order of what `window_statistics` returns."""
WINDOW_PX = 192
"""Side of a window in model pixels."""
SMALLEST_PX = 96
"""Side below which the spectrum is that of too few nuclei."""
ROUND = 24
"""Windows that are read at a time, until enough of them show tissue."""
ROUNDS = 4
FEWEST = 6
"""Windows with tissue that describe a slide; a smaller slide than as many windows is not described."""
READERS = 4
OCTAVES = 6
"""Scales of the spectrum: details of 1, 2, 4 ... 32 pixels."""
BLOCK_UM = 21.0
"""Side of the blocks in which tissue is sought, room for one nucleus."""
BLOCK_CONTRAST = 0.3
"""Least range of normalised intensities in a block of tissue."""
BLOCK_SHARE = 0.4
"""Least share of blocks with tissue in a window that shows tissue."""
PEAK_UM = 2.6
"""About the side of the pixels in which peaks are sought, a third of a nucleus."""
PEAK = 0.3
"""Normalised intensity above which a peak counts."""
FLOOR = 1e-7
QUANTILES = (0.1, 0.5, 0.9)

Read = Callable[[Window], NDArray[np.float32]]
"""Normalised model pixels of a window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """Quantiles of four statistics over the windows of a slide that show tissue: 10, 50 and 90 %."""

    skewness: tuple[float, float, float]
    """Of the intensities: positive for bright nuclei on dark ground, negative for dark ones."""
    grain: tuple[float, float, float]
    """Energy of details of 1 pixel over that of 2: 4 in white noise, a quarter after blur."""
    detail_um: tuple[float, float, float]
    """Mean side of the details of 2 to 32 pixels, in micrometres."""
    peaks: tuple[float, float, float]
    """Bright peaks per square of 100 micrometres."""


def measure_appearance(image: ModelImage, intensity: Intensity) -> Appearance | None:
    """How a slide looks; None where too little tissue was seen, or the slide is flat.

    Parameters
    ----------
    image : ModelImage
        The slide at the pixel size of the model.
    intensity : Intensity
        How its intensities become network input.

    Raises
    ------
    SlideError
        A window cannot be read.
    """
    if intensity.is_flat:
        return None

    def read(window: Window) -> NDArray[np.float32]:
        pixels = image.read(window).astype(np.float32)
        return ((pixels - intensity.low) / (intensity.high - intensity.low)).clip(*intensity.clip)

    pixel_size_um = image.factor * image.slide.levels[image.level].pixel_size_um
    return describe(read, image.shape, pixel_size_um)


def describe(read: Read, shape: tuple[int, int], pixel_size_um: float) -> Appearance | None:
    """How an image looks; None where too little tissue was seen.

    Parameters
    ----------
    read : callable
        Normalised pixels of a window, float32.
    shape : tuple of int
        Rows and columns of the image.
    pixel_size_um : float
        Side of a pixel in micrometres.
    """
    if min(shape) < SMALLEST_PX or math.prod(shape) < FEWEST * WINDOW_PX**2:
        return None

    def measure(window: Window) -> NDArray[np.float64] | None:
        pixels = read(window)
        if not shows_tissue(pixels, pixel_size_um):
            return None
        return window_statistics(pixels, pixel_size_um)

    measured: list[NDArray[np.float64]] = []
    with ThreadPoolExecutor(READERS, "morphinfer-appearance") as pool:
        for windows in _rounds(shape):
            measured += [values for values in pool.map(measure, windows) if values is not None]
            if len(measured) >= FEWEST:
                break
    if len(measured) < FEWEST:
        return None
    quantiles = np.quantile(measured, QUANTILES, axis=0).T
    values = {
        name: tuple(float(f"{v:.4g}") for v in row)
        for name, row in zip(STATISTICS, quantiles, strict=True)
    }
    return Appearance(**values)  # type: ignore[arg-type]


def _rounds(shape: tuple[int, int]) -> Iterator[list[Window]]:
    """Windows spread over an image, some at a time; the same ones for the same shape."""
    sides = [min(WINDOW_PX, n) for n in shape]
    for first in range(1, ROUNDS * ROUND, ROUND):
        yield [
            Window(*(int(k * step % 1 * (n - side + 1)) for step, n, side in
                     zip(SPREAD, shape, sides, strict=True)), *sides)
            for k in range(first, first + ROUND)
        ]  # fmt: skip


def shows_tissue(pixels: NDArray[np.float32], pixel_size_um: float) -> bool:
    """Whether enough blocks of a window have contrast."""
    side = max(1, min(round(BLOCK_UM / pixel_size_um), *pixels.shape))
    rows, cols = (n // side for n in pixels.shape)
    blocks = pixels[: rows * side, : cols * side].reshape(rows, side, cols, side)
    contrast = blocks.max(axis=1).max(axis=2) - blocks.min(axis=1).min(axis=2)
    return bool((contrast > BLOCK_CONTRAST).mean() >= BLOCK_SHARE)


def window_statistics(pixels: NDArray[np.float32], pixel_size_um: float) -> NDArray[np.float64]:
    """The statistics of one window.

    Parameters
    ----------
    pixels : ndarray of float32, shape (M, N)
        Normalised model pixels, at least ``SMALLEST_PX`` along each side.
    pixel_size_um : float
        Side of a pixel in micrometres.

    Returns
    -------
    ndarray of float64, shape (4,)
        In the order of ``STATISTICS``.
    """
    levels = [pixels]
    for _ in range(OCTAVES):
        levels.append(halve(levels[-1]))
    variances = np.array([level.var() for level in levels], np.float64)
    energy = np.maximum(variances[:-1] - variances[1:], FLOOR)
    grain = energy[0] / energy[1]
    octaves = np.arange(1, OCTAVES)
    detail_um = pixel_size_um * 2 ** float(np.average(octaves, weights=energy[1:]))
    spread = float(np.sqrt(max(variances[1], FLOOR)))
    centred = levels[1] - levels[1].mean()
    skewness = float((centred * centred * centred).mean(dtype=np.float64)) / spread**3
    ratio = PEAK_UM / pixel_size_um * (1 + 1e-6)  # sizes in other units are rounded
    halvings = min(int(np.log2(max(ratio, 1))), 3)
    peaks = _peaks(levels[halvings], pixel_size_um * 2**halvings)
    return np.array([skewness, grain, detail_um, peaks])


def _peaks(level: NDArray[np.float32], side_um: float) -> float:
    """Bright pixels of a level above their eight neighbours, per square of 100 micrometres."""
    rows, cols = level.shape
    inner = level[1:-1, 1:-1]
    around = [
        level[row : rows - 2 + row, col : cols - 2 + col]
        for row in range(3)
        for col in range(3)
        if (row, col) != (1, 1)
    ]
    count = np.count_nonzero((inner > np.maximum.reduce(around)) & (inner > PEAK))
    return count / (inner.size * (side_um / 100) ** 2)


def halve(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (n // 2 * 2 for n in image.shape)
    even = image[:height, :width]
    mean: NDArray[np.float32] = (
        even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    ) * np.float32(0.25)
    return mean
