"""``morphinfer regions``: what it prints, what it refuses, and its exit codes."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from region_section import PIXEL_UM, SHAPE

from morphinfer.cli import cli
from morphinfer.errors import MorphinferError, OutputError, SpotsError
from morphinfer.images.slide import open_slide


def call(*arguments):
    return CliRunner().invoke(cli, ["regions", *(str(a) for a in arguments)])


def test_the_command_prints_a_table_and_where_the_files_lie(on_disk, tmp_path):
    out = tmp_path / "ref.zarr"
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--gene-a", "Layer", "--gene-b", "Rim",
        "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Layer" in done.stdout
    assert str(out) in done.stdout
    assert "per (100 um)^2" in done.stdout


def test_the_command_prints_one_json_object(on_disk, tmp_path):
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--gene-a", "Layer,Rim", "--json",
        "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert [c["name"] for c in told["classes"]] == ["background", "tissue", "Layer+Rim"]
    assert told["record"]["slide"]["name"] == "slide.zarr"


def test_the_command_works_without_a_slide(on_disk, tmp_path):
    done = call(
        "-", on_disk / "spots.csv", "--gene-a", "Layer", "--shape", *SHAPE, "--pixel-size", PIXEL_UM,
        "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "ref.png").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["-", "--gene-a", "Layer"],
        ["slide.zarr", "--gene-a", "Layer", "--shape", "10", "10"],
        ["slide.zarr", "--gene-a", "Layer", "--threshold-b", "3"],
        ["slide.zarr", "--gene-a", ","],
        ["slide.zarr", "--gene-a", "Layer", "--sigma", "0"],
        ["slide.zarr"],
    ],
)
def test_wrong_usage_exits_with_two(options, tmp_path):
    slide, *rest = options
    assert call(slide, "spots.csv", *rest, "--out", tmp_path / "ref.zarr").exit_code == 2


def test_the_command_turns_axes_and_names_columns(on_disk, tmp_path):
    arguments = (
        on_disk / "slide.zarr", on_disk / "spots.csv", "--gene-a", "Layer",
        "--columns", "x=y,y=x", "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    refused = call(*arguments)
    assert isinstance(refused.exception, SpotsError)
    assert "--orient swapped" in str(refused.exception)
    assert call(*arguments, "--orient", "swapped").exit_code == 0


def test_without_the_training_extra_the_command_says_what_to_install(monkeypatch, tmp_path):
    import sys

    for name in [n for n in sys.modules if n.startswith("morphinfer_training.references.spots")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "morphinfer_training.references.make", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = call("s.zarr", "s.csv", "--gene-a", "A", "--out", tmp_path / "ref.zarr")
    assert isinstance(done.exception, MorphinferError)
    assert "pip install 'morphinfer[train]'" in str(done.exception)


@pytest.mark.parametrize("name", ["slide.zarr", "spots.csv"])
def test_the_inputs_are_never_replaced(on_disk, name):
    words = (on_disk / "slide.zarr", on_disk / "spots.csv", "--gene-a", "Layer")
    done = call(*words, "--out", on_disk / name, "--overwrite")
    assert isinstance(done.exception, OutputError)
    assert open_slide(on_disk / "slide.zarr").shape == SHAPE
    assert (on_disk / "spots.csv").is_file()


def test_classes_have_names_of_their_own_and_thresholds_by_name(on_disk, tmp_path):
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--class", "my layer=Layer", "--class",
        "edge=Rim", "--threshold", "edge=44", "--json", "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert [c["name"] for c in told["classes"][2:]] == ["my layer", "edge"]
    assert told["classes"][3]["threshold"] == 44
    assert told["record"]["genes"] == {"my layer": ["Layer"], "edge": ["Rim"]}


def test_thresholds_by_order_go_with_named_classes_too(on_disk, tmp_path):
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--class", "my layer=Layer", "--class",
        "edge=Rim", "--threshold-b", 44, "--threshold", "my layer=33", "--json",
        "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert [c["threshold"] for c in told["classes"][2:]] == [33, 44]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--class", "a=Layer", "--gene-a", "Rim"], "with --class NAME=GENES, or with --gene-a"),
        (["--class", "a=Layer", "--gene-b", "Rim"], "with --class NAME=GENES, or with --gene-a"),
        (["--gene-a", "Layer", "--gene-b", "Rim,Layer"], "gene 'Layer' is in --gene-a and in"),
        (["--class", "a=Layer", "--threshold-b", "3"], "--threshold-b needs a second gene class"),
        (["--class", "a=Layer", "--threshold-a", "3", "--threshold", "a=4"], "two thresholds"),
        (["--class", "a"], "'a' is not NAME=GENE"),
        (["--class", "a=Layer", "--class", "a=Rim"], "the name 'a' is taken"),
        (["--class", "Tissue=Layer"], "the name 'Tissue' is taken"),
        (["--class", "a=Layer", "--threshold", "b=3"], "no class 'b'"),
        ([], "name the genes with --class"),
    ],
)
def test_misnamed_classes_are_wrong_usage(words, said, on_disk, tmp_path):
    done = call(on_disk / "slide.zarr", on_disk / "spots.csv", *words, "--out", tmp_path / "r.zarr")
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_thresholds_of_nuclei_are_told_in_reads(on_disk, tmp_path):
    rng = np.random.default_rng(2)
    places = rng.integers(150, 500, (120, 2))
    rows = [
        f"{gene},{x},{y},{reads:.3f}"
        for x, y in places
        for gene, reads in zip("AB", rng.gamma(1, 3, 2), strict=True)
    ]
    (tmp_path / "cells.csv").write_text("gene,x,y,weight\n" + "\n".join(rows) + "\n")
    done = call(
        on_disk / "slide.zarr", tmp_path / "cells.csv", "--class", "first=A", "--class", "second=B",
        "--scale", "nuclei", "--no-registration-check", "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "threshold: reads of a nucleus" in done.stdout
    assert "unlabelled" in done.stdout
