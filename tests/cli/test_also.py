"""Exports and labels inside the slide that 'segment' makes besides."""

from __future__ import annotations

import pytest
from commands import CPU, refused

from morphinfer.cli import also
from morphinfer.errors import OutputError

pytest.importorskip("shapely")
pytest_plugins = ["commands"]


@pytest.fixture
def segment(call, slide, models):
    """Segment the slide into l.zarr."""

    def run(*words):
        return call("segment", slide, "--models", models, "--out", "l.zarr", "-q", *CPU, *words)

    return run


def test_exports_and_labels_in_the_slide_follow_the_labels(segment, call, tmp_path):
    code, _, err = segment("--also", "geojson,csv", "--into-slide=regions")
    assert (code, err) == (0, "")
    inside = tmp_path / "slide.zarr/labels/regions"
    assert all(p.exists() for p in (tmp_path / "l.geojson", tmp_path / "l.csv", inside))
    for path in (tmp_path / "l.csv", tmp_path / "l.zarr"):
        refused(segment("--also", "csv"), path.name, "exists already")
        path.rename(path.with_name(f"old_{path.name}"))
    refused(segment("--into-slide=regions"), "labels/regions", "exists already")
    assert not (tmp_path / "l.zarr").exists()  # refused before any work


def test_a_failed_export_leaves_the_labels_and_the_others(segment, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise OutputError("no room left")

    monkeypatch.setattr("morphinfer.exports.export_labels", fail)
    refused(segment("--also", "csv", "--into-slide"), "l.zarr: is complete, but no room left")
    assert (tmp_path / "l.zarr").exists()
    assert (tmp_path / "slide.zarr/labels" / also.DEFAULT_NAME).exists()


def test_a_command_that_was_killed_before_its_exports_makes_only_these(
    segment, monkeypatch, tmp_path
):
    def die(*_, **__):
        raise OutputError("killed")

    with monkeypatch.context() as dying:
        dying.setattr("morphinfer.images.forget", lambda main: None)
        dying.setattr(also.Also, "make", die)
        refused(segment("--also", "csv"), "killed")
    kept = (tmp_path / "l.zarr").stat().st_ino
    assert segment("--also", "csv")[0] == 0
    assert ((tmp_path / "l.zarr").stat().st_ino, (tmp_path / "l.csv").exists()) == (kept, True)


def test_skipped_slides_get_what_is_missing(segment, call, tmp_path):
    assert segment()[0] == 0
    assert segment("--skip-done", "--also", "csv")[0] == 0
    assert (tmp_path / "l.csv").exists()


def test_labels_are_put_into_the_slide_later(segment, call, tmp_path):
    assert segment()[0] == 0
    code, out, _ = call("export", "l.zarr", "--into-slide")
    assert (code, out.strip()) == (0, str(tmp_path / "slide.zarr/labels/morphinfer"))


def test_wrong_words_are_refused(segment, call):
    refused(segment("--also", "svg"), "'svg' is none of", code=2)
    refused(call("segment", "--into-slide", "slide.zarr"), "is a path", code=2)
    refused(segment("--shard", "1/2", "--into-slide"), "morphinfer export", code=2)
