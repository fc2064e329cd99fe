"""Detection of the columns of a table of spots: gene, coordinates, weight and unit.

Names are compared case-insensitively.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from morphinfer.errors import SpotsError

Unit = Literal["pixel", "micrometer"]

GENE_NAMES = (
    "gene", "target", "target_name", "gene_name", "feature_name", "target_gene", "feature", "name",
)  # fmt: skip
POSITION_NAMES = (
    ("x", "y"), ("col", "row"), ("column", "row"), ("x_px", "y_px"), ("col_px", "row_px"),
    ("x_global_px", "y_global_px"), ("x_um", "y_um"), ("col_um", "row_um"),
    ("column_um", "row_um"), ("global_x", "global_y"), ("x_location", "y_location"),
    ("x_coord", "y_coord"), ("pos_x", "pos_y"), ("xc", "yc"),
)  # fmt: skip
"""Names of the column and the row coordinate, in the order in which they are tried."""
WEIGHT_NAMES = ("weight", "count", "counts")
MICROMETRE_NAMES = ("global_x", "global_y", "x_location", "y_location")
"""Names without '_um' whose unit is micrometres by convention (MERSCOPE, Xenium)."""


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


@dataclass(frozen=True, slots=True)
class DetectedColumns:
    """Columns as named in a table."""

    gene: str
    """Name of the gene."""
    x: str
    """Column coordinate."""
    y: str
    """Row coordinate."""
    weight: str | None
    """Number of transcripts of a row; None if the table lacks it."""
    unit: Unit
    """Unit of both coordinates."""


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
    columns = Columns()
    for part in text.split(","):
        key, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name or key not in keys:
            raise SpotsError(
                f"`columns`: '{part}' is not KEY=NAME with a key of {', '.join(keys)}; write for "
                f"example `columns='gene=target,x=cx,y=cy'`"
            )
        columns = replace(columns, **{key: name})
    return columns


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
        A named column does not exist, a column was not detected, or x and y have different units.
    """
    folded = {name.lower(): name for name in reversed(names)}
    listed = f"its columns are {', '.join(names)}"
    x, y = _coordinates(folded, columns, source, listed)
    gene = _column(columns.gene, folded, GENE_NAMES, source, listed)
    if gene is None:
        raise SpotsError(
            f"{source}: no gene column; {listed}; name it, `columns=Columns(gene='NAME')`"
        )
    weight = _column(columns.weight, folded, WEIGHT_NAMES, source, listed)
    units = {_unit_of(x), _unit_of(y)}
    if unit is None and len(units) > 1:
        raise SpotsError(
            f"{source}: columns '{x}' and '{y}' seem to be in pixels and micrometres; choose two with "
            f"the same unit, `columns=Columns(x='NAME', y='NAME')`, or state the `unit`"
        )
    return DetectedColumns(gene, x, y, weight, unit or units.pop())


def _coordinates(
    folded: dict[str, str], columns: Columns, source: str, listed: str
) -> tuple[str, str]:
    x = _column(columns.x, folded, (), source, listed)
    y = _column(columns.y, folded, (), source, listed)
    for x_name, y_name in POSITION_NAMES:
        if (x or x_name in folded) and (y or y_name in folded):
            return x or folded[x_name], y or folded[y_name]
    raise SpotsError(
        f"{source}: no coordinate columns; {listed}; name them, "
        f"`columns=Columns(x='NAME', y='NAME')`"
    )


def _column(
    name: str | None, folded: dict[str, str], candidates: Sequence[str], source: str, listed: str
) -> str | None:
    """The named column, or the first candidate in the table; None if there is none."""
    if name is None:
        return next((folded[each] for each in candidates if each in folded), None)
    if name.lower() not in folded:
        raise SpotsError(f"{source}: no column '{name}'; {listed}; correct the name")
    return folded[name.lower()]


def _unit_of(name: str) -> Unit:
    lowered = name.lower()
    return "micrometer" if lowered.endswith("_um") or lowered in MICROMETRE_NAMES else "pixel"
