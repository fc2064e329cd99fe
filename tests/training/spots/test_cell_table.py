"""Tables of cells as platforms write them: names, places, and no row left out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer_training.spots.cell_columns import CellColumns
from morphinfer_training.spots.cell_table import read_cells

FRAME = PixelGrid((100, 200), 0.5, (0.0, 0.0))


def csv(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def places(table):
    return list(zip(table.col.tolist(), table.row.tolist(), strict=True))


def test_cells_of_xenium_are_found_in_its_folder_and_are_in_micrometres(tmp_path):
    columns = {"cell_id": ["aaaa-1", "aaab-1"], "x_centroid": [5.0, 1.0], "y_centroid": [10.0, 2.0]}
    pq.write_table(pa.table(columns), tmp_path / "cells.parquet")
    table = read_cells(tmp_path, FRAME)
    assert table.names.to_pylist() == ["aaaa-1", "aaab-1"]
    assert places(table) == [(10.0, 20.0), (2.0, 4.0)]
    assert table.x.tolist() == [5.0, 1.0]


def test_cells_of_merscope_go_through_the_transform_to_the_mosaic(tmp_path):
    csv(
        tmp_path / "cell_metadata.csv",
        ",fov,volume,center_x,center_y",
        "007,1,9.5,5,10",
        "8,1,9,1,2",
    )
    csv(tmp_path / "micron_to_mosaic_pixel_transform.csv", "2 0 100", "0 2 50", "0 0 1")
    table = read_cells(tmp_path, FRAME)
    assert places(table) == [(110.0, 70.0), (102.0, 54.0)]
    assert table.names.to_pylist() == ["007", "8"]


def test_cells_of_cosmx_count_from_the_fields_of_view_and_keep_them_where_names_repeat(tmp_path):
    header = "fov,cell_ID,CenterX_local_px,CenterY_local_px,CenterX_global_px,CenterY_global_px"
    csv(tmp_path / "S_metadata_file.csv", header, "1,1,5,5,1005,2010", "2,1,5,5,1105,2010")
    positions = "fov,x_global_px,y_global_px"
    csv(tmp_path / "S_fov_positions_file.csv", positions, "1,1000,2000", "2,1100,2000")
    table = read_cells(tmp_path, FRAME, orientation="rows-flipped")
    assert places(table) == [(5.0, 89.0), (105.0, 89.0)]
    assert table.fov.to_pylist() == [1, 2]
    assert not any("name of another" in text for text in table.warnings)


def test_a_cell_without_a_place_stays_and_is_counted(tmp_path):
    table = read_cells(csv(tmp_path / "c.csv", "id,x,y", "a,1,2", "b,,3", "c,4,5"), FRAME)
    assert len(table) == 3
    np.testing.assert_array_equal(np.isnan(table.col), [False, True, False])
    assert any("1 of 3 cells have no place" in text for text in table.warnings)


def test_a_malformed_row_is_refused_since_no_cell_is_left_out(tmp_path):
    with pytest.raises(SpotsError, match="no cell is left out"):
        read_cells(csv(tmp_path / "c.csv", "id,x,y", "a,1,2", "b,3"), FRAME)


def test_names_are_numbers_of_rows_where_there_are_none_and_repeated_ones_are_said(tmp_path):
    table = read_cells(csv(tmp_path / "c.csv", "x,y,n", "1,2,a", "3,4,a"), FRAME)
    assert table.names.to_pylist() == [0, 1]
    named = read_cells(tmp_path / "c.csv", FRAME, columns=CellColumns(cell="n"))
    assert any("1 of 2 cells have the name of another" in text for text in named.warnings)


def test_cells_of_anndata_need_a_unit(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["obsm/spatial"] = np.array([[5.0, 10.0], [1.0, np.nan]])
        obs = file.create_group("obs")
        obs.attrs["_index"] = "_index"
        obs["_index"] = ["c1", "c2"]
    with pytest.raises(SpotsError, match="in which unit"):
        read_cells(tmp_path / "a.h5ad", FRAME)
    table = read_cells(tmp_path / "a.h5ad", FRAME, unit="micrometer")
    assert table.names.to_pylist() == ["c1", "c2"]
    assert places(table)[0] == (10.0, 20.0)
    assert np.isnan(table.row[1])
