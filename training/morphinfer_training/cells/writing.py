"""The class of each cell on disk: CSV, Parquet, or obs of an AnnData file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import OutputError, SpotsError
from morphinfer.images import staged
from morphinfer_training.cells.annotated import write_obs
from morphinfer_training.cells.classes import CellClasses
from morphinfer_training.spots import is_annotated

SUFFIXES = (".csv", ".parquet", ".h5ad")
"""Endings of the files that are written."""


def write_cells(
    cells: CellClasses,
    out: str | Path,
    *,
    annotated: str | Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write the class of each cell; the file appears only when it is complete.

    Parameters
    ----------
    cells : CellClasses
        The cells, N of them.
    out : str or Path
        File to write: '.csv' or '.parquet' with a row for each cell (`cell_columns`), or '.h5ad', a copy
        of an AnnData file with three more columns in obs (`write_obs`).
    annotated : str or Path, optional
        The AnnData file that is copied; by default the table of the cells, if it is one.
    overwrite : bool
        Replace what exists at ``out``; never a file that is read.

    Raises
    ------
    OutputError
        The ending of ``out`` is unknown, it exists or is one of the files that are read, or cannot be
        written.
    SpotsError
        The AnnData file cannot be read, or has no cell of the table.
    """
    out = Path(out)
    source = check_out(out, cells.table.path, annotated)
    as_obs = out.suffix.lower() == ".h5ad"
    size = source.stat().st_size if as_obs else 0
    with staged(out, overwrite=overwrite, needed_bytes=size) as partial:
        if as_obs:
            write_obs(cells, source, partial)
        else:
            _write_table(cell_columns(cells), partial, as_text=out.suffix.lower() == ".csv")


def check_out(out: Path, table: Path, annotated: str | Path | None) -> Path:
    """The AnnData file that is copied, or else the table; raises if the result cannot be written.

    Raises
    ------
    OutputError
        The ending of ``out`` is unknown or not that of what is written, or it is one of the files that are
        read.
    SpotsError
        The AnnData file does not exist, or is none.
    """
    suffix, source = out.suffix.lower(), Path(annotated or table)
    if suffix not in SUFFIXES:
        raise OutputError(
            f"{out}: its ending must say what to write, {', '.join(SUFFIXES)}; name such a file"
        )
    if annotated is not None and suffix != ".h5ad":
        raise OutputError(f"{out}: classes go into obs of a file of AnnData; name a .h5ad file")
    if suffix == ".h5ad" and not is_annotated(source):
        raise SpotsError(
            f"{source}: is no AnnData file, of which {out.name} would be a copy with classes; name one, "
            f"`annotated='ADATA.h5ad'`, or write a .csv or .parquet file"
        )
    if out.resolve() in (table.resolve(), source.resolve()):
        raise OutputError(f"{out}: is read, and a file is never changed in place; name another one")
    return source


def cell_columns(cells: CellClasses) -> Any:
    """The result as a pyarrow table, N rows in the order of the table of the cells.

    Columns: ``cell_id``; ``fov`` where several cells share a name; ``x`` and ``y`` as in the table;
    ``inside``, whether the cell lies on the label image; ``class``, empty outside and where it is unlabelled;
    ``probability`` and ``uncertainty``, float32, 0 to 1, empty without a class or without that layer.
    """
    table = cells.table
    names = pa.array([each.name for each in cells.classes], pa.string())
    index = pa.array(cells.value.astype(np.int32), mask=cells.value == UNLABELLED)
    columns = {"cell_id": table.names}
    if table.fov is not None:
        columns["fov"] = table.fov
    columns |= {
        "x": _with_nulls(table.x),
        "y": _with_nulls(table.y),
        "inside": pa.array(cells.inside),
        "class": pa.DictionaryArray.from_arrays(index, names),
    }
    for name, values in (("probability", cells.probability), ("uncertainty", cells.uncertainty)):
        columns[name] = (
            pa.nulls(len(table), pa.float32()) if values is None else _with_nulls(values)
        )
    return pa.table(columns)


def _with_nulls(values: NDArray[Any]) -> Any:
    """Numbers with nulls in place of NaN."""
    return pa.array(values, mask=np.isnan(values))


def _write_table(table: Any, path: Path, *, as_text: bool) -> None:
    if as_text:
        from pyarrow import csv

        place = table.schema.get_field_index("class")
        csv.write_csv(table.set_column(place, "class", table["class"].cast(pa.string())), path)
        return
    import pyarrow.parquet as pq

    pq.write_table(table, path)
