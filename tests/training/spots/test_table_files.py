"""Tables are opened by their content: compression, encoding, delimiter, comments, Parquet, folders."""

from __future__ import annotations

import bz2
import gzip
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from morphinfer.errors import SpotsError
from morphinfer_training.spots.reading import read_spots

PLAIN = "gene,x,y\nA,1,2\nB,3.5,4\n"


def read(path, **options):
    return read_spots(path, pixel_size_um=1, **options)


def spots_of(content, tmp_path, name="table", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, **options)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        gzip.compress(PLAIN.encode(), mtime=0),
        gzip.compress(b"gene,x,y\n", mtime=0) + gzip.compress(b"A,1,2\nB,3.5,4\n", mtime=0),
        bz2.compress(PLAIN.encode()),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", "|").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", " ").encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        ("#FileFormat=GEMv0.1\n#Stereo\n\n" + PLAIN).encode(),
        ("sep=;\n" + PLAIN.replace(",", ";")).encode(),
        ("#" + PLAIN).encode(),
        ("# made by us\n" + PLAIN.replace("gene,x,y", " gene , x , y ")).encode(),
        b'"gene","x","y"\n"A",1,2\n"B",3.5,4\n',
        b'gene,x,y\n"1",A,1,2\n"2",B,3.5,4\n',  # R's write.table: no name for the row names
    ],
)
@pytest.mark.parametrize("name", ["spots.csv", "spots.parquet"])
def test_text_is_recognised_whatever_the_name(content, name, tmp_path):
    spots = spots_of(content, tmp_path, name)
    assert spots.genes == ("A", "B")
    assert (spots.col.tolist(), spots.row.tolist()) == ([1, 3.5], [2, 4])
    assert spots.warnings == ()


def test_a_decimal_comma_is_read_aloud(tmp_path):
    spots = spots_of("gene;x;y\nA;1,5;2\nB;3,25;4\n", tmp_path)
    assert spots.col.tolist() == [1.5, 3.25]
    assert "'x' are read with a decimal comma" in spots.warnings[0]
    assert spots_of('gene,x,y\nA,"1,5",2\n', tmp_path).col.tolist() == [1.5]


def test_a_comma_that_may_mark_thousands_is_asked_about(tmp_path):
    with pytest.raises(SpotsError, match=r"'1,234' in column 'x': .* decimals or thousands"):
        spots_of("gene;x;y\nA;1,234;2\nB;3,250;4\n", tmp_path)


def test_text_that_is_not_utf8_is_read_aloud(tmp_path):
    early = spots_of("gene,x,y\nTgf\xdf,1,2\n".encode("latin-1"), tmp_path)
    late = spots_of(
        ("gene,x,y\n" + "A,1,2\n" * 20_000 + "Tgf\xdf,1,2\n").encode("latin-1"), tmp_path
    )
    for spots in (early, late):
        assert "Tgf\xdf" in spots.genes
        assert "is not UTF-8 and is read as Windows-1252 (Latin-1)" in spots.warnings[0]


