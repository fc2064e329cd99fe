"""Detection of the columns of a table of spots: gene, coordinates, weight and quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from morphinfer_training.spots.column_names import (
    GENE_NAMES,
    PlaceColumns,
    TableNames,
    Unit,
    find_positions,
    parse_names,
)

WEIGHT_NAMES = (
    "weight", "count", "counts", "midcount", "midcounts", "umicount", "umicounts", "umi_count",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns; None for columns that are detected."""

    gene: str | None = None
    """Name of the gene."""
    x: str | None = None
    """Column coordinate."""
    y: str | None = None
    """Row coordinate."""
    weight: str | None = None
    """Number of transcripts of a row; tables may lack it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedColumns(PlaceColumns):
    """Columns as named in a table."""

    gene: str
    """Name of the gene."""
    weight: str | None
    """Number of transcripts of a row; None if the table lacks it."""
    quality: str | None = None
    """Phred-scaled quality of the call (Xenium)."""
    is_gene: str | None = None
    """Whether the row is a call of a gene and not of a control (Xenium)."""
    category: str | None = None
    """Kind of codeword (Xenium)."""

    @property
    def used(self) -> tuple[str, ...]:
        """Names of all columns that are read, without the field of view."""
        named = [self.gene, self.weight, self.quality, self.is_gene, self.category]
        named += self.coordinates
        return tuple(dict.fromkeys(name for name in named if name is not None))


def parse_columns(text: str) -> Columns:
    """Columns from 'gene=NAME,x=NAME,y=NAME,weight=NAME', where each part is optional.

    >>> parse_columns("x=cx,y=cy")
    Columns(gene=None, x='cx', y='cy', weight=None)

    Raises
    ------
    SpotsError
        A part is not 'KEY=NAME' with one of the four keys.
    """
    keys = [field.name for field in fields(Columns)]
    return Columns(**parse_names(text, keys, "gene=target,x=cx,y=cy"))


def detect_columns(
    names: Sequence[str], columns: Columns, unit: Unit | None, source: str
) -> DetectedColumns:
    """Columns of a table.

    Parameters
    ----------
    names : sequence of str
        Column names of the table.
    columns : Columns
        Names that are known; the others are detected.
    unit : {'pixel', 'micrometer'}, optional
        Unit of the coordinates. By default it is micrometres for names that end in '_um' and for the
        names of MERSCOPE and Xenium, and pixels for all others.
    source : str
        Name of the table in messages.

    Raises
    ------
    SpotsError
        A named column does not exist, a column was not detected or exists twice, or x and y have
        different units.
    """
    table = TableNames(tuple(names), source)
    warnings: list[str] = []
    position, *alternatives = find_positions(table, (columns.x, columns.y), unit, warnings)
    gene = table.named(columns.gene) or table.first(GENE_NAMES)
    if gene is None:
        raise table.lacks("gene column", "name it, `columns=Columns(gene='NAME')`")
    others = [n for n in GENE_NAMES[:-2] if n in table.folded and table.folded[n][0] != gene]
    if columns.gene is None and others:
        other = table.folded[others[0]][0]
        warnings.append(
            f"{source}: genes are taken from column '{gene}', not from '{other}'; "
            f"`columns=Columns(gene={other!r})` takes the other"
        )
    return DetectedColumns(
        gene=gene,
        position=position,
        weight=table.named(columns.weight) or table.first(WEIGHT_NAMES),
        alternatives=tuple(alternatives),
        quality=table.first(("qv",)),
        is_gene=table.first(("is_gene",)),
        category=table.first(("codeword_category",)),
        fov=table.first(("fov",)),
        warnings=tuple(warnings),
    )
