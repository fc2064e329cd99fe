"""How well the texture of the tissue explains where genes are dense: a test of coarse registration.

In squares of about 13 micrometres, the densities of the most frequent genes are regressed on the brightness
of the image and on its contrast at three scales. Where spots are swapped, flipped, scaled or shifted by more
than about 20 micrometres, less of their variance is explained. It needs no spots in nuclei.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from morphinfer_training.reference_grid import Floats, ReferenceGrid
from morphinfer_training.spots import Coordinates

BLOCK = 5
"""Side of a square in pixels of the test."""
SIGMA = 2.0
"""Sigma of the Gaussian that turns spots into densities, in squares."""
GENES = 12
"""Most frequent genes whose densities are explained, besides that of all spots."""
FEWEST_SQUARES = 1000
"""Smaller slides are not tested: their densities could be explained by chance."""
REACH, STRIDE = 8, 2
"""Greatest shift that is tried, in squares (about 100 micrometres), and the steps of the first trial."""
SCALES_PX = ((0.7, 1.5), (1.5, 3.0), (3.0, 6.0))
"""Sigmas of the differences of Gaussians whose energy is a feature."""
Densities = NDArray[np.float32]


class TissueTexture:
    """Features of an image that explain densities of genes."""

    def __init__(self, image: Floats, grid: ReferenceGrid) -> None:
        """Prepare the image.

        Parameters
        ----------
        image : ndarray of float32, shape ``grid.shape``
            Mean intensity of the nuclei in each pixel, preferably of 2.6 micrometres.
        grid : ReferenceGrid
            The pixels, over the slide.
        """
        self._grid = grid
        features = _features(image)
        self._shape = features.shape[:2]
        columns = features.reshape(-1, features.shape[-1])
        self._basis, _ = np.linalg.qr(columns - columns.mean(axis=0))

    @property
    def square_px(self) -> float:
        """Side of a square in pixels of level 0."""
        return BLOCK * self._grid.pixels.pixel_size_um / self._grid.slide.pixel_size_um

    @property
    def testable(self) -> bool:
        """Whether the slide is large enough."""
        return len(self._basis) >= FEWEST_SQUARES

    def densities(
        self, row: Coordinates, col: Coordinates, gene: NDArray[np.int32], genes: NDArray[np.intp]
    ) -> Densities:
        """Roots of the densities of some genes and of all spots, shape (M, N, K + 1).

        Parameters
        ----------
        row, col : ndarray of float64, shape (N,)
            Coordinates in pixels of level 0; spots off the slide are left out.
        gene : ndarray of int32, shape (N,)
            Gene of each spot.
        genes : ndarray of int, shape (K,)
            Genes whose densities are returned.
        """
        rows, cols = (places // BLOCK for places in self._grid.locate(row, col))
        height, width = self._shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        index, kind = (rows * width + cols)[inside], gene[inside]
        counts = [np.bincount(index[kind == k], minlength=height * width) for k in genes]
        counts.append(np.bincount(index, minlength=height * width))
        planes = [
            gaussian_filter(each.reshape(height, width).astype(np.float32), SIGMA, mode="constant")
            for each in counts
        ]
        return np.asarray(np.sqrt(np.maximum(np.stack(planes, -1), 0)), dtype=np.float32)

    def explained(self, densities: Densities) -> float:
        """Share of the variance of the densities that the image explains, the mean over genes."""
        columns = densities.reshape(-1, densities.shape[-1])
        columns = columns - columns.mean(axis=0)
        total = (columns**2).sum(axis=0)
        fitted = ((self._basis.T @ columns) ** 2).sum(axis=0)
        with_spots = total > 0
        return float((fitted[with_spots] / total[with_spots]).mean()) if with_spots.any() else 0.0

    def best_shift(self, densities: Densities) -> tuple[tuple[int, int], float]:
        """Shift in squares, down and right, at which most is explained, and how much that is.

        Parameters
        ----------
        densities : ndarray of float32, shape (M, N, K + 1)
            Of `densities`; what is shifted off the slide is lost.
        """
        steps = range(-REACH, REACH + 1, STRIDE)
        grid = [(down, right) for down in steps for right in steps]
        fits = {shift: self.explained(_shifted(densities, *shift)) for shift in grid}
        down, right = max(fits, key=lambda shift: fits[shift])
        near = range(1 - STRIDE, STRIDE)
        for shift in ((down + i, right + j) for i in near for j in near):
            fits.setdefault(shift, self.explained(_shifted(densities, *shift)))
        best = max(fits, key=lambda shift: fits[shift])
        return best, fits[best]


def _shifted(densities: Densities, down: int, right: int) -> Densities:
    """Densities moved by whole squares, with zeros where nothing was."""
    height, width = densities.shape[:2]
    moved = np.zeros_like(densities)
    rows = slice(max(down, 0), height + min(down, 0))
    cols = slice(max(right, 0), width + min(right, 0))
    source = densities[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    moved[rows, cols] = source
    return moved


def _features(image: Floats) -> NDArray[np.float64]:
    """Logarithms of brightness and of contrast at each scale, and their squares, in each square."""
    planes = []
    for fine, coarse in SCALES_PX:
        energy = (gaussian_filter(image, fine) - gaussian_filter(image, coarse)) ** 2
        floor = 1e-3 * float(energy.mean()) or 1.0
        planes.append(np.log(gaussian_filter(_squares(energy), SIGMA) + floor))
    dark = float(np.percentile(image, 1))
    light = np.maximum(gaussian_filter(_squares(image), SIGMA) - dark, 0)
    planes.append(np.log(light + (0.02 * float(np.percentile(light, 99)) or 1.0)))
    features = np.stack(planes, -1).astype(np.float64)
    return np.concatenate([features, features**2], axis=-1)


def _squares(image: Floats) -> Floats:
    """Means of whole squares of ``BLOCK`` pixels."""
    height, width = (side // BLOCK for side in image.shape)
    cut = image[: height * BLOCK, : width * BLOCK]
    means = cut.reshape(height, BLOCK, width, BLOCK).mean(axis=(1, 3))
    return np.asarray(means, dtype=np.float32)