def table(rows=4):
    return pa.table({"gene": ["A", "B"] * (rows // 2), "x": np.arange(rows), "y": np.ones(rows)})


def test_parquet_arrow_and_folders_of_parquet_are_recognised(tmp_path):
    whole = table()
    pq.write_table(whole, tmp_path / "spots.csv")
    feather.write_feather(whole, tmp_path / "spots.txt")
    for name, part in (("part.0.parquet", whole[:2]), ("part.1.parquet", whole[2:])):
        (tmp_path / "dask").mkdir(exist_ok=True)
        pq.write_table(part, tmp_path / "dask" / name)
    for gene in "AB":
        (tmp_path / "hive" / f"gene={gene}").mkdir(parents=True)
        pq.write_table(table(2).drop(["gene"]), tmp_path / "hive" / f"gene={gene}" / "0.parquet")
    (tmp_path / "dask" / "_SUCCESS").touch()
    for name in ("spots.csv", "spots.txt", "dask"):
        assert read(tmp_path / name).col.tolist() == [0, 1, 2, 3]
    assert read(tmp_path / "hive").gene.tolist() == [0, 0, 1, 1]


def test_what_is_no_table_is_named(tmp_path):
    for name in ("xl/sheet.xml", "spots.csv"):
        with zipfile.ZipFile(tmp_path / f"{len(name)}.zip", "w") as archive:
            archive.writestr(name, "x")
    with pytest.raises(SpotsError, match="an Excel workbook, not a table; save its sheet as CSV"):
        read(tmp_path / "12.zip")
    with pytest.raises(SpotsError, match="a ZIP archive, not a table; unpack it"):
        read(tmp_path / "9.zip")
    with pytest.raises(SpotsError, match="is an HDF5 file"):
        spots_of(b"\x89HDF\r\n\x1a\n", tmp_path)
    with pytest.raises(SpotsError, match="it is not text, nor Parquet"):
        spots_of(bytes(range(256)) * 9, tmp_path)
    with pytest.raises(SpotsError, match="its header 'gene' is one column"):
        spots_of("gene\nA\n", tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_text(PLAIN)
    with pytest.raises(SpotsError, match=r"no table of spots: it holds a\.csv"):
        read(tmp_path / "folder")


@pytest.fixture
def parquet(tmp_path):
    """Bytes of a Parquet file whose strings are neither compressed nor in a dictionary."""
    pq.write_table(table(), tmp_path / "a.parquet", compression="none", use_dictionary=False)
    return (tmp_path / "a.parquet").read_bytes()


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b.replace(b"gene", b"gen\xff")])
def test_damaged_parquet_is_refused(parquet, damage, tmp_path):
    with pytest.raises(SpotsError, match="cannot be read as a table"):
        spots_of(damage(parquet), tmp_path)


def test_a_gene_of_parquet_that_is_not_utf8_is_read_aloud(parquet, tmp_path):
    damaged = parquet.replace(b"\x01\x00\x00\x00B", b"\x01\x00\x00\x00\xff")
    spots = spots_of(damaged, tmp_path)
    assert spots.genes == ("A", "\xff")
    assert "names of genes are not UTF-8" in spots.warnings[0]


def test_rows_that_cannot_be_read_are_counted_and_left_out(tmp_path):
    rows = "A,1,2\n" * 300
    bad = "A,one,2\nB,3\nB,1,2,3\n,4,5\nB,inf,2\nB,,2\n"
    spots = spots_of("gene,x,y\n" + rows + bad, tmp_path)
    assert len(spots) == 300
    assert spots.left_out == {"unreadable": 6}
    assert "6 of 306 rows are unreadable: 'one' in data row 301 is no number" in spots.warnings[0]
    assert "2 rows have more or fewer fields than the header" in spots.warnings[0]
    with pytest.raises(SpotsError, match="36 of 336 rows are unreadable"):
        spots_of("gene,x,y\n" + rows + bad * 6, tmp_path)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("A,1,2\nB,3.5,4\n", "its first line holds numbers, so write a line with names above it"),
        ("My table\n" + PLAIN, "or make the line with the names of the columns the first"),
        ("gene,x,y", "the table has no rows"),
        (
            "gene,x_mm,y_mm\nA,1,2\n",
            "no coordinate columns; its columns are gene, x_mm, y_mm; name",
        ),
        (b"\xfd7zXZ\0\0\0\0", "is compressed by xz"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a file of old Excel"),
        ("<!DOCTYPE html><html>", "is a web page"),
        ("version https://git-lfs.github.com/spec/v1\n", "fetch it with 'git lfs pull'"),
    ],
)
def test_a_table_without_a_header_or_of_another_kind_gets_a_way_out(content, part, tmp_path):
    with pytest.raises(SpotsError) as problem:
        spots_of(content, tmp_path)
    assert part in str(problem.value)


def test_a_table_that_is_not_there_is_named(tmp_path):
    (tmp_path / "spots.csv").write_text(PLAIN)
    with pytest.raises(SpotsError, match=r"no such file; did you mean 'spots\.csv'\?"):
        read(tmp_path / "spot.csv")
    with pytest.raises(SpotsError, match=r"https://host/s\.csv: tables are not read from a server"):
        read("https://host/s.csv")


def test_all_rows_below_the_quality_are_said(tmp_path):
    with pytest.raises(SpotsError, match=r"left \(1 low quality\); lower `min_qv`, or name"):
        spots_of("gene,x,y,qv\nA,1,2,3\n", tmp_path)


def test_weights_that_are_no_counts_are_left_out(tmp_path):
    rows = "A,1,2,1\n" * 50
    spots = spots_of("gene,x,y,count\n" + rows + "A,1,2,nan\nA,1,2,-1\n", tmp_path)
    assert spots.left_out == {"unreadable": 2}
    assert "'-1' in data row 52 is negative in column 'count'" in spots.warnings[0]
