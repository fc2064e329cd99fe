"""The end of a run: what appears with the label image, and what stays where it fails."""

from __future__ import annotations

import errno
import json

import pytest
from fakes import KEPT, FakePredictor, fake_ensemble, names, write_slide

from morphinfer import segment
from morphinfer.errors import OutputError
from morphinfer.reports import ReportSettings
from networks import nuclei

REPORT = ["l.html", "l.json", "l.png", "l.svg"]
LAYERS = ["l_probabilities.zarr", "l_uncertainty.zarr"]


@pytest.fixture
def run(tmp_path):
    """Segment a small slide into l.zarr, with a report."""
    slide = write_slide(tmp_path / "s.zarr", nuclei(60, 60))

    def segment_it(**changes):
        options = {"models": fake_ensemble(), "options": KEPT, "report": ReportSettings()}
        return segment(slide, out=tmp_path / "l.zarr", **{**options, **changes})

    return segment_it


def test_the_report_names_the_paths_of_the_published_files(run, tmp_path):
    result = run()
    assert names(tmp_path) == sorted([*REPORT, "l.zarr", *LAYERS, "s.zarr"])
    assert result.report.page == tmp_path / "l.html"
    assert json.loads((tmp_path / "l.json").read_text())["labels"] == str(tmp_path / "l.zarr")
    assert "Uncertainty of the class" in (tmp_path / "l.html").read_text()
    assert b"unfinished" not in (tmp_path / "l.html").read_bytes()


def test_a_full_disk_while_the_report_is_written_keeps_all_rows(run, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ReportSettings, "write", full)
        with pytest.raises(OutputError, match=r"no room left .* the same command goes on"):
            run()
    assert names(tmp_path) == ["l.zarr.unfinished", "s.zarr"]
    predictor = FakePredictor()
    run(models=fake_ensemble(predictor))
    assert predictor.calls == []
    assert names(tmp_path) == sorted([*REPORT, "l.zarr", *LAYERS, "s.zarr"])


@pytest.mark.parametrize("name", ["l.png", "l.html"])
def test_a_report_of_before_is_not_replaced_unless_that_is_asked(run, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=f"{name}: exists already"):
        run()
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / "l.zarr").exists()
    run(overwrite=True)
    assert (tmp_path / name).read_bytes() != b"mine"
