"""Classes in obs of AnnData files: the three columns, and all else as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer.errors import SpotsError
from morphinfer_training.cells.classes import CellClasses
from morphinfer_training.cells.writing import write_cells
from morphinfer_training.spots.cell_table import CellTable

h5py = pytest.importorskip("h5py")
CLASSES = default_classes(("background", "tissue", "a"))


def annotated(path: Path, names, cell_id=None, encoding="dataframe"):
    """An AnnData file with a column 'area' in obs, as anndata writes it."""
    with h5py.File(path, "w") as file:
        file["X"] = np.ones((len(names), 2), np.float32)
        obs = file.create_group("obs")
        obs["_index"], obs["area"] = names, np.arange(float(len(names)))
        if cell_id is not None:
            obs["cell_id"] = cell_id
        obs.attrs.update({"_index": "_index", "encoding-type": encoding})
        obs.attrs["column-order"] = np.array(["area"], dtype=h5py.string_dtype())
    return path


def cells_of(path, names, value):
    value = np.array(value, np.uint8)
    zeros = np.zeros(len(names))
    table = CellTable(path, pa.array(names), None, zeros, zeros, zeros, zeros)
    share = np.where(value == UNLABELLED, np.nan, 0.5).astype(np.float32)
    return CellClasses(table, CLASSES, value, value != UNLABELLED, share, None, ())


def read_obs(path):
    with h5py.File(path) as file:
        obs = file["obs"]
        column = obs["morphinfer_class"]
        return (
            column["categories"].asstr()[...].tolist(),
            column["codes"][...].tolist(),
            obs["morphinfer_probability"][...],
            list(obs.attrs["column-order"]),
            file["uns/morphinfer_class_colors"].asstr()[...].tolist(),
        )


@pytest.mark.parametrize("column", [None, ["3", "1", "9"]])
def test_cells_of_the_same_name_get_their_class_and_others_none(tmp_path, column):
    names = ["3", "1", "9"] if column is None else ["u", "v", "w"]
    source = annotated(tmp_path / "a.h5ad", names, column)
    before = source.read_bytes()
    cells = cells_of(tmp_path / "cells.csv", [1, 2, 3], [0, 1, 2])
    write_cells(cells, tmp_path / "out.h5ad", annotated=source)
    categories, codes, probability, order, colours = read_obs(tmp_path / "out.h5ad")
    assert categories == ["background", "tissue", "a"]
    assert codes == [2, 0, -1]
    np.testing.assert_array_equal(probability, np.array([0.5, 0.5, np.nan], np.float32))
    assert order[:2] == ["area", "morphinfer_class"]
    assert colours == [each.colour for each in CLASSES]
    assert source.read_bytes() == before


def test_a_second_run_replaces_the_columns_of_the_first(tmp_path):
    source = annotated(tmp_path / "a.h5ad", ["c1", "c2"])
    write_cells(cells_of(source, ["c1", "c2"], [0, UNLABELLED]), tmp_path / "b.h5ad")
    again = cells_of(tmp_path / "b.h5ad", ["c1", "c2"], [2, 1])
    write_cells(again, tmp_path / "c.h5ad")
    _, codes, _, order, _ = read_obs(tmp_path / "c.h5ad")
    assert codes == [2, 1]
    assert len(order) == len(set(order)) == 4


@pytest.mark.parametrize(
    ("names", "encoding", "message"),
    [
        (["x", "y"], "dataframe", "none of its cells, such as 'c1'"),
        (["c1", "c1"], "dataframe", "several cells have one name"),
        (["c1", "c2"], "table", "version 0.8"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path, names, encoding, message):
    source = annotated(tmp_path / "a.h5ad", ["c1", "c2"], encoding=encoding)
    with pytest.raises(SpotsError, match=message):
        write_cells(
            cells_of(tmp_path / "t.csv", names, [0, 1]), tmp_path / "o.h5ad", annotated=source
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5ad"]
