"""``morphinfer regions``: output, messages and exit codes."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from region_section import PIXEL_UM, SHAPE

from morphinfer.cli import cli
from morphinfer.errors import OutputError, SpotsError
from morphinfer.images import open_labels
from morphinfer.images.opening import open_slide


def call(*arguments):
    return CliRunner().invoke(cli, ["regions", *(str(a) for a in arguments)])


def test_the_command_prints_a_table_and_the_paths_of_the_files(on_disk, tmp_path):
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
    summary = json.loads(done.stdout)
    assert [c["name"] for c in summary["classes"]] == ["background", "tissue", "Layer+Rim"]
    assert summary["record"]["slide"]["name"] == "slide.zarr"


def test_clusters_are_printed_with_numbers_and_strongest_genes_and_take_names(on_disk, tmp_path):
    names = tmp_path / "names.toml"
    names.write_text('[clusters]\n1 = "tissue"\n3 = "islets"\n')
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--cluster", 3, "--cluster-names", names,
        "--no-registration-check", "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "strongest genes" in done.stdout
    assert "islets" in done.stdout
    assert "per (100 um)^2" not in done.stdout


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
        ["slide.zarr", "--cluster", "3", "--gene-a", "Layer"],
        ["slide.zarr", "--gene-a", "Layer", "--cluster-names", "names.toml"],
        ["slide.zarr", "--cluster", "1"],
    ],
)
def test_wrong_usage_exits_with_2(options, tmp_path):
    slide, *rest = options
    assert call(slide, "spots.csv", *rest, "--out", tmp_path / "ref.zarr").exit_code == 2


def test_columns_can_be_named_and_axes_swapped(on_disk, tmp_path):
    arguments = (
        on_disk / "slide.zarr", on_disk / "spots.csv", "--gene-a", "Layer",
        "--columns", "x=y,y=x", "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    refused = call(*arguments)
    assert isinstance(refused.exception, SpotsError)
    assert "--orient swapped" in str(refused.exception)
    assert call(*arguments, "--orient", "swapped").exit_code == 0


@pytest.mark.parametrize("name", ["slide.zarr", "spots.csv"])
def test_the_inputs_are_never_replaced(on_disk, name):
    words = (on_disk / "slide.zarr", on_disk / "spots.csv", "--gene-a", "Layer")
    done = call(*words, "--out", on_disk / name, "--overwrite")
    assert isinstance(done.exception, OutputError)
    assert open_slide(on_disk / "slide.zarr").shape == SHAPE
    assert (on_disk / "spots.csv").is_file()


def test_classes_and_their_thresholds_can_be_named(on_disk, tmp_path):
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--class", "my layer=Layer", "--class",
        "edge=Rim", "--threshold", "edge=44", "--json", "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    summary = json.loads(done.stdout)
    assert [c["name"] for c in summary["classes"][2:]] == ["my layer", "edge"]
    assert summary["classes"][3]["threshold"] == 44
    assert summary["record"]["genes"] == {"my layer": ["Layer"], "edge": ["Rim"]}


def test_thresholds_by_order_can_be_combined_with_named_ones(on_disk, tmp_path):
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--class", "my layer=Layer", "--class",
        "edge=Rim", "--threshold-b", 44, "--threshold", "my layer=33", "--json",
        "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    summary = json.loads(done.stdout)
    assert [c["threshold"] for c in summary["classes"][2:]] == [33, 44]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--class", "a=Layer", "--gene-a", "Rim"], "with --class NAME=GENES, or with --gene-a"),
        (["--class", "a=Layer", "--gene-b", "Rim"], "with --class NAME=GENES, or with --gene-a"),
        (["--gene-a", "Layer", "--gene-b", "Rim,Layer"], "gene 'Layer' is in --gene-a and in"),
        (["--class", "a=Layer", "--threshold-b", "3"], "--threshold-b needs a second gene class"),
        (["--class", "a=Layer", "--threshold-a", "3", "--threshold", "a=4"], "two thresholds"),
        (["--class", "a"], "'a' is not of the form NAME=GENE"),
        (["--class", "a=Layer", "--class", "a=Rim"], "the name 'a' is taken"),
        (["--class", "Tissue=Layer"], "the name 'Tissue' is taken"),
        (["--class", "a=Layer", "--threshold", "b=3"], "no class 'b'"),
        ([], "name the genes with --class"),
    ],
)
def test_wrong_names_of_classes_are_wrong_usage(words, message, on_disk, tmp_path):
    done = call(on_disk / "slide.zarr", on_disk / "spots.csv", *words, "--out", tmp_path / "r.zarr")
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_thresholds_of_nuclei_are_printed_in_reads(on_disk, tmp_path):
    rng = np.random.default_rng(2)
    centres = rng.integers(150, 500, (120, 2))
    rows = [
        f"{gene},{x},{y},{reads:.3f}"
        for x, y in centres
        for gene, reads in zip("AB", rng.gamma(1, 3, 2), strict=True)
    ]
    (tmp_path / "cells.csv").write_text("gene,x,y,weight\n" + "\n".join(rows) + "\n")
    done = call(
        on_disk / "slide.zarr", tmp_path / "cells.csv", "--class", "first=A", "--class", "second=B",
        "--scale", "nuclei", "--no-registration-check", "--out", tmp_path / "ref.zarr",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "threshold: reads per nucleus" in done.stdout
    assert "unlabelled" in done.stdout


def test_another_section_takes_genes_thresholds_and_settings_of_a_reference(on_disk, tmp_path):
    first, second = tmp_path / "first.zarr", tmp_path / "second.zarr"
    section = (on_disk / "slide.zarr", on_disk / "spots.csv")
    done = call(
        *section, "--class", "rim=Rim", "--fraction", "0.4", "--border", "8", "--out", first
    )
    assert done.exit_code == 0, done.output
    (tmp_path / "part.csv").write_text("x,y\n0,0\n600,0\n600,700\n0,700\n")
    done = call(
        *section, "--like", first, "--border", "5", "--roi", tmp_path / "part.csv", "--json",
        "--out", second,
    )  # fmt: skip
    record = json.loads(done.stdout)["record"]
    earlier = open_labels(first).record
    assert record["genes"] == {"rim": ["Rim"]}
    assert record["classes"][2]["threshold"] == earlier["classes"][2]["threshold"]
    assert (record["settings"]["fraction"], record["settings"]["border_um"]) == (0.4, 5.0)
    assert record["roi"]["file"] == "part.csv"
    assert 0 < record["classes"][2]["spots_inside"] < record["classes"][2]["spots"]
    assert earlier["roi"] is None
    assert earlier["classes"][2]["spots_inside"] == earlier["classes"][2]["spots"]


def test_the_genes_are_named_once(tmp_path):
    done = call(
        "s.zarr", "s.csv", "--like", "r.zarr", "--gene-a", "A", "--out", tmp_path / "o.zarr"
    )
    assert done.exit_code == 2
    assert "leave out --class" in done.output


def test_the_stages_are_lines_on_stderr(on_disk, tmp_path):
    done = call(
        on_disk / "slide.zarr", on_disk / "spots.csv", "--gene-a", "Layer", "--out",
        tmp_path / "ref.zarr",
    )  # fmt: skip
    stages = [line.split("] ")[1] for line in done.stderr.splitlines() if line.startswith("[")]
    assert [stage.split()[0] for stage in stages] == ["reading", "testing", "making", "writing"]
