"""Spots to densities to regions, on the pixels of a reference over the slide.

Densities are spots per (100 micrometres)^2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_filter1d, label

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid

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
class ReferenceGrid:
    """The pixels of a reference, and those of the slide below them; both begin at one corner."""

    slide: PixelGrid
    """Level 0 of the slide."""
    pixels: PixelGrid
    """The reference; its last pixels may overhang the slide."""

    @classmethod
    def over(cls, slide: PixelGrid, pixel_size_um: float) -> ReferenceGrid:
        """Square pixels over a slide.

        Raises
        ------
        SpotsError
            They are more than MOST_CELLS.
        """
        pixels = slide.cover(pixel_size_um)
        if math.prod(pixels.shape) > MOST_CELLS:
            raise SpotsError(
                f"cells of {pixel_size_um:g} micrometres would be {pixels.shape[0]} x "
                f"{pixels.shape[1]}, more than {MOST_CELLS}; give a larger `cell_um`, or check the "
                f"pixel size"
            )
        return cls(slide, pixels)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the reference."""
        return self.pixels.shape

    def coverage(self, axis: int) -> Floats:
        """Share of each pixel along an axis that lies on the slide; below 1 only for the last."""
        side = self.slide.shape[axis] * self.slide.pixel_size_um / self.pixels.pixel_size_um
        share = np.clip(side - np.arange(self.shape[axis]), 0, 1)
        return np.asarray(share, dtype=np.float32)

    def locate(
        self, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Row and column of the reference at positions on the slide; an integer is a pixel's centre."""
        rows, cols = (self.pixels.locate(self.slide, k, p) for k, p in enumerate((row, col)))
        return rows, cols


def count_spots(
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    weight: Floats,
    grid: ReferenceGrid,
) -> Floats:
    """Sum of weights in each pixel, shape ``grid.shape``; all spots must lie on the slide."""
    height, width = grid.shape
    rows, cols = grid.locate(row, col)
    index = rows.clip(0, height - 1) * width + cols.clip(0, width - 1)
    counts = np.bincount(index, weights=weight, minlength=height * width)
    return counts.astype(np.float32).reshape(height, width)


def smooth(image: Floats, sigma_um: float, grid: ReferenceGrid) -> Floats:
    """Image after a Gaussian, divided by the share of the Gaussian that lies on the slide.

    Without the division, everything within two sigma of the slide's edges would be dimmed.
    """
    sigma = sigma_um / grid.pixels.pixel_size_um
    blurred = gaussian_filter(image, sigma, mode="constant")
    for axis in (0, 1):
        share = gaussian_filter1d(grid.coverage(axis), sigma, mode="constant")
        blurred /= np.expand_dims(np.maximum(share, 1e-6), 1 - axis)
    return np.asarray(blurred, dtype=np.float32)


def density(counts: Floats, sigma_um: float, grid: ReferenceGrid) -> Floats:
    """Spots per (100 micrometres)^2, out of the counts of pixels."""
    area_um2 = grid.pixels.pixel_size_um**2
    return smooth(counts, sigma_um, grid) * np.float32(AREA_UM2 / area_um2)


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
