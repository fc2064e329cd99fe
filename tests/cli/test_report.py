"""`report`: the page of a finished label image, with and without the slide."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from commands import refused
from imagecodecs import png_decode

from morphinfer.classes import default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels

pytest_plugins = ["commands"]


@pytest.fixture
def labels(call, slide, models):
    words = ("segment", slide, "--models", models, "--out", "l.zarr", "--tile", "64")
    assert call(*words, "-q", "--provider", "cpu")[0] == 0
    return "l.zarr"


def test_report_writes_the_page_of_segment_again(call, labels, tmp_path):
    before = (tmp_path / "l.html").read_text()
    code, out, err = call("report", labels, "--overwrite")
    assert (code, out, err) == (0, "report   l.html\n", "")
    assert (tmp_path / "l.html").read_text() == before
    refused(call("report", labels), "l.html", "--overwrite")


def test_out_names_the_page_and_nothing_else_is_written(call, labels, tmp_path):
    code, out, _ = call("report", labels, "--out", "sub.html", "--json")
    assert code == 0
    summary = json.loads(out)
    assert summary["report"] == "sub.html"
    assert summary["picture_of_nuclei"] is True
    assert summary["seams"]["verdict"]
    assert "class_fractions" in summary
    assert not (tmp_path / "sub.png").exists()


def test_a_picture_of_the_width_in_print_is_written_beside_the_page(call, labels, tmp_path):
    words = ("report", labels, "--out", "p.html", "--picture-width", "10mm", "--json")
    assert json.loads(call(*words)[1])["picture"] == "p.png"
    assert png_decode((tmp_path / "p.png").read_bytes()).shape[1] == 118
    assert "width='9.99mm'" in (tmp_path / "p.svg").read_text()
    refused(call("report", labels, "--out", "q.html", "--picture-width", "1m"), "'1m'", code=2)


def test_a_reference_adds_dice(call, labels):
    words = ("report", labels, "--out", "p.html", "--reference", labels, "--json", "-q")
    assert json.loads(call(*words)[1])["dice"]["mean"] == 1


def test_the_page_names_the_regions_of_interest_of_the_run_and_of_the_scores(
    call, labels, slide, models, tmp_path
):
    (tmp_path / "run.csv").write_text("x,y\n0,0\n64,0\n64,150\n0,150\n")
    (tmp_path / "part.csv").write_text("x,y\n0,0\n64,0\n64,75\n0,75\n")
    words = ("--models", models, "--roi", "run.csv", "--provider", "cpu")
    code, _, err = call("segment", slide, "--out", "m.zarr", *words)
    assert code == 0
    assert "only 152 positions inside run.csv have labels" in err
    scored = ("report", "m.zarr", "--reference", labels, "--roi", "part.csv", "--out", "p.html")
    assert json.loads(call(*scored, "--json", "-q")[1])["roi"] == "part.csv"
    page = (tmp_path / "p.html").read_text()
    assert "of which the 152 inside run.csv (SHA-256 " in page
    assert "72 pixels with a label inside part.csv" in page
    assert "in tiles of 100 % of the slide" in call("plan", slide, *words)[1]


def test_a_foreign_reference_is_refused_and_taken_as_matched(call, labels, tmp_path):
    with create_labels(
        tmp_path / "r.zarr", grid=PixelGrid((19, 25), 5.2, (0, 0)),
        classes=default_classes(("background", "Slc17a7")),
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, 19, 25), np.ones((19, 25), np.uint8))
    words = ("report", labels, "--out", "p.html", "--reference", "r.zarr")
    refused(call(*words, "-q"), "no 'Slc17a7'", "--match")
    assert not (tmp_path / "p.html").exists()
    assert call(*words, "--match", "Slc17a7=GeneA", "-q")[0] == 0
    assert "Slc17a7" in (tmp_path / "p.html").read_text()


def test_without_the_slide_the_classes_are_shown_alone(call, labels, slide, tmp_path):
    shutil.move(tmp_path / slide, tmp_path / "elsewhere.zarr")
    code, _, err = call("report", labels, "--out", "p.html")
    assert code == 0
    assert err.count("\n") == 1
    assert "the picture shows the classes alone: " in err
    assert "The classes alone" in (tmp_path / "p.html").read_text()
    code, _, err = call("report", labels, "--out", "q.html", "--slide", "elsewhere.zarr")
    assert (code, err) == (0, "")
    assert "The classes over the nuclei" in (tmp_path / "q.html").read_text()


def test_a_named_slide_that_does_not_exist_is_refused(call, labels, tmp_path):
    words = ("report", labels, "--out", "p.html", "--slide", "absent.zarr")
    refused(call(*words), "absent.zarr: no such file")
    assert not (tmp_path / "p.html").exists()


def test_match_without_a_reference_is_wrong_usage(call, labels):
    refused(call("report", labels, "--match", "A=B"), "--match needs a --reference", code=2)


def test_a_slide_is_no_label_image(call, slide):
    refused(call("report", slide), "not a label image that can be read")
