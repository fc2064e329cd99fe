"""Which columns of a table of spots hold gene, position and weight, and in which unit.

Names are compared without regard to case.
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
"""Names of the column and the row coordinate, tried in this order."""
WEIGHT_NAMES = ("weight", "count", "counts")
MICROMETRE_NAMES = ("global_x", "global_y", "x_location", "y_location")
"""Names that stand for micrometres by convention (MERSCOPE, Xenium), besides those in '_um'."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns; None where they are to be detected."""

    gene: str | None = None
    """The gene."""
    x: str | None = None
    """The column coordinate."""
    y: str | None = None
    """The row coordinate."""
    weight: str | None = None
    """How many transcripts a row stands for; optional in the table too."""


@dataclass(frozen=True, slots=True)
class FoundColumns:
    """Columns as the table names them."""

    gene: str
    """The gene."""
    x: str
    """The column coordinate."""
    y: str
    """The row coordinate."""
    weight: str | None
    """The weight, where there is one."""
    unit: Unit
    """Unit of both coordinates."""


def parse_columns(text: str) -> Columns:
    """Columns out of 'gene=NAME,x=NAME,y=NAME,weight=NAME', each part optional.

    >>> parse_columns("x=cx,y=cy")
    Columns(gene=None, x='cx', y='cy', weight=None)

    Raises
    ------
    SpotsError
        A part is not 'KEY=NAME', or its key is none of the four.
    """
    keys = [field.name for field in fields(Columns)]
    columns = Columns()
    for part in text.split(","):
        key, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name or key not in keys:
            raise SpotsError(
                f"`columns`: '{part}' is not KEY=NAME with a key out of {', '.join(keys)}; "
                f"write for example `columns='gene=target,x=cx,y=cy'`"
            )
        columns = replace(columns, **{key: name})
    return columns


def find_columns(
    names: Sequence[str], told: Columns, unit: Unit | None, source: str
) -> FoundColumns:
    """Columns of a table with these column names.

    Parameters
    ----------
    names : sequence of str
        Column names of the table.
    told : Columns
        Names that are known; only the others are detected.
    unit : {'pixel', 'micrometer'}, optional
        Unit of the coordinates; without it, names that end in '_um' (and those by which MERSCOPE
        and Xenium mean micrometres) are micrometres, and all others pixels.
    source : str
        Name of the table for messages.

    Raises
    ------
    SpotsError
        A column that was told is not there, none was found, or x and y have different units.
    """
    folded = {name.lower(): name for name in reversed(names)}
    listed = f"its columns are {', '.join(names)}"
    x, y = _positions(folded, told, source, listed)
    gene = _named(told.gene, folded, GENE_NAMES, source, listed)
    if gene is None:
        raise SpotsError(
            f"{source}: no gene column; {listed}; name it, `columns=Columns(gene='NAME')`"
        )
    weight = _named(told.weight, folded, WEIGHT_NAMES, source, listed)
    units = {_unit_of(x), _unit_of(y)}
    if unit is None and len(units) > 1:
        raise SpotsError(
            f"{source}: columns '{x}' and '{y}' seem to be in pixels and micrometres; choose two "
            f"alike, `columns=Columns(x='NAME', y='NAME')`, or state the `unit`"
        )
    return FoundColumns(gene, x, y, weight, unit or units.pop())


def _positions(folded: dict[str, str], told: Columns, source: str, listed: str) -> tuple[str, str]:
    x = _named(told.x, folded, (), source, listed)
    y = _named(told.y, folded, (), source, listed)
    for x_name, y_name in POSITION_NAMES:
        if (x or x_name in folded) and (y or y_name in folded):
            return x or folded[x_name], y or folded[y_name]
    raise SpotsError(
        f"{source}: no coordinate columns; {listed}; name them, "
        f"`columns=Columns(x='NAME', y='NAME')`"
    )


def _named(
    told: str | None, folded: dict[str, str], candidates: Sequence[str], source: str, listed: str
) -> str | None:
    if told is None:
        return next((folded[name] for name in candidates if name in folded), None)
    if told.lower() not in folded:
        raise SpotsError(f"{source}: no column '{told}'; {listed}; correct its name")
    return folded[told.lower()]


def _unit_of(name: str) -> Unit:
    lowered = name.lower()
    return "micrometer" if lowered.endswith("_um") or lowered in MICROMETRE_NAMES else "pixel"
