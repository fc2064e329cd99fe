"""Spots to densities to regions, on a grid of square cells over the slide.

Cell (i, j) covers [i, i + 1) x [j, j + 1) times ``cell_um`` micrometres from the slide's outer
corner. Densities are spots per (100 micrometres)^2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_filter1d, label

from morphinfer.errors import SpotsError

AREA_UM2 = 1e4
"""Densities count spots in this area: (100 micrometres)^2."""
PERCENTILE = 99.5
"""A gene's high density; its maximum would hang on a single cell."""
BACKGROUND, TISSUE, FIRST_GENE = 0, 1, 2
MOST_CELLS = 200_000_000
"""Above this the arrays would not fit into a workstation's memory."""

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CellLattice:
    """Square cells over a slide."""

    slide_shape: tuple[int, int]
    """Rows and columns of the slide, in pixels of level 0."""
    pixel_size_um: float
    """Side of such a pixel in micrometres."""
    cell_um: float
    """Side of a cell in micrometres."""

    def __post_init__(self) -> None:
        """Refuse cells that are too small to hold in memory."""
        if math.prod(self.shape) > MOST_CELLS:
            raise SpotsError(
                f"cells of {self.cell_um:g} micrometres would be {self.shape[0]} x {self.shape[1]}, "
                f"more than {MOST_CELLS}; give a larger `cell_um`, or check the pixel size"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells; the last may overhang the slide."""
        height, width = (
            max(1, math.ceil(side * self.pixel_size_um / self.cell_um - 1e-6))
            for side in self.slide_shape
        )
        return height, width

    def coverage(self, axis: int) -> Floats:
        """Share of each cell along an axis that lies on the slide; below 1 only for the last."""
        side = self.slide_shape[axis] * self.pixel_size_um / self.cell_um
        share = np.clip(side - np.arange(self.shape[axis]), 0, 1)
        return np.asarray(share, dtype=np.float32)

    def places(self, position: NDArray[np.float64], axis: int) -> NDArray[np.intp]:
        """Cell along an axis of positions on the slide in pixels (an integer is a pixel's centre)."""
        index = np.floor((position + 0.5) * (self.pixel_size_um / self.cell_um)).astype(np.intp)
        return np.clip(index, 0, self.shape[axis] - 1)

    def sigma(self, um: float) -> float:
        """A length in cells."""
        return um / self.cell_um


def count_spots(
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    weight: Floats,
    lattice: CellLattice,
) -> Floats:
    """Sum of weights in each cell, shape ``lattice.shape``; all spots must lie on the slide."""
    height, width = lattice.shape
    index = lattice.places(row, 0) * width + lattice.places(col, 1)
    counts = np.bincount(index, weights=weight, minlength=height * width)
    return counts.astype(np.float32).reshape(height, width)


def smooth(image: Floats, sigma_um: float, lattice: CellLattice) -> Floats:
    """Image after a Gaussian, divided by the share of the Gaussian that lies on the slide.

    Without the division, everything within two sigma of the slide's edges would be dimmed.
    """
    sigma = lattice.sigma(sigma_um)
    blurred = gaussian_filter(image, sigma, mode="constant")
    for axis in (0, 1):
        share = gaussian_filter1d(lattice.coverage(axis), sigma, mode="constant")
        blurred /= np.expand_dims(np.maximum(share, 1e-6), 1 - axis)
    return np.asarray(blurred, dtype=np.float32)


def density(counts: Floats, sigma_um: float, lattice: CellLattice) -> Floats:
    """Spots per (100 micrometres)^2, out of the counts of cells."""
    return smooth(counts, sigma_um, lattice) * np.float32(AREA_UM2 / lattice.cell_um**2)


def relative_threshold(gene_density: Floats, inside: Mask, fraction: float) -> float:
    """A fraction of the gene's high density (its 99.5th percentile) over the cells ``inside``.

    Methods differ tenfold in how many transcripts they detect, so a threshold in spots does not
    carry over; a fraction of the section's own high density does.
    """
    if not inside.any():
        return 0.0
    return fraction * float(np.percentile(gene_density[inside], PERCENTILE))


def assign_regions(
    densities: Sequence[Floats], thresholds: Sequence[float], tissue: Mask
) -> Labels:
    """Classes of the cells before cleaning.

    Parameters
    ----------
    densities : sequence of ndarray of float32, shape (M, N)
        One for each gene class.
    thresholds : sequence of float
        Above 0, in the unit of the densities.
    tissue : ndarray of bool, shape (M, N)
        Where there is tissue; elsewhere is background, whatever the densities.

    Returns
    -------
    ndarray of uint8, shape (M, N)
        0 background, 1 tissue, 2 and on the gene classes. Where several genes reach their
        threshold, the one with the largest density relative to it wins, the first on a tie.
    """
    labels = tissue.astype(np.uint8)
    best = np.ones(tissue.shape, np.float32)
    for value, (gene_density, threshold) in enumerate(
        zip(densities, thresholds, strict=True), start=FIRST_GENE
    ):
        ratio = gene_density / np.float32(threshold)
        wins = tissue & (ratio >= 1) & ((ratio > best) | (labels == TISSUE))
        labels[wins] = value
        best[wins] = ratio[wins]
    return labels


def clean_regions(labels: Labels, min_area_um2: float, cell_um: float) -> Labels:
    """Labels without islands or holes below an area.

    An island of a gene class that is too small becomes general tissue. A piece of general tissue
    that is then too small (a hole in a region, or a sliver) takes the class nearest to it. Pieces
    are connected by sides, not by corners.
    """
    cleaned = labels.copy()
    for value in range(FIRST_GENE, int(labels.max(initial=0)) + 1):
        cleaned[small_pieces(cleaned == value, min_area_um2, cell_um)] = TISSUE
    gaps = small_pieces(cleaned == TISSUE, min_area_um2, cell_um)
    if gaps.any() and not gaps.all():
        rows, cols = distance_transform_edt(gaps, return_distances=False, return_indices=True)
        cleaned[gaps] = cleaned[rows[gaps], cols[gaps]]
    return cleaned


def small_pieces(mask: Mask, area_um2: float, cell_um: float) -> Mask:
    """The connected pieces of a mask that are smaller than an area."""
    pieces, _ = label(mask)
    small = np.bincount(pieces.ravel()) * cell_um**2 < area_um2
    small[0] = False
    return np.asarray(small[pieces], dtype=bool)


def near_borders(labels: Labels, distance_um: float, cell_um: float) -> Mask:
    """Cells whose centre lies within a distance of a border between two classes."""
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
    # The border lies half a cell beyond the centre of a cell at the rim.
    reach = distance_um / cell_um - 0.5
    return np.asarray(distance_transform_edt(~rim) <= reach, dtype=bool)
