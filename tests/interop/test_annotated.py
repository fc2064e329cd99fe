"""AnnData files with the classes of cells, written and read by anndata itself."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer_training.cells import CellClasses, write_cells
from morphinfer_training.spots import CellTable


@pytest.mark.filterwarnings("default")
def test_anndata_reads_the_classes_and_finds_all_else_as_it_was(tmp_path):
    anndata = pytest.importorskip("anndata")
    pd = pytest.importorskip("pandas")
    pytest.importorskip("h5py")
    obs = pd.DataFrame({"area": [1.0, 2.0, 3.0]}, index=["c1", "c2", "c3"])
    before = anndata.AnnData(np.eye(3, dtype=np.float32), obs=obs)
    before.write_h5ad(tmp_path / "a.h5ad")
    classes = default_classes(("background", "tissue", "a"))
    value, zeros = np.array([2, UNLABELLED], np.uint8), np.zeros(2)
    table = CellTable(tmp_path / "t.csv", pa.array(["c3", "c1"]), None, zeros, zeros, zeros, zeros)
    share = np.array([0.5, np.nan], np.float32)
    cells = CellClasses(table, classes, value, value < 3, share, None, ())
    write_cells(cells, tmp_path / "out.h5ad", annotated=tmp_path / "a.h5ad")
    after = anndata.read_h5ad(tmp_path / "out.h5ad")
    column = after.obs["morphinfer_class"]
    assert column.cat.categories.tolist() == ["background", "tissue", "a"]
    assert column.isna().tolist() == [True, True, False]
    assert column["c3"] == "a"
    assert after.obs["morphinfer_probability"]["c3"] == 0.5
    assert list(after.uns["morphinfer_class_colors"]) == [each.colour for each in classes]
    np.testing.assert_array_equal(after.X, before.X)
    assert after.obs["area"].tolist() == [1.0, 2.0, 3.0]
    after.write_h5ad(tmp_path / "again.h5ad")
