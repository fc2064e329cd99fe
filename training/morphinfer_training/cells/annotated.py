"""Classes in obs of an AnnData file: a copy of the file with three more columns, all else as it was.

Source: AnnData, 'On-disk format' (encodings of 0.8 and later). h5py is imported when a file is written, and
the file is never loaded as a whole.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer_training.cells.classes import CellClasses
from morphinfer_training.spots import H5_ERRORS, cell_names, import_h5py

CLASS, PROBABILITY, UNCERTAINTY = (
    "morphinfer_class",
    "morphinfer_probability",
    "morphinfer_uncertainty",
)
COLOURS = f"{CLASS}_colors"
"""Colours of the categories under the name that scanpy gives them."""

logger = logging.getLogger(__name__)


def write_obs(cells: CellClasses, source: Path, out: Path) -> None:
    """Write a copy of an AnnData file with the classes of its cells in obs.

    Cells are those of the table in its order if the table is that file, else those of the same name, by the
    index of obs or its column 'cell_id'. ``morphinfer_class`` is a categorical of all classes, with their
    colours in uns; ``morphinfer_probability`` and ``morphinfer_uncertainty`` are float32. Cells without a
    class, or that the table lacks, are missing values.

    Parameters
    ----------
    cells : CellClasses
        The cells.
    source : Path
        The AnnData file.
    out : Path
        The copy.

    Raises
    ------
    SpotsError
        It is no AnnData file of version 0.8 or later, none of its cells is in the table, or names in the
        table repeat; or h5py is not installed.
    """
    h5py = import_h5py(source)
    try:
        with h5py.File(source, "r") as file:
            if file["obs"].attrs.get("encoding-type") != "dataframe":
                raise KeyError("obs has no encoding of version 0.8 or later")
            rows = _rows(cells, source, file["obs"])
    except SpotsError:
        raise
    except H5_ERRORS as problem:
        raise SpotsError(
            f"{source}: its obs cannot be read as AnnData ({problem}); open it with anndata and write "
            f"it again"
        ) from problem
    shutil.copyfile(source, out)
    with h5py.File(out, "r+") as file:
        _write(file, cells, rows, h5py.string_dtype())


def _rows(cells: CellClasses, source: Path, obs: Any) -> NDArray[np.int64]:
    """Row of the table for each cell of obs; -1 where the table lacks it."""
    if source.resolve() == cells.table.path.resolve():
        return np.arange(len(cells.table))
    known = pc.cast(cells.table.names, pa.string())
    if len(pc.unique(known)) < len(known):
        raise SpotsError(
            f"{cells.table.path}: several cells have one name, so they cannot be found in {source.name}; "
            f"name the column with the names of cells, `columns=CellColumns(cell='NAME')`"
        )
    for column in (None, "cell_id"):
        if column is None or column in obs:
            names = cell_names(obs, column)
            places = pc.fill_null(pc.index_in(pa.array(names, pa.string()), known), -1)
            rows = places.to_numpy(zero_copy_only=False).astype(np.int64)
            if (rows >= 0).any():
                return _reported(rows, cells, source)
    raise SpotsError(
        f"{source}: none of its cells, such as '{cell_names(obs)[0]}', is in {cells.table.path.name}, whose "
        f"first is '{known[0]}'; name the column with the names of cells, "
        f"`columns=CellColumns(cell='NAME')`"
    )


def _reported(rows: NDArray[np.int64], cells: CellClasses, source: Path) -> NDArray[np.int64]:
    missing = int(np.count_nonzero(rows < 0))
    if missing:
        logger.warning(
            "%s: %d of %d cells are not in %s and get no class",
            source, missing, len(rows), cells.table.path.name,
        )  # fmt: skip
    return rows


def _write(file: Any, cells: CellClasses, rows: NDArray[np.int64], text: Any) -> None:
    """Add the three columns, and the colours."""
    obs = file["obs"]
    value = np.where(rows < 0, UNLABELLED, cells.value[rows])
    _replace(obs, CLASS)
    column = obs.create_group(CLASS)
    column.attrs.update(
        {"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False}
    )
    codes = np.where(value == UNLABELLED, -1, value.astype(np.int16))
    _array(column, "codes", codes.astype(np.int8 if len(cells.classes) < 128 else np.int16))
    _text(column, "categories", [each.name for each in cells.classes], text)
    for name, values in ((PROBABILITY, cells.probability), (UNCERTAINTY, cells.uncertainty)):
        _replace(obs, name)
        given = np.full(len(cells.table), np.nan, np.float32) if values is None else values
        _array(obs, name, np.where(rows < 0, np.float32(np.nan), given[rows]))
    order = [str(name) for name in obs.attrs["column-order"]]
    order += [name for name in (CLASS, PROBABILITY, UNCERTAINTY) if name not in order]
    obs.attrs["column-order"] = np.array(order, dtype=text)
    if "uns" not in file:
        uns = file.create_group("uns")
        uns.attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
    _replace(file["uns"], COLOURS)
    _text(file["uns"], COLOURS, [each.colour for each in cells.classes], text)


def _replace(group: Any, name: str) -> None:
    if name in group:
        del group[name]


def _array(group: Any, name: str, values: NDArray[Any]) -> None:
    group[name] = values
    group[name].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def _text(group: Any, name: str, values: list[str], text: Any) -> None:
    group.create_dataset(name, data=values, dtype=text)
    group[name].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
