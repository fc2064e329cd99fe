import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morphinfer.errors import SpotsError
from morphinfer_training.spots.columns import Columns, detect_columns, parse_columns
from morphinfer_training.spots.orientation import ORIENTATIONS, orient
from morphinfer_training.spots.reading import read_spots
from morphinfer_training.spots.spots import Spots


@pytest.fixture
def table(tmp_path):
    def write(text, name="spots.csv"):
        path = tmp_path / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        return path

    return write


def test_spots_have_sorted_genes_rows_and_columns(table):
    spots = read_spots(table("gene,x,y\nB,1.5,2\nA,3,4\nB,5,6\n"), pixel_size_um=0.5)
    assert spots.genes == ("A", "B")
    assert spots.gene.tolist() == [1, 0, 1]
    assert spots.col.tolist() == [1.5, 3, 5]
    assert spots.row.tolist() == [2, 4, 6]
    assert spots.weight.tolist() == [1, 1, 1]
    assert spots.row.dtype == np.float64


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "s.CSV"])
def test_tables_with_commas_are_recognised_by_their_ending(table, name):
    assert len(read_spots(table("gene,x,y\nA,1,2\n", name), pixel_size_um=1)) == 1


@pytest.mark.parametrize("name", ["s.tsv", "s.tsv.gz"])
def test_tables_with_tabs_are_recognised_by_their_ending(table, name):
    assert len(read_spots(table("gene\tx\ty\nA\t1\t2\n", name), pixel_size_um=1)) == 1


def test_parquet_with_integers_and_categories_is_read_like_csv(tmp_path):
    gene = pa.array(["A", "B", "A"]).dictionary_encode()
    content = {"target": gene, "Row": [1, 2, 3], "COL": pa.array([4, 5, 6], pa.float32())}
    pq.write_table(pa.table(content), tmp_path / "s.parquet")
    spots = read_spots(tmp_path / "s.parquet", pixel_size_um=1)
    assert spots.gene.tolist() == [0, 1, 0]
    assert spots.row.tolist() == [1, 2, 3]
    assert spots.col.tolist() == [4, 5, 6]


def test_genes_that_look_like_numbers_are_names(table):
    assert read_spots(table("gene,x,y\n10,1,2\n9,1,2\n"), pixel_size_um=1).genes == ("10", "9")


@pytest.mark.parametrize("names", ["x_um,y_um", "global_x,global_y", "X_location,Y_location"])
def test_coordinates_in_micrometres_are_divided_by_the_pixel_size(table, names):
    spots = read_spots(table(f"gene,{names}\nA,1,2\n"), pixel_size_um=0.5)
    assert (spots.col[0], spots.row[0]) == (2, 4)


def test_a_stated_unit_overrides_the_names(table):
    path = table("gene,x,y\nA,1,2\n")
    assert read_spots(path, unit="micrometer", pixel_size_um=0.5).row[0] == 4
    path = table("gene,x_um,y_um\nA,1,2\n")
    assert read_spots(path, unit="pixel", pixel_size_um=0.5).row[0] == 2


def test_a_count_column_becomes_the_weight(table):
    spots = read_spots(table("gene,x,y,Count\nA,1,2,0.25\n"), pixel_size_um=1)
    assert spots.weight.tolist() == [0.25]


def test_some_columns_can_be_named_and_others_detected(table):
    path = table("gene,probe,x,y\nA,P,1,2\n")
    columns = parse_columns("gene=probe, x=y,y=x")
    spots = read_spots(path, columns=columns, pixel_size_um=1)
    assert spots.genes == ("P",)
    assert (spots.row[0], spots.col[0]) == (1, 2)


