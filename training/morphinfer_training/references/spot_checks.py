"""Whether spots can be used as asked: their genes, and their places on the slide."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from morphinfer.classes import role_of
from morphinfer.errors import SpotsError
from morphinfer_training.references.spots import Spots

FEWEST_SPOTS = 50
"""Fewer spots make no region."""
OFF_SLIDE = 0.01
"""A larger share of spots off the slide means that coordinates and slide do not belong together."""

GENERAL = ("background", "tissue")
"""Names of the classes that every reference has, in the order of their values."""

GeneLists = Collection[Sequence[str]]


def check_names(names: Collection[str]) -> None:
    """Refuse names of gene classes that say nothing, or are those of other classes.

    Raises
    ------
    SpotsError
        A name is empty or, in any case, one of GENERAL.
    """
    for name in names:
        if not name.strip() or role_of(name) != "target":
            raise SpotsError(
                f"gene class '{name}': {' and '.join(GENERAL)} are classes of every reference, and a "
                f"name must not be empty; give it another in `gene_lists`"
            )


def check_genes(spots: Spots, gene_lists: GeneLists) -> None:
    """Refuse gene lists of which no class can be made.

    Raises
    ------
    SpotsError
        No gene, one named twice, one that the table does not know, or too few spots of a list.
    """
    told = [gene for genes in gene_lists for gene in genes]
    twice = sorted({gene for gene in told if told.count(gene) > 1})
    if twice:
        raise SpotsError(f"gene '{twice[0]}' is named twice; name each gene once, in one list")
    if not told or not all(gene_lists):
        raise SpotsError("no gene is named; name at least one in `gene_lists`")
    for genes in gene_lists:
        number = int(np.count_nonzero(spots.of(genes)))
        if number < FEWEST_SPOTS:
            raise SpotsError(
                f"{spots.name}: {number} spots of {'+'.join(genes)}, fewer than {FEWEST_SPOTS}; "
                f"choose a gene that is expressed more, or join several with a comma"
            )


def check_thresholds(thresholds: Sequence[float | None], genes: Collection[object]) -> None:
    """Refuse more thresholds than gene classes.

    Raises
    ------
    SpotsError
        There are more.
    """
    if len(thresholds) > len(genes):
        raise SpotsError(
            f"{len(thresholds)} thresholds for {len(genes)} gene lists; give one for each list "
            f"at most"
        )


def drop_off_slide(spots: Spots, shape: tuple[int, int], warnings: list[str]) -> Spots:
    """The spots on a slide of ``shape`` pixels; adds a warning where a few lie off it.

    Raises
    ------
    SpotsError
        More than OFF_SLIDE of them lie off the slide.
    """
    height, width = shape
    inside = (spots.row >= -0.5) & (spots.row < height - 0.5)
    inside &= (spots.col >= -0.5) & (spots.col < width - 0.5)
    off = len(spots) - int(np.count_nonzero(inside))
    if off > OFF_SLIDE * len(spots):
        raise SpotsError(
            f"{spots.name}: {off} of {len(spots)} spots lie off the slide: rows "
            f"{spots.row.min():.0f} to {spots.row.max():.0f} of {height}, columns "
            f"{spots.col.min():.0f} to {spots.col.max():.0f} of {width}; are the axes swapped "
            f"(`orientation='swapped'`), the `unit` or the pixel size (`pixel_size_um`) wrong?"
        )
    if off:
        warnings.append(f"{spots.name}: {off} of {len(spots)} spots lie off the slide; left out")
    return spots.where(inside)
