"""Test of the registration of spots and nuclei image.

Transcripts are in cells, so the image under spots differs from the image a few micrometres beside them:
it is brighter for most genes, darker for genes of the neuropil. If coordinates are swapped, flipped or
shifted, this difference vanishes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from morphinfer_training.reference_grid import Floats, ReferenceGrid
from morphinfer_training.spots import ORIENTATIONS, Orientation, Spots, orient

PIXEL_UM = 2.6
"""Pixel size of the test: a third of a nucleus."""
SHIFTS_UM = (8.0, 25.0)
"""Distances of the image beside spots: next to a nucleus, and beyond any nucleus."""
DIRECTIONS = 8
"""Directions in which each distance is taken."""
BLUR_PX = 1.0
"""Sigma of the blur of the image."""
BLOCK_UM = 50.0
"""Side of blocks; differences in the same block are treated as dependent, as in one layer or nucleus."""
CLEAR = 4.0
"""Least significance of a real contrast, in standard errors. The sections at hand have 4.3 to 23, and at
most 3.3 with a wrong orientation, shift, or both."""
BETTER = 2.0
"""Another orientation is clearly better if its contrast is this many times as significant."""
FEWEST = 50
"""Fewer pixels with spots are not tested."""

Floats64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contrast:
    """Difference between the image under spots and beside them."""

    contrast: float
    """Difference of the mean intensities divided by their mean; 0 if not tested."""
    significance: float
    """Difference in standard errors, with independent blocks of ``BLOCK_UM``."""
    cells: int
    """Number of pixels with spots."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Contrasts of the chosen orientation and of all others."""

    chosen: Orientation
    """Orientation in the settings."""
    given: Contrast
    """Contrast of the chosen orientation."""
    others: dict[Orientation, Contrast]
    """Contrasts of all other orientations."""

    @property
    def best(self) -> Orientation:
        """The other orientation with the most significant contrast."""
        return max(self.others, key=lambda name: abs(self.others[name].significance))

    @property
    def another_is_right(self) -> bool:
        """Whether another orientation is clearly better than the chosen one."""
        best = abs(self.others[self.best].significance)
        return best >= CLEAR and best >= BETTER * abs(self.given.significance)

    @property
    def visible(self) -> bool:
        """Whether the chosen orientation has a contrast."""
        return abs(self.given.significance) >= CLEAR


def check_registration(
    image: Floats, spots: Spots, grid: ReferenceGrid, chosen: Orientation = "given"
) -> Registration:
    """Contrasts of all eight orientations.

    Parameters
    ----------
    image : ndarray of float32, shape ``grid.shape``
        Mean intensity of the nuclei in each pixel, preferably of ``PIXEL_UM``.
    spots : Spots
        All spots of the section with the coordinates of the table; spots that are off the slide in an
        orientation are left out.
    grid : ReferenceGrid
        The pixels, over the slide.
    chosen : Orientation
        Orientation in the settings, with which all others are compared.
    """
    blurred = gaussian_filter(image, BLUR_PX)
    contrasts = {
        name: measure_contrast(blurred, *orient(spots.row, spots.col, name, grid.slide.shape), grid)
        for name in ORIENTATIONS
    }
    return Registration(chosen, contrasts.pop(chosen), contrasts)


def measure_contrast(image: Floats, row: Floats64, col: Floats64, grid: ReferenceGrid) -> Contrast:
    """Contrast of the pixels with at least one spot; their number of spots has no influence.

    Parameters
    ----------
    image : ndarray of float32, shape ``grid.shape``
        Blurred mean intensity of the nuclei.
    row, col : ndarray of float64, shape (N,)
        Coordinates of spots in pixels of the slide.
    grid : ReferenceGrid
        The pixels, over the slide.
    """
    pixel_um = grid.pixels.pixel_size_um
    pixels = np.stack(grid.locate(row, col))
    margin = math.ceil(max(SHIFTS_UM) / pixel_um)
    height, width = image.shape
    inside = (pixels >= margin).all(axis=0)
    inside &= (pixels[0] < height - margin) & (pixels[1] < width - margin)
    index = np.unique(pixels[0, inside] * width + pixels[1, inside])
    if len(index) < FEWEST:
        return Contrast(0.0, 0.0, len(index))
    rows, cols = np.divmod(index, width)
    under = image[rows, cols]
    beside = np.zeros_like(under)
    steps = [
        (round(um * math.sin(angle) / pixel_um), round(um * math.cos(angle) / pixel_um))
        for um in SHIFTS_UM
        for angle in np.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    ]
    for down, right in steps:
        beside += image[rows + down, cols + right]
    beside /= len(steps)
    difference = (under - beside).astype(np.float64)
    level = float(under.mean() + beside.mean()) / 2
    sums = _block_sums(difference, rows, cols, pixel_um)
    error = math.sqrt(float((sums**2).sum()))
    if error == 0 or level == 0:
        return Contrast(0.0, 0.0, len(index))
    return Contrast(
        float(difference.mean()) / abs(level), float(sums.sum()) / error, len(index)
    )  # fmt: skip


def _block_sums(
    difference: Floats64, rows: NDArray[np.intp], cols: NDArray[np.intp], pixel_um: float
) -> Floats64:
    """Sum of the differences in each block that is not empty.

    If image and spots are unrelated, the sums scatter around zero, and their total divided by the root
    of their sum of squares has a standard normal distribution.
    """
    side = max(1, round(BLOCK_UM / pixel_um))
    block = (rows // side) * (int(cols.max()) // side + 1) + cols // side
    _, index = np.unique(block, return_inverse=True)
    return np.asarray(np.bincount(index, difference), dtype=np.float64)
