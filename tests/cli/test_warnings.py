"""Warnings (contract C9) of a slide on the terminal, in the record, the summary and the page."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
from commands import CPU, write_slide

import morphinfer.images
from morphinfer.images.labels.opening import open_labels
from networks import nuclei

pytest_plugins = ["commands"]

WARNING = "a.zarr: a level is blank and left out; state `pixel_size_um=0.5` <b>"
SHOWN = "a.zarr: a level is blank and left out; state --pixel-size 0.5 <b>"


@pytest.fixture
def warned(monkeypatch, tmp_path):
    """A slide whose opening gives a warning."""
    write_slide(tmp_path / "a.zarr", nuclei(120, 140))
    open_slide = morphinfer.images.open_slide

    def open_with_warning(*args, **kwargs):
        logging.getLogger("morphinfer.images.slides.slide").warning("%s", WARNING)
        return replace(open_slide(*args, **kwargs), warnings=(WARNING,))

    monkeypatch.setattr(morphinfer.images, "open_slide", open_with_warning)
    return "a.zarr"


def test_a_warning_is_printed_once_and_kept_in_record_summary_and_page(
    call, warned, models, tmp_path
):
    code, out, err = call("segment", warned, "--models", models, "--json", *CPU)
    assert code == 0
    assert [line for line in err.splitlines() if "warning" in line] == [
        f"morphinfer: warning: {SHOWN}"
    ]
    assert json.loads(out)["warnings"] == [WARNING]
    assert open_labels(tmp_path / "a_labels.zarr").run_record().warnings == (WARNING,)
    assert json.loads((tmp_path / "a_labels.json").read_text())["warnings"] == [WARNING]
    page = (tmp_path / "a_labels.html").read_text(encoding="utf-8")
    assert "<h2>Warnings</h2>" in page
    assert "left out; state `pixel_size_um=0.5` &lt;b&gt;</li>" in page


def test_quiet_prints_no_warning_but_keeps_it(call, warned, models):
    code, out, err = call("segment", warned, "--models", models, "--json", "-q", *CPU)
    assert (code, err) == (0, "")
    assert json.loads(out)["warnings"] == [WARNING]


def test_without_a_warning_the_page_has_no_section_for_it(call, slide, models, tmp_path):
    code, _, err = call("segment", "slide.zarr", "--models", models, *CPU)
    assert code == 0
    assert "warning" not in err
    page = next(tmp_path.glob("*_labels.html")).read_text(encoding="utf-8")
    assert "<h2>Warnings</h2>" not in page
