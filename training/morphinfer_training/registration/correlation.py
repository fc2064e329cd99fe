"""Correlation of spots with the nuclei image at all shifts, by a Fourier transform.

Transcripts are in and around nuclei, so the image under them has structure that another place lacks. Both
the image and the map of pixels with spots are reduced to structure of the size of nuclei, so that neither
the outline of the tissue nor a gradient of brightness decides. Rows run down, columns right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter

from morphinfer_training.reference_grid import Floats, ReferenceGrid
from morphinfer_training.spots import Coordinates

NUCLEUS_PX = 1.0
"""Sigma of the blur of the image, in pixels of a third of a nucleus."""
SURROUNDINGS_PX = 4.0
"""Sigma of the mean that is subtracted."""
CONTRAST_PX = 8.0
"""Sigma of the mean square by which the image is divided, so that bright parts do not decide."""
SAME_PX = 6
"""Shifts nearer than this to a peak belong to it."""
NEAR_PX = 1
"""Shifts up to this are none: a third of a nucleus."""
FEWEST = 50
"""Fewer pixels with spots are not tested."""


@dataclass(frozen=True, slots=True)
class Peak:
    """Correlation of spots and image at the given place, and where it is greatest."""

    given: float
    """Correlation without a shift, in standard errors of independent pixels."""
    best: float
    """Greatest correlation, in the same unit."""
    shift_px: tuple[float, float]
    """Shift of the greatest, in pixels of the test down and right."""
    elsewhere: float
    """Greatest correlation at shifts that do not belong to the best."""


class NucleiStructure:
    """Nuclei image whose correlation with spots is measured at all shifts."""

    def __init__(self, image: Floats, grid: ReferenceGrid) -> None:
        """Prepare the image.

        Parameters
        ----------
        image : ndarray of float32, shape ``grid.shape``
            Mean intensity of the nuclei in each pixel, preferably of a third of a nucleus.
        grid : ReferenceGrid
            The pixels, over the slide.
        """
        self._grid = grid
        self._shape = tuple(next_fast_len(side + side // 2, real=True) for side in grid.shape)
        blurred = gaussian_filter(image, NUCLEUS_PX)
        structure = blurred - gaussian_filter(blurred, SURROUNDINGS_PX)
        contrast = np.sqrt(gaussian_filter(structure**2, CONTRAST_PX))
        floor = float(np.median(contrast)) / 2 or float(contrast.max()) or 1.0
        structure /= contrast + floor
        self._norm = float(np.sqrt((structure**2).mean())) or 1.0
        self._transform = rfft2(structure, self._shape)

    def peak(self, row: Coordinates, col: Coordinates) -> Peak | None:
        """Correlation of spots at rows and columns of the slide; None for too few spots.

        Parameters
        ----------
        row, col : ndarray of float64, shape (N,)
            Coordinates in pixels of level 0; spots off the slide are left out.
        """
        pixels = np.stack(self._grid.locate(row, col))
        height, width = self._grid.shape
        inside = (pixels >= 0).all(axis=0) & (pixels[0] < height) & (pixels[1] < width)
        counts = np.zeros(self._grid.shape, np.float32)
        counts[pixels[0, inside], pixels[1, inside]] = 1
        if counts.sum() < FEWEST:
            return None
        counts -= gaussian_filter(counts, SURROUNDINGS_PX)
        norm = float(np.sqrt((counts**2).sum())) * self._norm
        product = np.conj(rfft2(counts, self._shape)) * self._transform
        return _peak(np.abs(irfft2(product, self._shape)) / norm)


def _peak(correlation: Floats) -> Peak:
    """Peak of a map whose element (0, 0) is no shift and which is periodic."""
    height, width = correlation.shape
    near = np.arange(-NEAR_PX, NEAR_PX + 1)
    given = float(correlation[np.ix_(near, near)].max())
    flat = int(correlation.argmax())
    row, col = divmod(flat, width)
    best = float(correlation[row, col])
    shift = (
        row + _vertex(correlation[(row + np.arange(-1, 2)) % height, col]),
        col + _vertex(correlation[row, (col + np.arange(-1, 2)) % width]),
    )
    return Peak(
        given,
        best,
        (
            shift[0] - height if shift[0] > height / 2 else shift[0],
            shift[1] - width if shift[1] > width / 2 else shift[1],
        ),
        _elsewhere(correlation, row, col),
    )


def _vertex(values: Floats) -> float:
    """Place of the vertex of a parabola through values at -1, 0 and 1."""
    before, here, after = (float(v) for v in values)
    curvature = before - 2 * here + after
    return 0.0 if curvature == 0 else float(np.clip((before - after) / (2 * curvature), -0.5, 0.5))


def _elsewhere(correlation: Floats, row: int, col: int) -> float:
    """Greatest correlation further than ``SAME_PX`` from a shift."""
    height, width = correlation.shape
    rows = (np.arange(height) - row + SAME_PX) % height > 2 * SAME_PX
    cols = (np.arange(width) - col + SAME_PX) % width > 2 * SAME_PX
    near = correlation[~rows]
    return max(
        float(correlation[rows].max(initial=0.0)), float(near[:, cols].max(initial=0.0))
    )  # fmt: skip
