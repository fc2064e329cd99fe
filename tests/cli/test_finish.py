"""Shards, `finish`, and `plan`."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from commands import CPU, pixel_files, refused

from morphinfer.classes import default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels

pytest_plugins = ["commands"]


@pytest.fixture
def shard(call, tall, models):
    """Compute one shard of the tall slide."""

    def run(which, *words):
        return call(
            "segment", tall, "--models", models, "--out", "l.zarr", "--shard", which, *CPU, *words
        )

    return run


def test_two_shards_and_finish_give_the_bytes_of_one_run(call, shard, tall, models, tmp_path):
    code, out, _ = shard("1/2")
    assert code == 0
    assert "shard 1/2: row 0 is done; 2 of 3 rows of chunks are missing" in out
    assert "when all shards are done, run: morphinfer finish l.zarr" in out
    _, out, _ = shard("2/2")
    assert "rows 1 to 2 are done; 0 of 3" in out
    assert "\nall shards are done, run: morphinfer finish l.zarr" in out
    assert not (tmp_path / "l.zarr").exists()
    code, out, _ = call("finish", "l.zarr", "--json")
    assert code == 0
    assert json.loads(out)["labels"] == "l.zarr"
    assert call("segment", tall, "--models", models, "--out", "one.zarr", "-q", *CPU)[0] == 0
    assert pixel_files(tmp_path / "l.zarr") == pixel_files(tmp_path / "one.zarr")
    for ending in (".png", ".html", ".json"):
        assert (tmp_path / f"l{ending}").is_file()
    assert (tmp_path / "l.png").read_bytes() == (tmp_path / "one.png").read_bytes()
    assert not (tmp_path / "l.zarr.unfinished").exists()


def test_the_json_of_a_shard_lists_the_missing_rows(shard):
    code, out, _ = shard("2/3", "--json", "-q")
    assert code == 0
    assert json.loads(out) == {
        "slide": "tall.zarr",
        "labels": "l.zarr",
        "shard": 2,
        "shards": 3,
        "rows": [1],
        "all_rows": 3,
        "missing_rows": [0, 2],
    }


def test_more_shards_than_rows_leave_some_without_work(shard):
    code, out, _ = shard("1/9")
    assert code == 0
    assert "shard 1/9: it has no rows; 3 of 3" in out


def test_finish_with_a_missing_shard_says_which_rows(call, shard, tmp_path):
    shard("1/2", "-q")
    refused(call("finish", "l.zarr"), "2 of 3 rows of chunks are missing (the first is 1)")
    assert not (tmp_path / "l.zarr").exists()


def test_finish_without_any_shard_is_refused(call):
    refused(call("finish", "l.zarr"), "l.zarr has no unfinished parts")


def test_finish_scores_against_a_reference(call, shard, tall, models):
    assert call("segment", tall, "--models", models, "--out", "r.zarr", "-q", *CPU)[0] == 0
    shard("1/1", "-q")
    code, out, _ = call("finish", "l.zarr", "--reference", "r.zarr", "--json", "-q")
    assert code == 0
    assert json.loads(out)["dice"]["mean"] == 1


def test_finish_matches_classes_by_the_option_and_refuses_foreign_ones(call, shard, tmp_path):
    with create_labels(
        tmp_path / "r.zarr", grid=PixelGrid((525, 12), 5.2, (0, 0)),
        classes=default_classes(("background", "tissue", "Slc17a7")),
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, 525, 12), np.ones((525, 12), np.uint8))
    shard("1/1", "-q")
    words = ("finish", "l.zarr", "--reference", "r.zarr", "-q", "--json")
    refused(call(*words), "no 'Slc17a7'", "--match Slc17a7=GeneA")
    assert not (tmp_path / "l.zarr").exists()
    code, out, err = call(*words, "--match", "Slc17a7=GeneB")
    assert code == 0, err
    assert json.loads(out)["dice"]["per_class"]["GeneA"] is None


def test_finish_refuses_to_replace_a_report_before_it_publishes(call, shard, tmp_path):
    shard("1/1", "-q")
    (tmp_path / "l.png").write_text("mine")
    refused(call("finish", "l.zarr"), "l.png", "--overwrite")
    assert not (tmp_path / "l.zarr").exists()
    assert call("finish", "l.zarr", "--overwrite", "-q")[0] == 0
    assert (tmp_path / "l.png").read_bytes().startswith(b"\x89PNG")


def test_finish_publishes_where_the_slide_is_gone(call, shard, tmp_path):
    shard("1/1", "-q")
    shutil.rmtree(tmp_path / "tall.zarr")
    code, out, err = call("finish", "l.zarr")
    assert code == 0
    assert "warning: l.zarr: is published without a report: " in err
    assert "tall.zarr: no such file" in err
    assert "models   " in out
    assert "labels   l.zarr" in out
    assert (tmp_path / "l.zarr").is_dir()
    assert not (tmp_path / "l.png").exists()


def test_finish_shows_no_other_slide_than_the_one_that_was_segmented(call, shard, slide, tmp_path):
    shard("1/1", "-q")
    shutil.rmtree(tmp_path / "tall.zarr")
    shutil.copytree(tmp_path / slide, tmp_path / "tall.zarr")
    code, _, err = call("finish", "l.zarr", "-q")
    assert code == 0
    assert "is not the image that was segmented" in err


def test_a_shard_beside_published_labels_is_refused(call, shard):
    shard("1/1", "-q")
    assert call("finish", "l.zarr", "-q")[0] == 0
    refused(shard("1/1"), "l.zarr: exists already")


def test_plan_prints_tiles_and_memory_and_writes_nothing(call, tall, models, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call("plan", tall, "--models", models, "--tile", "512", *CPU)
    assert (code, err) == (0, "")
    for part in ("4200 x 90", "525 x 12 positions of 5.2 um", "9 x 1 of about 512 px", "cpu", "MB"):
        assert part in out
    assert sorted(tmp_path.rglob("*")) == before


def test_plan_prints_one_json_object(call, slide, models):
    words = ("plan", slide, "--models", models, "--json", "--skip-background", "off", *CPU)
    code, out, err = call(*words)
    assert (code, err) == (0, "")
    forecast = json.loads(out)
    assert forecast["model_shape"] == [150, 200]
    assert forecast["provider"] == "cpu"
    assert forecast["skips_background"] is False
    assert forecast["seconds"] > 0


def test_plan_refuses_what_segment_refuses(call, slide, models):
    refused(call("plan", "nothing.zarr"), "nothing.zarr: no such file or folder")
    words = ("plan", slide, "--models", models, "--tile", "9999", "--max-memory", "300")
    refused(call(*words), "a tile of 9999 px needs about", "--max-memory allows 300")
