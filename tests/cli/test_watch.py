"""`watch` from slides to label images, log and status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import CPU, refused, write_slide

from networks import nuclei

pytest_plugins = ["commands"]
ONCE = ("--once", "--settle", "0", "--every", "0.01", "-q", *CPU)
DOCS = Path(__file__).parents[2] / "docs"


def content(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def folder(tmp_path):
    """A folder of two slides, one below another folder, and of one that is broken."""
    write_slide(tmp_path / "a.zarr", nuclei(120, 140, 0))
    folder = tmp_path / "in"
    (folder / "day").mkdir(parents=True)
    for name in ("a.zarr", "day/a.zarr"):
        shutil.copytree(tmp_path / "a.zarr", folder / name)
    (folder / "broken.tif").write_bytes(b"II*\0")
    return folder


def test_each_slide_is_segmented_and_the_folder_is_only_read(call, models, folder, tmp_path):
    before = content(folder)
    code, out, err = call("watch", "in", "--out-dir", "out", "--models", models, *ONCE)
    assert (code, out) == (1, "")
    assert err.startswith("morphinfer: ")
    assert "broken.tif: " in err
    assert content(folder) == before
    for place in (tmp_path / "out", tmp_path / "out" / "day"):
        assert (place / "a_labels.zarr").is_dir()
        assert (place / "a_labels.html").is_file()
    status = json.loads((tmp_path / "out" / "watch.json").read_text(encoding="utf-8"))
    schema = json.loads((DOCS / "watch.schema.json").read_text(encoding="utf-8"))
    pytest.importorskip("jsonschema").Draft202012Validator(schema).validate(status)
    states = {name: slide["state"] for name, slide in status["slides"].items()}
    assert states == {"a.zarr": "done", "day/a.zarr": "done", "broken.tif": "failed"}
    log = (tmp_path / "out" / "watch.log").read_text(encoding="utf-8")
    assert " INFO a.zarr: is complete" in log
    assert " INFO broken.tif: failed: " in log
    assert not list((tmp_path / "out").rglob(".a_labels*"))


def test_the_same_command_keeps_what_is_done(call, models, folder, tmp_path):
    (folder / "broken.tif").unlink()
    words = ("watch", "in", "--out-dir", "out", "--models", models, *ONCE)
    assert call(*words)[0] == 0
    page = tmp_path / "out" / "a_labels.html"
    before = content(tmp_path / "out" / "a_labels.zarr"), page.stat().st_mtime_ns
    (tmp_path / "out" / "watch.json").unlink()
    assert call(*words)[0] == 0
    assert (content(tmp_path / "out" / "a_labels.zarr"), page.stat().st_mtime_ns) == before


def test_a_region_of_interest_is_refused(call, folder):
    refused(
        call("watch", "in", "--out-dir", "out", "--roi", "r.csv"), "--roi is drawn on one", code=2
    )
