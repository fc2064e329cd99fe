"""Classes of the pixels of a reference by clusters of all transcripts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer.images import Slide
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.cluster_names import Cluster, describe
from morphinfer_training.references.clusters import Clustering, find_clusters
from morphinfer_training.references.densities import (
    FIRST_GENE,
    TISSUE,
    clean_regions,
    near_borders,
    pixels_of,
)
from morphinfer_training.references.region_labels import SectionLabels, section_fields
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.tissue import SPOT_FRACTION
from morphinfer_training.spots import GENERAL, Spots, check_names

IN_CLASS = 5
"""Genes that the record names for each cluster of a class."""


def check_clustering(clustering: Clustering, settings: RegionSettings) -> None:
    """Raise if clusters cannot be found with these settings or have the names of other classes.

    Raises
    ------
    SpotsError
        The settings are those of nuclei or of genes, or a cluster has the name of the background.
    """
    if settings.scale == "nuclei" or settings.thresholds:
        raise SpotsError(
            "`cluster` makes regions without thresholds; leave out `scale` and `thresholds`"
        )
    check_names({*clustering.names.values()} - {GENERAL[TISSUE]})


def cluster_labels(
    slide: Slide | None,
    spots: Spots,
    clustering: Clustering,
    settings: RegionSettings,
    grid: ReferenceGrid,
) -> SectionLabels:
    """Clusters, general tissue and background.

    Tissue whose density of all spots is below a tenth of its median has no cluster and remains general
    tissue.

    Parameters
    ----------
    slide : Slide or None
        The nuclei image; without it, tissue is found from the spots.
    spots : Spots
        Spots on the slide.
    clustering : Clustering
        Number of clusters and their names.
    settings : RegionSettings
        Sigma, least area, border and region of interest.
    grid : ReferenceGrid
        The reference.

    Raises
    ------
    SpotsError
        There are too few spots, or the region of interest is empty.
    SlideError
        The slide is constant or cannot be read.
    """
    tissue, interest, overall = section_fields(slide, spots, settings, grid)
    inside = tissue.mask & interest
    least = SPOT_FRACTION * float(np.median(overall[inside])) if inside.any() else 0.0
    dense = tissue.mask & (overall > least)
    found = find_clusters(spots, clustering, dense & interest, settings.sigma_um, grid)
    numbers = _by_area(found, dense & interest) * dense
    clusters = describe(numbers * interest, spots, clustering.names, grid)
    classes = list(dict.fromkeys([*GENERAL, *(c.name for c in clusters)]))
    values = np.full(int(numbers.max()) + 1, TISSUE, np.uint8)
    for each in clusters:
        values[each.number] = classes.index(each.name)
    labels = np.where(tissue.mask, values[numbers], 0).astype(np.uint8)
    labels = clean_regions(labels, settings.smallest_um2, settings.cell_um)
    labels[near_borders(labels, settings.border_um, settings.cell_um) | ~interest] = UNLABELLED
    in_class = np.bincount(labels[pixels_of(spots.row, spots.col, grid)], minlength=len(classes))
    targets = classes[FIRST_GENE:]
    totals = tuple(int(n) for n in in_class[FIRST_GENE : len(classes)])
    genes = _genes(clusters, targets)
    return SectionLabels(labels, (None,) * len(targets), totals, totals, tissue, genes, clusters)


def _genes(clusters: Sequence[Cluster], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The strongest genes of the clusters of each class."""
    return {
        name: tuple(
            dict.fromkeys(
                gene for c in clusters if c.name == name for gene in [*c.genes][:IN_CLASS]
            )
        )
        for name in names
    }


def _by_area(found: NDArray[np.intp], counted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Clusters numbered from 1 for the largest on."""
    pixels = np.bincount(found[counted], minlength=int(found.max()) + 1)
    rank = np.empty(len(pixels), np.intp)
    rank[np.argsort(-pixels, kind="stable")] = np.arange(1, len(pixels) + 1)
    return rank[found]
