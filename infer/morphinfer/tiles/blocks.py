"""Blocks of a slide at low resolution: the extremes of each, and from what contrast on it is tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 8
"""Side of a block in pixels."""
TISSUE_SHARE = 0.2
"""Least contrast of tissue as a share of the median contrast of tissue. On real and synthetic sections
both intensities move by 0.02 of their distance or less over 0.1 to 0.25."""
SPECK_BLOCKS = 64
"""So many blocks of the highest contrast may be specks, which say nothing about tissue."""
SPECK_SHARE = 1 / 16
"""On a small slide this share of the blocks with contrast, if that is fewer."""
EVEN = 1.5
"""Strong contrast of tissue is at least so many times its median, that of noise about 1.3 times."""
NOISE_SHARE = 0.5
"""Least share of a block's variance that is noise of single pixels where the block shows nothing else. In
tissue of real and synthetic sections it is 0.02 to 0.3, in noise alone 1."""
ROUNDING = 1e-5
"""Contrast that rounding alone can make, as a share of the intensity."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Extremes of blocks of ``BLOCK`` x ``BLOCK`` pixels."""

    darkest: NDArray[np.float32]
    """Smallest intensity of each block, shape (K,)."""
    brightest: NDArray[np.float32]
    """Largest, shape (K,)."""
    contrast: NDArray[np.float32]
    """Distance of the two; 0 where nothing but rounding or noise parts them."""

    @classmethod
    def of(cls, pixels: NDArray[np.generic]) -> Blocks:
        """Blocks of an image, row by row; those at its right and lower edge may be smaller."""
        darkest, brightest = (
            reduced(extreme, pixels).astype(np.float32) for extreme in (np.minimum, np.maximum)
        )
        span = brightest - darkest
        size = np.maximum(np.abs(brightest), np.abs(darkest))
        shows = (span > ROUNDING * size) & ~is_noise(pixels)
        return cls(darkest, brightest, np.where(shows, span, np.float32(0)))

    @classmethod
    def joined(cls, parts: Sequence[Blocks]) -> Blocks:
        """All blocks of several."""
        return cls(
            np.concatenate([part.darkest for part in parts]),
            np.concatenate([part.brightest for part in parts]),
            np.concatenate([part.contrast for part in parts]),
        )

    def selected(self, index: NDArray[np.bool_]) -> Blocks:
        """Some of the blocks."""
        return Blocks(self.darkest[index], self.brightest[index], self.contrast[index])


def reduced(operation: np.ufunc, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """A minimum, maximum or sum over each block, row by row."""
    rows, cols = (np.arange(0, n, BLOCK) for n in pixels.shape)
    values: NDArray[np.generic] = operation.reduceat(
        operation.reduceat(pixels, rows, axis=0), cols, axis=1
    ).ravel()
    return values


def is_noise(pixels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Which blocks show noise of single pixels alone.

    Differences of diagonal neighbours, less those of their rows and columns, have 4 times the variance
    of such noise; what is as large as a nucleus adds little to them.
    """
    values = pixels.astype(np.float64) - float(pixels[0, 0])
    crossed = np.zeros_like(values)
    crossed[:-1, :-1] = values[:-1, :-1] - values[1:, :-1] - values[:-1, 1:] + values[1:, 1:]
    count, total, squares, noise = (
        reduced(np.add, part).astype(np.float64)
        for part in (np.ones_like(values), values, values**2, crossed**2)
    )
    noisy: NDArray[np.bool_] = noise / 4 > NOISE_SHARE * (squares - total**2 / count)
    return noisy


@dataclass(frozen=True, slots=True)
class TissueContrast:
    """From what contrast on a block is tissue, and how much contrast tissue has."""

    limit: float
    """Least contrast of tissue; 0 where no block has any contrast."""
    median: float
    """Median contrast of tissue."""
    strong: float
    """Contrast that some blocks of tissue have, and that no speck decides."""

    @property
    def is_even(self) -> bool:
        """Whether all blocks with contrast have about the same, as noise has and tissue hardly ever."""
        return self.strong < EVEN * self.median


def tissue_contrast(contrast: NDArray[np.float32]) -> TissueContrast:
    """What parts tissue from background in the contrasts of blocks.

    The limit is `TISSUE_SHARE` times the median over all blocks that reach it, but for what may be
    specks. Of several such limits it is the greatest, found from above, so blocks of less contrast,
    however many, do not move it.

    >>> tissue_contrast(np.array([0, 0, 0, 0, 0, 0, 1, 80, 90, 100], np.float32))
    TissueContrast(limit=18.0, median=90.0, strong=100.0)
    """
    falling = np.sort(contrast[contrast > 0])[::-1].astype(np.float64)
    if falling.size == 0:
        return TissueContrast(0.0, 0.0, 0.0)
    falling = falling[min(SPECK_BLOCKS, int(falling.size * SPECK_SHARE)) :]
    limit = strong = float(falling[0])
    while True:
        count = int(np.searchsorted(-falling, -limit, side="right"))
        median = float(np.median(falling[:count]))
        if TISSUE_SHARE * median >= limit:
            return TissueContrast(limit, median, strong)
        limit = TISSUE_SHARE * median
