"""The output of a finished segmentation: how much of its tissue is uncertain."""

from __future__ import annotations

import json
import re

import pytest
from commands import CPU, pixel_files, refused

from morphinfer import open_slide
from morphinfer.cli.outcome import models_line, print_slides, print_summary, uncertain_sentence

pytest_plugins = ["commands"]

SUMMARY = {
    "slide": "s.zarr", "class_fractions": {"background": 1.0}, "seconds": 1.0,
    "megapixels_per_second": 1.0, "pixel_size_um": 0.65, "uncertain_fraction": None,
}  # fmt: skip


@pytest.mark.parametrize(("share", "percent"), [
    (0, "0"), (0.0012, "0.1"), (0.0449, "4.5"), (0.1234, "12"), (0.996, "100"), (1, "100"),
])  # fmt: skip
def test_one_sentence_says_how_much_of_the_tissue_is_uncertain(share, percent):
    sentence = f"{percent} % of the tissue is uncertain (winning probability below 0.6)"
    assert uncertain_sentence(share) == sentence


def test_without_tissue_no_uncertain_share_is_printed(capsys):
    print_summary(SUMMARY)
    assert "uncertain" not in capsys.readouterr().out
    print_slides([SUMMARY])
    assert "n/a" in capsys.readouterr().out


def test_segment_prints_the_sentence_and_keeps_the_layer(call, slide, models, tmp_path):
    code, out, _ = call("segment", slide, "--models", models, "--uncertainty", *CPU)
    assert code == 0
    (percent,) = re.findall(r"^([\d.]+) % of the tissue is uncertain \(.*\)$", out, re.MULTILINE)
    record = json.loads((tmp_path / "slide_labels.json").read_text())
    assert float(percent) == pytest.approx(100 * record["uncertain_fraction"], abs=0.5)
    assert record["run"]["uncertain_below"] == 0.6
    layer = open_slide(tmp_path / "slide_labels_uncertainty.zarr")
    labels = open_slide(tmp_path / "slide_labels.zarr")
    assert (layer.shape, layer.dtype) == (labels.shape, "uint8")
    assert layer.grid == labels.grid


def test_the_sentence_needs_no_layer(call, slide, models, tmp_path):
    _, out, _ = call("segment", slide, "--models", models, *CPU)
    assert "% of the tissue is uncertain" in out
    assert not (tmp_path / "slide_labels_uncertainty.zarr").exists()


def test_the_table_of_many_slides_has_a_column_for_it(call, slide, tall, models):
    code, out, _ = call("segment", slide, tall, "nothing.zarr", "--models", models, *CPU)
    assert code == 1
    assert "uncertain" in out
    assert len(re.findall(r"│ +[\d.]+% │ +[\d.]+ │", out)) == 2


def test_a_layer_that_exists_is_refused_before_any_work(call, slide, models, tmp_path):
    (tmp_path / "slide_labels_uncertainty.zarr").write_text("mine")
    words = ("segment", slide, "--models", models, *CPU)
    refused(call(*words, "--uncertainty"), "slide_labels_uncertainty.zarr: exists already")
    assert not (tmp_path / "slide_labels.zarr").exists()
    assert call(*words)[0] == 0


def test_shards_with_the_layer_are_finished_to_that_of_one_run(call, tall, models, tmp_path):
    words = ("segment", tall, "--models", models, "--uncertainty", "-q", *CPU)
    one = json.loads(call(*words, "--out", "one.zarr", "--json")[1])
    for shard in ("2/2", "1/2"):
        assert call(*words, "--out", "l.zarr", "--shard", shard)[0] == 0
    code, out, _ = call("finish", "l.zarr", "--json", "-q")
    assert code == 0
    assert json.loads(out)["uncertain_fraction"] == one["uncertain_fraction"]
    layers = [tmp_path / f"{name}_uncertainty.zarr" for name in ("l", "one")]
    assert pixel_files(layers[0]) == pixel_files(layers[1])


@pytest.mark.parametrize(
    ("organism", "shown"),
    [
        ("mouse", "mouse"),
        ("not documented", "its card names no organism"),
        (None, "its card names no organism"),
    ],
)
def test_the_organism_of_the_set_is_printed(organism, shown):
    assert models_line({"models": "mine", "organism": organism}) == f"models   mine ({shown})"
