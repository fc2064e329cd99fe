"""Names and strongest genes of clusters."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references.densities import pixels_of
from morphinfer_training.spots import Spots

IN_NAME = 2
"""Genes in the name of a cluster."""
LISTED = 10
"""Genes of a cluster in the record."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, before small pieces are removed."""

    number: int
    """From 1 for the largest on."""
    name: str
    """Class to which it belongs."""
    area_mm2: float
    """Area of its pixels."""
    spots: int
    """Number of spots in them."""
    genes: Mapping[str, tuple[float, float]]
    """Its strongest genes: the share of its spots, and how many times the share in all clusters that is."""


def read_cluster_names(path: Path) -> dict[int, str]:
    """Names of clusters by their number: the table [clusters] of a TOML file, as ``3 = "acinar"``.

    Raises
    ------
    SpotsError
        The file cannot be read or has another content.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        names = {int(number): name for number, name in table.pop("clusters").items()}
        if table or not all(isinstance(name, str) for name in names.values()):
            raise ValueError("it has other entries")
    except (OSError, ValueError, KeyError, AttributeError) as problem:
        raise SpotsError(
            f"{path}: no names of clusters ({problem}); write a table [clusters] with lines such as "
            f'3 = "acinar"'
        ) from problem
    return names


def describe(
    numbers: NDArray[np.intp], spots: Spots, names: Mapping[int, str], grid: ReferenceGrid
) -> tuple[Cluster, ...]:
    """The clusters with their names and strongest genes.

    Parameters
    ----------
    numbers : ndarray of int, shape ``grid.shape``
        Number of the cluster of each pixel, or 0.
    spots : Spots
        Spots on the slide.
    names : mapping of int to str
        Names by number; others follow from the strongest genes.
    grid : ReferenceGrid
        The reference.
    """
    count, genes = int(numbers.max()), len(spots.genes)
    pixel_mm2 = grid.pixels.pixel_size_um**2 / 1e6
    areas_mm2 = np.bincount(numbers.ravel(), minlength=count + 1) * pixel_mm2
    place = numbers[pixels_of(spots.row, spots.col, grid)]
    in_cluster = np.bincount(place, minlength=count + 1)
    reads = np.bincount(place * genes + spots.gene, spots.weight, (count + 1) * genes)
    reads = reads.reshape(count + 1, genes)
    overall = _shares(reads[1:].sum(axis=0))
    clusters: list[Cluster] = []
    for number in range(1, count + 1):
        shares = _shares(reads[number])
        strongest = {
            spots.genes[g]: (round(float(shares[g]), 5), round(float(shares[g] / overall[g]), 2))
            for g in strongest_genes(shares, overall)
        }
        name = names.get(number, "+".join([*strongest][:IN_NAME]))
        if number not in names and name in {"", *names.values(), *(c.name for c in clusters)}:
            name = f"{name} {number}".strip()
        clusters.append(
            Cluster(number, name, float(areas_mm2[number]), int(in_cluster[number]), strongest)
        )
    return tuple(clusters)


def _shares(reads: NDArray[np.float64]) -> NDArray[np.float64]:
    return reads / max(1.0, float(reads.sum()))


def strongest_genes(shares: NDArray[np.float64], overall: NDArray[np.float64]) -> list[int]:
    """Genes by the part that each has in how a profile differs from that of all clusters.

    It is the term of the gene in the Kullback-Leibler divergence, so that a gene must be both frequent and
    more frequent than elsewhere.

    >>> strongest_genes(np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.1, 0.3]))
    [1]
    """
    above = np.flatnonzero(shares > overall)
    terms = shares[above] * np.log(shares[above] / overall[above])
    return [int(g) for g in above[np.argsort(-terms, kind="stable")][:LISTED]]
