"""Classes of the pixels of a reference by the densities of genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer.images import Slide
from morphinfer_training.reference_grid import Floats, Labels, Mask, ReferenceGrid
from morphinfer_training.references.cluster_names import Cluster
from morphinfer_training.references.densities import (
    assign_regions,
    clean_regions,
    count_spots,
    density,
    near_borders,
    relative_threshold,
)
from morphinfer_training.references.roi import count_inside, find_region
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.tissue import Tissue, find_tissue, read_on_grid
from morphinfer_training.spots import Spots

Genes = Mapping[str, Sequence[str]]
"""Genes of each gene class by its name."""


@dataclass(frozen=True, slots=True)
class SectionLabels:
    """Labels of a section and the thresholds by which they were derived."""

    labels: Labels
    """Class of each pixel, or UNLABELLED, shape ``grid.shape``."""
    thresholds: tuple[float | None, ...]
    """Threshold of each gene class, in spots per (100 micrometres)^2 or reads per nucleus; None for
    clusters."""
    spots: tuple[int, ...]
    """Number of rows of the table with a gene of each gene class; all rows inside a class of clusters."""
    inside: tuple[int, ...]
    """The number of them inside the region of interest."""
    tissue: Tissue | None
    """The tissue; None if nuclei are labelled."""
    genes: Genes
    """Genes of each gene class; the strongest genes of a class of clusters."""
    clusters: tuple[Cluster, ...] = ()
    """The clusters, if there are any."""


def region_labels(
    slide: Slide | None,
    spots: Spots,
    genes: Genes,
    settings: RegionSettings,
    grid: ReferenceGrid,
) -> SectionLabels:
    """Regions of high density, general tissue and background.

    Parameters
    ----------
    slide : Slide or None
        The nuclei image; without it, tissue is found from the spots.
    spots : Spots
        Spots on the slide.
    genes : mapping of str to sequence of str
        Genes of each class by its name.
    settings : RegionSettings
        Sigma, thresholds, least area, border and region of interest.
    grid : ReferenceGrid
        The reference.

    Raises
    ------
    SpotsError
        A threshold is 0, since a gene is too rare, or the region of interest is empty.
    SlideError
        The slide is constant or cannot be read.
    """
    tissue, interest, _ = section_fields(slide, spots, settings, grid)
    masks = [spots.of(each) for each in genes.values()]
    densities = [_gene_density(spots.where(mask), settings, grid) for mask in masks]
    inside = tissue.mask & interest
    thresholds = choose_thresholds(
        genes, settings, [relative_threshold(d, inside, settings.fraction) for d in densities]
    )
    labels = assign_regions(densities, thresholds, tissue.mask)
    labels = clean_regions(labels, settings.smallest_um2, settings.cell_um)
    labels[near_borders(labels, settings.border_um, settings.cell_um) | ~interest] = UNLABELLED
    totals = tuple(int(np.count_nonzero(m)) for m in masks)
    return SectionLabels(
        labels, thresholds, totals, count_inside(masks, spots, interest, grid), tissue, genes
    )


def section_fields(
    slide: Slide | None, spots: Spots, settings: RegionSettings, grid: ReferenceGrid
) -> tuple[Tissue, Mask, Floats]:
    """The tissue, the region of interest, and the density of all spots."""
    image = None if slide is None else read_on_grid(slide, grid.pixels)
    counts = count_spots(spots.row, spots.col, spots.weight, grid)
    overall = density(counts, settings.sigma_um, grid)
    tissue = find_tissue(
        image, counts, overall, settings.sigma_um, grid.pixels, settings.tissue_from
    )
    return tissue, find_region(settings.roi, counts, grid), overall


def _gene_density(spots: Spots, settings: RegionSettings, grid: ReferenceGrid) -> Floats:
    counts = count_spots(spots.row, spots.col, spots.weight, grid)
    return density(counts, settings.sigma_um, grid)


def choose_thresholds(
    genes: Genes, settings: RegionSettings, relative: Sequence[float]
) -> tuple[float, ...]:
    """Thresholds of the settings, or the relative ones for classes without a threshold.

    Parameters
    ----------
    genes : mapping of str to sequence of str
        Genes of each class by its name.
    settings : RegionSettings
        The thresholds.
    relative : sequence of float
        Relative threshold of each class.

    Raises
    ------
    SpotsError
        A threshold is not above 0.
    """
    absolute = [*settings.thresholds, *[None] * len(genes)]
    chosen = tuple(
        default if threshold is None else threshold
        for threshold, default in zip(absolute, relative, strict=False)
    )
    for name, threshold in zip(genes, chosen, strict=True):
        if threshold <= 0:
            raise SpotsError(
                f"{name}: a threshold of {threshold:g}; it must be above 0, and fewer than 0.5 % of the "
                f"tissue or nuclei contain its spots; give one in `thresholds`, or choose another gene"
            )
    return chosen
