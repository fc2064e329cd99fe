"""Classes of the cells of a section by the densities of its genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer.images import Slide
from morphinfer_training.references.densities import (
    Floats,
    Labels,
    ReferenceGrid,
    assign_regions,
    clean_regions,
    count_spots,
    density,
    near_borders,
    relative_threshold,
)
from morphinfer_training.references.roi import find_region
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.spots import Spots
from morphinfer_training.references.tissue import Tissue, find_tissue, read_cells

Genes = Mapping[str, Sequence[str]]
"""Genes of each gene class by its name."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out about a section before anything is written."""

    labels: Labels
    """Class of each cell, or UNLABELLED, shape ``grid.shape``."""
    thresholds: tuple[float, ...]
    """Of each gene class: spots per (100 micrometres)^2, or reads of a nucleus."""
    spots: tuple[int, ...]
    """Rows of the table that hold a gene of the class."""
    tissue: Tissue | None
    """Where there is tissue; None where only nuclei are labelled."""


def region_labels(
    slide: Slide | None,
    spots: Spots,
    genes: Genes,
    settings: RegionSettings,
    grid: ReferenceGrid,
) -> Found:
    """Regions of high density, general tissue and background.

    Raises
    ------
    SpotsError
        A threshold is 0: a gene is too rare; or the region of interest is empty.
    SlideError
        The slide is constant or cannot be read.
    """
    image = None if slide is None else read_cells(slide, grid.pixels)
    counts = count_spots(spots.row, spots.col, spots.weight, grid)
    overall = density(counts, settings.sigma_um, grid)
    tissue = find_tissue(
        image, counts, overall, settings.sigma_um, grid.pixels, settings.tissue_from
    )
    interest = find_region(settings.roi, counts, grid)
    masks = [spots.of(each) for each in genes.values()]
    densities = [_gene_density(spots.where(mask), settings, grid) for mask in masks]
    inside = tissue.mask & interest
    thresholds = choose_thresholds(
        genes, settings, [relative_threshold(d, inside, settings.fraction) for d in densities]
    )
    labels = assign_regions(densities, thresholds, tissue.mask)
    labels = clean_regions(labels, settings.smallest_um2, settings.cell_um)
    labels[near_borders(labels, settings.border_um, settings.cell_um) | ~interest] = UNLABELLED
    return Found(labels, thresholds, tuple(int(np.count_nonzero(m)) for m in masks), tissue)


def _gene_density(spots: Spots, settings: RegionSettings, grid: ReferenceGrid) -> Floats:
    counts = count_spots(spots.row, spots.col, spots.weight, grid)
    return density(counts, settings.sigma_um, grid)


def choose_thresholds(
    genes: Genes, settings: RegionSettings, relative: Sequence[float]
) -> tuple[float, ...]:
    """The given thresholds, and where there is none the relative one.

    Raises
    ------
    SpotsError
        One is not above 0.
    """
    given = [*settings.thresholds, *[None] * len(genes)]
    chosen = tuple(
        found if told is None else told for told, found in zip(given, relative, strict=False)
    )
    for name, found in zip(genes, chosen, strict=True):
        if found <= 0:
            raise SpotsError(
                f"{name}: a threshold of {found:g}; it must be above 0: fewer than 0.5 % of the "
                f"tissue or nuclei hold spots of it, so give one in `thresholds`, or choose another gene"
            )
    return chosen
