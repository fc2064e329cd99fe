"""Tables of cells: a row for each biological cell, with its centre; no row is left out.

Coordinates are rows (down) and columns (right) in pixels of level 0 of the slide; integers are centres of
pixels.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer_training.spots.annotated import is_annotated, open_annotated
from morphinfer_training.spots.cell_columns import CellColumns, detect_cell_columns
from morphinfer_training.spots.column_names import Unit
from morphinfer_training.spots.orientation import Orientation, orient
from morphinfer_training.spots.placement import SlidePlace, SpotTable, needs_fov, place_spots
from morphinfer_training.spots.platforms import find_cells
from morphinfer_training.spots.table_files import open_table
from morphinfer_training.spots.tables import TableFile, load_columns, values_readable
from morphinfer_training.spots.transforms import Coordinates, world_origin_um
from morphinfer_training.spots.values import numbers_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class CellTable:
    """The cells of one section, N of them, in the order of their table."""

    path: Path
    """The table."""
    names: Any
    """Name of each, a pyarrow array of text or integers."""
    fov: Any
    """Field of view of each, a pyarrow array, where several cells share a name; else None."""
    x: Coordinates
    """Column coordinate as in the table; NaN where there is no number."""
    y: Coordinates
    """Row coordinate as in the table."""
    row: Coordinates
    """Row of each in pixels of level 0; NaN where a coordinate is missing."""
    col: Coordinates
    """Column of each in pixels of level 0."""
    warnings: tuple[str, ...] = ()
    """What was assumed or is missing, a sentence each."""

    def __len__(self) -> int:
        return len(self.x)


def read_cells(
    path: str | Path,
    frame: PixelGrid,
    *,
    columns: CellColumns | None = None,
    unit: Unit | None = None,
    transform: str | Path | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
    orientation: Orientation = "given",
) -> CellTable:
    """Read the cells of a table; none is left out, also where a coordinate is missing.

    Parameters
    ----------
    path : str or Path
        Table of text, Parquet or Arrow, the output folder of a platform (Xenium, MERSCOPE, CosMx), or an
        AnnData file (.h5ad), whose coordinates are in obsm['spatial'].
    frame : PixelGrid
        Level 0 of the slide.
    columns : CellColumns, optional
        Names of columns; missing ones are detected (`detect_cell_columns`).
    unit : {'pixel', 'micrometer'}, optional
        Unit of the coordinates; by default it follows from the names of the columns.
    transform : str or Path, optional
        From the coordinates of the table to pixels of level 0 (`parse_transform`), in place of the unit.
    shift : tuple of float
        Pixels to the right and down that are added last.
    orientation : Orientation
        Orientation of the coordinates relative to the slide.

    Raises
    ------
    SpotsError
        The file does not exist or is not a table, it has no coordinates or no rows, two pairs of
        coordinates disagree, or the unit of an AnnData file is not stated.
    """
    if transform is not None and unit is not None:
        raise SpotsError(
            "`transform` takes the coordinates as the table has them; leave out the `unit`"
        )
    named, path = Path(path), find_cells(Path(path))
    warnings = [] if path == named else [f"{named}: the table {path.relative_to(named)} is taken"]
    columns = columns or CellColumns()
    if is_annotated(path):
        table, names = _annotated(path, unit, stated=transform is not None)
        fov = None
    else:
        table, names, fov = _table(open_table(path), columns, unit, warnings)
    place = SlidePlace(frame.pixel_size_um, world_origin_um(frame), transform, shift)
    col, row = place_spots(table, place, warnings)
    row, col = orient(row, col, orientation, frame.shape)
    position = table.columns.position
    x, y = (table.numbers(name) for name in (position.x, position.y))
    fov = _named_apart(names, fov, path, warnings)
    lost = int(np.count_nonzero(np.isnan(row + col)))
    if lost:
        warnings.append(f"{path}: {lost} of {len(x)} cells have no place; they get no class")
    for text in warnings:
        logger.warning("%s", text)
    return CellTable(path, names, fov, x, y, row, col, tuple(warnings))


def _table(
    file: TableFile, columns: CellColumns, unit: Unit | None, warnings: list[str]
) -> tuple[SpotTable, Any, Any]:
    """A table of text, Parquet or Arrow, the names of its cells, and their fields of view."""
    path = file.path
    detected = detect_cell_columns(file.names, columns, unit, str(path))
    loaded = load_columns(file, detected.used, detected.cell or "")
    warnings += [*file.warnings, *loaded.warnings, *detected.warnings]
    if loaded.malformed or not len(loaded.table):
        raise SpotsError(
            f"{path}: {loaded.malformed} rows have more or fewer fields than the header; correct them, "
            f"since no cell is left out"
            if loaded.malformed
            else f"{path}: has no rows; name a table of cells"
        )
    with values_readable(path):
        numbers = numbers_of(detected.coordinates, loaded.table, path, warnings)
        names = None if detected.cell is None else _plain(loaded.table[detected.cell])
        fov = None if detected.fov is None else _plain(loaded.table[detected.fov])
    if names is None:
        warnings.append(
            f"{path}: no column with the names of cells, so they are the numbers of the rows, from 0; "
            f"`columns=CellColumns(cell='NAME')` names one"
        )
        names = pa.array(np.arange(len(loaded.table)))
    place = loaded.table[detected.fov] if detected.fov and needs_fov(detected) else None
    return SpotTable(path, detected, numbers.__getitem__, place, file.comments), names, fov


def _annotated(path: Path, unit: Unit | None, *, stated: bool) -> tuple[SpotTable, Any]:
    """The coordinates of an AnnData file, and the names of its cells."""
    if unit is None and not stated:
        raise SpotsError(
            f"{path}: does not say in which unit obsm['spatial'] is; state it, `unit='micrometer'` or "
            f"`unit='pixel'`"
        )
    names, numbers, columns = open_annotated(path, unit or "pixel")
    return SpotTable(path, columns, numbers.__getitem__, None, ()), pa.array(names)


def _plain(column: Any) -> Any:
    """A column as one array of text or integers; other types become text."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
    whole = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
    return column if whole else pc.cast(column, pa.string())


def _named_apart(names: Any, fov: Any, path: Path, warnings: list[str]) -> Any:
    """The fields of view, where names repeat; a warning where they do not tell cells apart."""
    repeated = len(names) - len(pc.unique(names))
    if not repeated:
        return None
    if fov is not None:
        pairs = pa.table({"fov": fov, "name": names}).group_by(["fov", "name"]).aggregate([])
        repeated = len(names) - len(pairs)
    if repeated:
        warnings.append(
            f"{path}: {repeated} of {len(names)} cells have the name of another one; a row must be a cell, "
            f"or name the column with their names, `columns=CellColumns(cell='NAME')`"
        )
    return fov
