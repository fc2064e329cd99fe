"""``morphinfer cells``: what is written, printed and refused."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer.cli import cli
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import Layout, create_labels, layer_path
from morphinfer.images.writing import write_image

NAMES = ("background", "tissue", "a")
VALUES = np.array([[0, 1], [2, UNLABELLED]], np.uint8).repeat(10, 0).repeat(10, 1)
TABLE = ["cell_id,x,y", "p,15,15", '"q,1",60,15', "r,15,60", "s,60,60", "t,500,0"]
"""One cell of each class, then one on unlabelled positions and one off the label image."""
EXPECTED = ["background", "tissue", "a", None, None]


def call(*arguments):
    return CliRunner().invoke(cli, ["cells", *(str(a) for a in arguments)])


@pytest.fixture
def made(tmp_path):
    """Label image of 20 x 20 positions of 4 pixels, with its uncertainty, and a table."""
    record = {"command": "regions", "slide_shape": [80, 80], "pixel_size_um": 0.5}
    layout = Layout(PixelGrid((20, 20), 2.0, (0.0, 0.0)), default_classes(NAMES))
    path = tmp_path / "l.zarr"
    with create_labels(path, grid=layout.grid, classes=layout.classes, record=record) as out:
        out.write(Window(0, 0, 20, 20), VALUES)
    with write_image(layer_path(path, "uncertainty"), layout.layer("uncertainty", "u")) as writers:
        writers[0].write(np.full((20, 20), 51, np.uint8))
    (tmp_path / "cells.csv").write_text("\n".join(TABLE) + "\n")
    return tmp_path


def test_every_cell_is_a_row_of_the_csv_in_the_order_of_the_table(made):
    done = call(made / "l.zarr", made / "cells.csv", "--out", made / "out.csv")
    assert done.exit_code == 0, done.output
    read = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    table = pyarrow.csv.read_csv(made / "out.csv", convert_options=read).to_pydict()
    assert table["cell_id"] == ["p", "q,1", "r", "s", "t"]
    assert table["class"] == EXPECTED
    assert table["inside"] == [True, True, True, True, False]
    assert table["x"] == [15, 60, 15, 60, 500]
    assert table["uncertainty"] == [0.2, 0.2, 0.2, None, None]
    assert table["probability"] == [None] * 5


def test_parquet_holds_the_same_and_json_the_counts(made):
    done = call(made / "l.zarr", made / "cells.csv", "--out", made / "out.parquet", "--json")
    summary = json.loads(done.stdout)
    assert summary["classes"] == {"background": 1, "tissue": 1, "a": 1}
    assert (summary["cells"], summary["unlabelled"], summary["outside"]) == (5, 1, 1)
    assert pq.read_table(made / "out.parquet")["class"].to_pylist() == EXPECTED


def test_a_table_of_another_unit_is_doubted(made):
    done = call(
        made / "l.zarr", made / "cells.csv", "--unit", "micrometer", "--out", made / "out.csv"
    )
    assert done.exit_code == 0
    assert "4 of 5 cells lie off the label image; check the --unit" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "cells.csv", "--overwrite"], "never changed in place"),
        (["--out", "out.xlsx"], "its ending must say"),
        (["--out", "out.csv", "--to-obs", "cells.csv"], "name a .h5ad file"),
        (["--out", "out.h5ad"], "name one, --to-obs ADATA.h5ad"),
        (["--out", "out.h5ad", "--to-obs", "no.h5ad"], "no.h5ad: is no AnnData file"),
        (["--out", "out.csv", "--columns", "gene=x"], "cell, x, y"),
        (["--out", "out.csv", "--unit", "pixel", "--transform", "1,0,0,0,1,0"], "leave out the --unit"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_written(made, monkeypatch, options, message):
    monkeypatch.chdir(made)
    before = sorted(path.name for path in made.iterdir())
    done = call("l.zarr", "cells.csv", *options)
    assert done.exit_code == 1, done.output
    assert message in str(done.exception)
    assert sorted(path.name for path in made.iterdir()) == before
    assert (made / "cells.csv").read_text().splitlines() == TABLE


def test_a_label_image_without_a_record_needs_the_slide(made):
    with create_labels(
        made / "o.zarr", grid=PixelGrid((20, 20), 2.0, (0.0, 0.0)), classes=default_classes(NAMES)
    ) as out:
        out.write(Window(0, 0, 20, 20), VALUES)
    done = call(made / "o.zarr", made / "cells.csv", "--out", made / "out.csv")
    assert done.exit_code == 1
    assert "name the slide, --slide" in str(done.exception)
    done = call(
        made / "o.zarr", made / "cells.csv", "--slide", made / "l.zarr", "--out", made / "out.csv"
    )
    assert done.exit_code == 0, done.output
