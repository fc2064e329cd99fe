"""Exceptions that nobody foresaw end one slide, with a log file that holds the traceback."""

from __future__ import annotations

import json
import tempfile

import pytest
from commands import CPU, refused, write_slide

from morphinfer.cli import batch, jobs
from morphinfer.cli.unexpected import UnexpectedError, logged_beside
from networks import nuclei

pytest_plugins = ["commands"]


@pytest.fixture
def fail_at(monkeypatch):
    """Let the segmentation of one slide raise an exception."""

    def patch(slide_path, problem):
        def do_job(job, settings, **further):
            if job.slide_path == slide_path:
                raise problem
            return jobs.do_job(job, settings, **further)

        monkeypatch.setattr(batch, "do_job", do_job)
        monkeypatch.setattr("morphinfer.cli.segment.do_job", do_job)

    return patch


@pytest.mark.parametrize("problem", [ZeroDivisionError("by 0"), MemoryError("5 GiB")])
def test_one_slide_never_stops_another(call, tmp_path, models, fail_at, problem):
    for name in ("a", "b"):
        write_slide(tmp_path / f"{name}.zarr", nuclei(60, 70))
    fail_at("a.zarr", problem)
    code, out, err = call("segment", "a.zarr", "b.zarr", "--models", models, "--json", *CPU)
    first, second = json.loads(out)["slides"]
    assert (code, "error" in second) == (1, False)
    assert str(problem) in first["error"]
    assert "Traceback" not in err
    logs = list(tmp_path.glob("morphinfer-error-*.log"))
    if isinstance(problem, MemoryError):
        assert not logs
    else:
        assert str(logs[0].name) in first["error"]
        assert "ZeroDivisionError: by 0" in logs[0].read_text(encoding="utf-8")


def test_a_single_slide_has_a_sentence_too(call, slide, models, tmp_path, fail_at):
    fail_at("slide.zarr", KeyError("x"))
    ended = call("segment", slide, "--models", models, *CPU)
    (log,) = tmp_path.glob("morphinfer-error-*.log")
    refused(ended, "an unexpected KeyError", log.name, "please report it")
    assert "Traceback" in call("segment", slide, "--models", models, "-v", *CPU)[2]


def test_any_other_command_has_one_too(call, tmp_path, monkeypatch):
    def convert(*words, **named):
        raise KeyError("x")

    monkeypatch.setattr("morphinfer.images.convert.convert", convert)
    refused(call("convert", "a.tif", "b.zarr"), "an unexpected KeyError")


def test_a_folder_that_cannot_be_written_is_replaced_by_that_for_temporary_files(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (
        pytest.raises(UnexpectedError, match="its traceback is in"),
        logged_beside(tmp_path / "no"),
    ):
        raise KeyError
    assert len(list(tmp_path.glob("*.log"))) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UnexpectedError, match="no log of it"), logged_beside(tmp_path / "no"):
        raise KeyError
