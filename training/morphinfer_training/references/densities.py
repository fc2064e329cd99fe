"""From spots to densities to regions, on the pixels of a reference that covers the slide.

Densities are spots per (100 micrometres)^2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_filter1d, label

from morphinfer_training.reference_grid import Floats, Labels, Mask, ReferenceGrid

AREA_UM2 = 1e4
"""Area to which densities refer: (100 micrometres)^2."""
PERCENTILE = 99.5
"""Percentile that is the high density of a gene; the maximum would depend on a single cell."""
BACKGROUND, TISSUE, FIRST_GENE = 0, 1, 2
"""Values of background, general tissue and the first gene class."""


def count_spots(
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    weight: Floats,
    grid: ReferenceGrid,
) -> Floats:
    """Sum of the weights of spots in each pixel of a reference.

    Parameters
    ----------
    row, col : ndarray of float64, shape (N,)
        Coordinates of spots on the slide, in pixels of its level 0.
    weight : ndarray of float32, shape (N,)
        Weights of the spots.
    grid : ReferenceGrid
        The reference.

    Returns
    -------
    ndarray of float32, shape ``grid.shape``
        The sums.
    """
    height, width = grid.shape
    rows, cols = pixels_of(row, col, grid)
    index = rows * width + cols
    counts = np.bincount(index, weights=weight, minlength=height * width)
    return counts.astype(np.float32).reshape(height, width)


def pixels_of(
    row: NDArray[np.float64], col: NDArray[np.float64], grid: ReferenceGrid
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels of a reference in which spots on the slide lie."""
    height, width = grid.shape
    rows, cols = grid.locate(row, col)
    return rows.clip(0, height - 1), cols.clip(0, width - 1)


def smooth(image: Floats, sigma_um: float, grid: ReferenceGrid) -> Floats:
    """Image after a Gaussian filter, divided by the share of the Gaussian on the slide.

    Without the division, values within two sigma of the edges of the slide would be too low.
    """
    sigma = sigma_um / grid.pixels.pixel_size_um
    blurred = gaussian_filter(image, sigma, mode="constant")
    for axis in (0, 1):
        share = gaussian_filter1d(grid.coverage(axis), sigma, mode="constant")
        blurred /= np.expand_dims(np.maximum(share, 1e-6), 1 - axis)
    return np.asarray(blurred, dtype=np.float32)


def density(counts: Floats, sigma_um: float, grid: ReferenceGrid) -> Floats:
    """Spots per (100 micrometres)^2, from their number in each pixel."""
    area_um2 = grid.pixels.pixel_size_um**2
    return smooth(counts, sigma_um, grid) * np.float32(AREA_UM2 / area_um2)


def relative_threshold(gene_density: Floats, inside: Mask, fraction: float) -> float:
    """A fraction of the high density of a gene, its 99.5th percentile in the mask ``inside``.

    Methods differ tenfold in how many transcripts they detect, so a threshold in spots is not valid for
    another method; a fraction of the high density of the same section is.
    """
    if not inside.any():
        return 0.0
    return fraction * float(np.percentile(gene_density[inside], PERCENTILE))


def assign_regions(
    densities: Sequence[Floats], thresholds: Sequence[float], tissue: Mask
) -> Labels:
    """Classes of the pixels, before small pieces are removed.

    Parameters
    ----------
    densities : sequence of ndarray of float32, shape (M, N)
        Density of each gene class.
    thresholds : sequence of float
        Threshold of each gene class, above 0, in the unit of the densities.
    tissue : ndarray of bool, shape (M, N)
        Whether a pixel is tissue; all others are background.

    Returns
    -------
    ndarray of uint8, shape (M, N)
        0 background, 1 tissue, from 2 on the gene classes. If several genes reach their threshold, the
        class is that with the greatest ratio of density to threshold, the first one on a tie.
    """
    labels = tissue.astype(np.uint8)
    best = np.ones(tissue.shape, np.float32)
    for value, (gene_density, threshold) in enumerate(
        zip(densities, thresholds, strict=True), start=FIRST_GENE
    ):
        ratio = gene_density / np.float32(threshold)
        better = tissue & (ratio >= 1) & ((ratio > best) | (labels == TISSUE))
        labels[better] = value
        best[better] = ratio[better]
    return labels


def clean_regions(labels: Labels, min_area_um2: float, pixel_size_um: float) -> Labels:
    """Labels without islands and holes below an area.

    Islands of a gene class that are too small become general tissue. Pieces of general tissue that are
    then too small (holes in a region, slivers) get the nearest class. Pieces are connected by sides,
    not by corners.

    Parameters
    ----------
    labels : ndarray of uint8, shape (M, N)
        Classes.
    min_area_um2 : float
        Least area of a piece.
    pixel_size_um : float
        Side of a pixel.

    Returns
    -------
    ndarray of uint8, shape (M, N)
        Cleaned copy.
    """
    cleaned = labels.copy()
    for value in range(FIRST_GENE, int(labels.max(initial=0)) + 1):
        cleaned[small_pieces(cleaned == value, min_area_um2, pixel_size_um)] = TISSUE
    gaps = small_pieces(cleaned == TISSUE, min_area_um2, pixel_size_um)
    if gaps.any() and not gaps.all():
        rows, cols = distance_transform_edt(gaps, return_distances=False, return_indices=True)
        cleaned[gaps] = cleaned[rows[gaps], cols[gaps]]
    return cleaned


def small_pieces(mask: Mask, area_um2: float, pixel_size_um: float) -> Mask:
    """Mask of the connected pieces of a mask that are smaller than an area."""
    pieces, _ = label(mask)
    small = np.bincount(pieces.ravel()) * pixel_size_um**2 < area_um2
    small[0] = False
    return np.asarray(small[pieces], dtype=bool)


def near_borders(labels: Labels, distance_um: float, pixel_size_um: float) -> Mask:
    """Mask of the pixels whose centre is within a distance of a border between two classes."""
    if distance_um <= 0:
        return np.zeros(labels.shape, bool)
    rim = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    rim[1:] |= down
    rim[:-1] |= down
    rim[:, 1:] |= right
    rim[:, :-1] |= right
    if not rim.any():
        return rim
    # The border is half a pixel from the centre of a pixel at the rim.
    reach = distance_um / pixel_size_um - 0.5
    return np.asarray(distance_transform_edt(~rim) <= reach, dtype=bool)
