"""Detection of the columns of a table of cells: name of the cell, coordinates and field of view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from morphinfer_training.spots.column_names import (
    PlaceColumns,
    Position,
    TableNames,
    Unit,
    find_positions,
    folded_name,
    parse_names,
)

CELL_NAMES = (
    "cell_id", "cellid", "entityid", "cell_name", "cell", "barcode", "barcodes", "object_id", "id",
    "unnamed:_0", "",
)  # fmt: skip
"""Names of the column of the cells' names, in the order in which they are tried; R writes none."""
COSMX_CELL = "cell"
"""Name of the column of CosMx that no other field of view repeats; it is tried first there."""
MERSCOPE_SIGNS = {"fov", "volume", "center_x"}
"""Columns of cell_metadata.csv of MERSCOPE, whose centres are in micrometres."""


@dataclass(frozen=True, slots=True)
class CellColumns:
    """Names of columns of a table of cells; None for columns that are detected."""

    cell: str | None = None
    """Name of the cell."""
    x: str | None = None
    """Column coordinate."""
    y: str | None = None
    """Row coordinate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedCellColumns(PlaceColumns):
    """Columns as named in a table of cells."""

    cell: str | None
    """Name of the cell; None if the table lacks it."""

    @property
    def used(self) -> tuple[str, ...]:
        """Names of all columns that are read."""
        named = (self.cell, self.fov, *self.coordinates)
        return tuple(dict.fromkeys(name for name in named if name is not None))


def parse_cell_columns(text: str) -> CellColumns:
    """Columns from 'cell=NAME,x=NAME,y=NAME', where each part is optional.

    >>> parse_cell_columns("cell=nucleus,x=cx,y=cy")
    CellColumns(cell='nucleus', x='cx', y='cy')

    Raises
    ------
    SpotsError
        A part is not 'KEY=NAME' with one of the three keys.
    """
    keys = [field.name for field in fields(CellColumns)]
    return CellColumns(**parse_names(text, keys, "cell=nucleus,x=cx,y=cy"))


def detect_cell_columns(
    names: Sequence[str], columns: CellColumns, unit: Unit | None, source: str
) -> DetectedCellColumns:
    """Columns of a table of cells.

    Parameters
    ----------
    names : sequence of str
        Column names of the table.
    columns : CellColumns
        Names that are known; the others are detected.
    unit : {'pixel', 'micrometer'}, optional
        Unit of the coordinates; by default it follows from their names.
    source : str
        Name of the table in messages.

    Raises
    ------
    SpotsError
        A named column does not exist, there are no coordinates, or x and y have different units.
    """
    table = TableNames(tuple(names), source)
    warnings: list[str] = []
    position, *alternatives = find_positions(table, (columns.x, columns.y), unit, warnings)
    if unit is None and set(table.folded) >= MERSCOPE_SIGNS:
        position, *alternatives = map(_in_micrometres, (position, *alternatives))
    first = [COSMX_CELL] if "fov" in table.folded else []
    known = next((name for name in (*first, *CELL_NAMES) if name in table.folded), None)
    return DetectedCellColumns(
        position=position,
        alternatives=tuple(alternatives),
        cell=table.named(columns.cell) or (None if known is None else table.named(known)),
        fov=table.first(("fov",)),
        warnings=tuple(warnings),
    )


def _in_micrometres(position: Position) -> Position:
    """Coordinates with the unit that MERSCOPE gives the centres of cells."""
    is_centre = folded_name(position.x) == "center_x"
    return replace(position, unit="micrometer") if is_centre else position