@pytest.mark.parametrize("text", ["gene", "gene=", "depth=z", "x=a,,y=b"])
def test_malformed_columns_are_refused_with_an_example(text):
    with pytest.raises(SpotsError, match="gene=target,x=cx,y=cy"):
        parse_columns(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "gene,a,b\nA,1,2\n",
            "no coordinate columns; its columns are gene, a, b; .*`columns=Columns\\(x='NAME'",
        ),
        (
            "g,x,y\nA,1,2\n",
            "no gene column; its columns are g, x, y; .*`columns=Columns\\(gene='NAME'",
        ),
        ("gene,x,y\n", "no rows"),
        ("", "cannot be read as a table"),
        (
            "gene,x,y\nA,1,2\nB,one,2\n",
            "1 of 2 rows are unreadable: 'one' in data row 2 is no number in column 'x'; correct",
        ),
        ("gene,x,y\nA,1,2\nB,3,nan\n", "1 of 2 .* a missing value in data row 2 .* column 'y'"),
        ("gene,x,y\nA,1,2\nB,,3\n", "1 of 2 rows .* column 'x'"),
        ("gene,x,y\nA,1,2\n,1,3\n", "a missing value in data row 2 is no gene in column 'gene'"),
        ("gene,x,y,weight\nA,1,2,-3\n", "'-3' in data row 1 is negative in column 'weight'"),
        ("gene,x,y\nA,1\n", "1 of 1 rows .* more or fewer fields"),
        ("gene,x_um,col,y\nA,1,2,3\n", "pixels and micrometres|no coordinate"),
    ],
)
def test_unusable_tables_are_refused_with_the_reason(table, text, message):
    with pytest.raises(SpotsError, match=message):
        read_spots(table(text), pixel_size_um=1)


def test_missing_files_and_absent_columns_are_refused(table, tmp_path):
    with pytest.raises(SpotsError, match="no such file"):
        read_spots(tmp_path / "none.csv", pixel_size_um=1)
    with pytest.raises(SpotsError, match="no column 'z'; its columns are gene, x, y"):
        read_spots(table("gene,x,y\nA,1,2\n"), columns=Columns(x="z"), pixel_size_um=1)


def test_coordinates_in_different_units_are_refused():
    with pytest.raises(SpotsError, match="pixels and micrometres"):
        detect_columns(["gene", "x", "y_um"], Columns(y="y_um"), None, "s.csv")


def test_for_a_misspelt_gene_similar_names_are_suggested():
    zero = np.zeros(2)
    spots = Spots(
        ("Neurod6", "Plp1"), np.array([0, 1], np.int32), zero, zero, np.ones(2, np.float32)
    )
    assert spots.of(["Plp1"]).tolist() == [False, True]
    with pytest.raises(
        SpotsError, match=r"no gene 'NEUROD1' among its 2 genes; did you mean Neurod6\?"
    ):
        spots.of(["NEUROD1"])
    with pytest.raises(SpotsError, match="choose one of Neurod6, Plp1"):
        spots.of(["Xyz"])


@pytest.mark.parametrize("orientation", list(ORIENTATIONS))
def test_oriented_coordinates_match_the_oriented_image(orientation):
    image = np.arange(12).reshape(3, 4)
    swap, flip_rows, flip_cols = ORIENTATIONS[orientation]
    oriented = image.T if swap else image
    oriented = oriented[::-1] if flip_rows else oriented
    oriented = oriented[:, ::-1] if flip_cols else oriented
    row, col = np.divmod(np.arange(12), 4)
    new_row, new_col = orient(row.astype(float), col.astype(float), orientation, oriented.shape)
    assert (oriented[new_row.astype(int), new_col.astype(int)] == np.arange(12)).all()


@pytest.mark.parametrize("end", [4, -9])
def test_a_damaged_gz_file_is_refused(tmp_path, end):
    packed = gzip.compress(b"gene,x,y\n" + b"A,1,2\n" * 9)
    (tmp_path / "s.csv.gz").write_bytes(packed[:end])
    with pytest.raises(SpotsError, match="cannot be read as a table"):
        read_spots(tmp_path / "s.csv.gz", pixel_size_um=1)
