"""Clusters of places with similar transcripts, found without choosing genes.

The steps are those of Points2Regions (https://github.com/wahlby-lab/Points2Regions): the logarithms of the
smoothed counts of all genes, divided by their sum, are clustered by k-means with half as many clusters
again, of which similar ones are then merged. Here the counts are smoothed by the Gaussian of the
densities, gene by gene, so that the profiles of all places are never held together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.ndimage import zoom

from morphinfer.errors import SpotsError
from morphinfer_training.reference_grid import Floats, Mask, ReferenceGrid
from morphinfer_training.references.densities import AREA_UM2, count_spots, density
from morphinfer_training.spots import Spots

MOST_CLUSTERS = 50
"""Largest number of clusters."""
SPLIT = 1.5
"""Clusters of k-means for each one that is left after similar ones are merged."""
SAMPLED = 30_000
"""Most places that k-means sees; all are then assigned."""
CELL_UM2 = 100.0
"""Area of a cell, to which counts refer before the logarithm. With a larger one, a few spots from beyond the
border of a region would weigh as much as those inside."""
BLOCK = 2
"""Places along the sigma of the Gaussian; scores in between are interpolated."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """How many clusters are found, and how they are named; takes the place of lists of genes."""

    count: int
    """Number of clusters."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Class of clusters by their number, from 1 for the largest on. Clusters of one name are merged, those
    named 'tissue' are general tissue; the others are named by their strongest genes."""
    seed: int = 1
    """Seed of the sample and of k-means."""

    def __post_init__(self) -> None:
        """Raise if a value is impossible.

        Raises
        ------
        SpotsError
            The number of clusters is out of range, or a name is that of no cluster.
        """
        if not 2 <= self.count <= MOST_CLUSTERS:
            raise SpotsError(
                f"`cluster={self.count}`: from 2 to {MOST_CLUSTERS} can be found; give such a number"
            )
        for number in self.names:
            if not 1 <= number <= self.count:
                raise SpotsError(
                    f"`cluster_names`: no cluster {number}; they are numbered from 1 to {self.count}"
                )


def find_clusters(
    spots: Spots, clustering: Clustering, sampled: Mask, sigma_um: float, grid: ReferenceGrid
) -> NDArray[np.intp]:
    """Cluster of each pixel of a reference.

    Parameters
    ----------
    spots : Spots
        Spots on the slide, of all genes.
    clustering : Clustering
        Number of clusters and seed.
    sampled : ndarray of bool, shape ``grid.shape``
        Where the clusters are learned.
    sigma_um : float
        Sigma of the Gaussian that smooths the counts.
    grid : ReferenceGrid
        The reference.

    Returns
    -------
    ndarray of int, shape ``grid.shape``
        Clusters from 0 on, also outside ``sampled``.

    Raises
    ------
    SpotsError
        ``sampled`` has too few pixels for the number of clusters.
    """
    side_um = grid.pixels.pixel_size_um
    factor = max(1, round(sigma_um / BLOCK / side_um))
    coarse = ReferenceGrid.over(grid.slide, factor * side_um)
    rows, cols = (
        np.minimum(np.arange(n) * factor + factor // 2, size - 1)
        for n, size in zip(coarse.shape, grid.shape, strict=True)
    )
    places = np.flatnonzero(sampled[np.ix_(rows, cols)])
    wanted = math.ceil(SPLIT * clustering.count)
    if len(places) < 10 * wanted:
        raise SpotsError(
            f"{spots.name}: {len(places)} places with spots, too few for {clustering.count} clusters; "
            f"give a smaller `cluster` or `sigma_um`"
        )
    rng = np.random.default_rng(clustering.seed)
    chosen = rng.choice(places, min(SAMPLED, len(places)), replace=False)
    sample = np.stack([f.ravel()[chosen] for f in _profiles(spots, sigma_um, coarse)], axis=1)
    sample /= sample.sum(axis=1, keepdims=True)
    centres, group = _merged_means(sample, wanted, clustering)
    scores = _scores(_profiles(spots, sigma_um, coarse), centres, coarse.shape)
    return _best(scores, group, factor, grid.shape)


def _profiles(spots: Spots, sigma_um: float, grid: ReferenceGrid) -> Iterator[Floats]:
    """For each gene, the logarithm of 1 + its spots in the area of a cell."""
    area = np.float32(CELL_UM2 / AREA_UM2)
    order = np.argsort(spots.gene, kind="stable")
    stops = np.cumsum(np.bincount(spots.gene, minlength=len(spots.genes)))
    for chosen in np.split(order, stops[:-1]):
        counts = count_spots(spots.row[chosen], spots.col[chosen], spots.weight[chosen], grid)
        yield np.log1p(area * density(counts, sigma_um, grid))


def _merged_means(
    sample: Floats, wanted: int, clustering: Clustering
) -> tuple[Floats, NDArray[np.intp]]:
    """Centres of k-means, shape (``wanted``, genes), and the merged cluster of each, from 0 on."""
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(
        wanted, batch_size=4096, n_init=3, max_no_improvement=20, random_state=clustering.seed
    )
    centres = np.asarray(means.fit(sample).cluster_centers_, dtype=np.float32)
    tree = linkage(centres, method="complete", metric="cosine")
    return centres, fcluster(tree, clustering.count, criterion="maxclust").astype(np.intp) - 1


def _scores(profiles: Iterator[Floats], centres: Floats, shape: tuple[int, int]) -> Floats:
    """How near each place is to each centre, shape (centres, M, N); the nearest has the greatest score.

    The squared distance is |x|^2 - 2 (x c - |c|^2 / 2), so the profiles x need not be held together.
    """
    scores = np.zeros((len(centres), *shape), np.float32)
    total = np.full(shape, 1e-6, np.float32)
    for profile, of_gene in zip(profiles, centres.T, strict=True):
        total += profile
        for score, weight in zip(scores, of_gene, strict=True):
            score += weight * profile
    half_norm = (centres**2).sum(axis=1) / 2
    return np.asarray(scores / total - half_norm[:, None, None], dtype=np.float32)


def _best(
    scores: Floats, group: NDArray[np.intp], factor: int, shape: tuple[int, int]
) -> NDArray[np.intp]:
    """The cluster whose interpolated score is the greatest in each pixel."""
    height, width = shape
    clusters = np.zeros(shape, np.intp)
    greatest = np.full(shape, -np.inf, np.float32)
    for cluster in range(int(group.max()) + 1):
        coarse = scores[group == cluster].max(axis=0)
        score = zoom(coarse, factor, order=1, mode="nearest", grid_mode=True)[:height, :width]
        better = score > greatest
        clusters[better], greatest[better] = cluster, score[better]
    return clusters
