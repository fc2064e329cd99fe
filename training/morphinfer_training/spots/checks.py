"""Checks of genes, class names, thresholds and coordinates before a reference is made."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from morphinfer.classes import role_of
from morphinfer.errors import SpotsError
from morphinfer_training.spots.spots import Spots

FEWEST_SPOTS = 50
"""Least number of spots of a gene class."""
OFF_SLIDE = 0.01
"""Greatest share of spots off the slide; with more, coordinates and slide do not match."""

GENERAL = ("background", "tissue")
"""Names of the classes that every reference has, in the order of their values."""

GeneLists = Collection[Sequence[str]]


def check_names(names: Collection[str]) -> None:
    """Raise if the name of a gene class is empty or that of another class.

    Raises
    ------
    SpotsError
        A name is empty or, in upper or lower case, one of ``GENERAL``.
    """
    for name in names:
        if not name.strip() or role_of(name) != "target":
            raise SpotsError(
                f"gene class '{name}': {' and '.join(GENERAL)} are classes of every reference, and a "
                f"name must not be empty; give another name in `gene_lists`"
            )


def check_genes(spots: Spots, gene_lists: GeneLists) -> None:
    """Raise if a gene class cannot be made of the spots.

    Raises
    ------
    SpotsError
        No gene is named, one is named twice or not in the table, or a class has too few spots.
    """
    named = [gene for genes in gene_lists for gene in genes]
    twice = sorted({gene for gene in named if named.count(gene) > 1})
    if twice:
        raise SpotsError(f"gene '{twice[0]}' is named twice; name each gene once, in one list")
    if not named or not all(gene_lists):
        raise SpotsError("no gene is named; name at least one in `gene_lists`")
    for genes in gene_lists:
        number = int(np.count_nonzero(spots.of(genes)))
        if number < FEWEST_SPOTS:
            raise SpotsError(
                f"{spots.name}: {number} spots of {'+'.join(genes)}, fewer than {FEWEST_SPOTS}; "
                f"choose a gene with more spots, or several genes for the class"
            )


def check_thresholds(thresholds: Sequence[float | None], genes: Collection[object]) -> None:
    """Raise if there are more thresholds than gene classes.

    Raises
    ------
    SpotsError
        There are more.
    """
    if len(thresholds) > len(genes):
        raise SpotsError(
            f"{len(thresholds)} thresholds for {len(genes)} gene lists; give at most one for each list"
        )


def drop_off_slide(spots: Spots, shape: tuple[int, int], warnings: list[str]) -> Spots:
    """Spots on a slide of ``shape`` pixels; if a few are off it, a warning is added to ``warnings``.

    Raises
    ------
    SpotsError
        A share of more than ``OFF_SLIDE`` is off the slide.
    """
    height, width = shape
    inside = (spots.row >= -0.5) & (spots.row < height - 0.5)
    inside &= (spots.col >= -0.5) & (spots.col < width - 0.5)
    off = len(spots) - int(np.count_nonzero(inside))
    if off > OFF_SLIDE * len(spots):
        raise SpotsError(
            f"{spots.name}: {off} of {len(spots)} spots are off the slide: rows "
            f"{spots.row.min():.0f} to {spots.row.max():.0f} of {height}, columns "
            f"{spots.col.min():.0f} to {spots.col.max():.0f} of {width}; check whether the axes are "
            f"swapped (`orientation='swapped'`), the `unit`, and the pixel size (`pixel_size_um`)"
        )
    if off:
        warnings.append(f"{spots.name}: {off} of {len(spots)} spots are off the slide and left out")
    return spots.where(inside)
