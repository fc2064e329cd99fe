"""The progress that `segment` reports: lines, objects of JSON, or a bar."""

from __future__ import annotations

import json
import re

import pytest

from morphinfer.cli.console import Verbosity
from morphinfer.cli.progress import tile_progress
from morphinfer.runs.steps import Progress

pytest_plugins = ["commands"]

TICK = 0.3


@pytest.fixture
def report_run(capsys):
    """Run through tiles of 2 megapixels, 0.3 seconds each; returns the lines on stderr."""

    def run(kind, tiles=100, verbosity=Verbosity.NORMAL):
        now = 0.0
        with tile_progress("segmenting", "a.zarr", kind, verbosity, lambda: now) as report:
            for done in range(1, tiles + 1):
                now += TICK
                if report is not None:
                    report(Progress(done, tiles, 2.0 * done, 2.0 * tiles))
        return capsys.readouterr().err.splitlines()

    return run


def test_lines_report_every_tenth_with_rate_and_time_left(report_run):
    lines = report_run("lines")
    assert len(lines) == 10
    assert lines[2] == "segmenting: 30 of 100 tiles, 6.7 Mpx/s, 21 s left"
    assert lines[-1] == "segmenting: 100 of 100 tiles, 6.7 Mpx/s, 0 s left"


def test_json_is_printed_about_once_a_second_and_at_the_end(report_run):
    objects = [json.loads(line) for line in report_run("json")]
    assert len(objects) == 26
    assert objects[1]["tiles"] - objects[0]["tiles"] == 4
    assert objects[-1] == {
        "event": "progress",
        "slide": "a.zarr",
        "tiles": 100,
        "all_tiles": 100,
        "megapixels": 200.0,
        "all_megapixels": 200.0,
        "megapixels_per_second": 6.667,
        "seconds_left": 0.0,
    }


def test_a_terminal_gets_a_bar(report_run, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    assert any("100 of 100 tiles, 6.7 Mpx/s, 0 s left" in line for line in report_run("bar"))


def test_a_clock_that_stands_still_divides_nothing_by_zero(capsys):
    with tile_progress("x", "a.zarr", "json", Verbosity.NORMAL, lambda: 7.0) as report:
        report(Progress(1, 1, 0.1, 0.1))
    assert json.loads(capsys.readouterr().err)["seconds_left"] == 0


@pytest.mark.parametrize(
    ("kind", "verbosity", "count"),
    [
        ("none", Verbosity.NORMAL, 0),
        ("auto", Verbosity.QUIET, 0),
        ("auto", Verbosity.NORMAL, 10),
        ("lines", Verbosity.QUIET, 10),
    ],
)
def test_quiet_silences_progress_unless_a_kind_is_named(report_run, kind, verbosity, count):
    assert len(report_run(kind, verbosity=verbosity)) == count


def test_progress_without_a_terminal_is_plain_lines(call, slide, models):
    _, _, err = call("segment", slide, "--models", models, "--tile", "64")
    lines = [line for line in err.splitlines() if line.startswith("segmenting: ")]
    assert re.fullmatch(r"segmenting: (\d+) of \1 tiles, [\d.]+ Mpx/s, 0 s left", lines[-1])
    assert "\x1b" not in err


def test_a_quiet_run_with_json_progress_has_nothing_else_on_stderr(call, slide, models):
    words = ("segment", slide, "--models", models, "--tile", "64", "--progress", "json", "-q")
    code, _, err = call(*words)
    assert code == 0
    objects = [json.loads(line) for line in err.splitlines()]
    assert objects[-1]["tiles"] == objects[-1]["all_tiles"]
    assert {line["slide"] for line in objects} == {slide}
