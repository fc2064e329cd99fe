"""The page: its content, that it loads nothing, and that it escapes text from files."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from morphinfer.classes import default_classes
from morphinfer.errors import RecordError, SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import layer_path
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.opening import open_slide
from morphinfer.images.writing.multiscale import create_image
from morphinfer.reports.write import recorded_slide, summarise, write_page
from morphinfer.scoring.evaluation import evaluate

NAMES = ("background", "tissue", "GeneA", "Gene<B>&")
HISTORY = {"step": [50, 100, 150], "loss": [1.1, 0.6, 0.4], "mean_dice": [0.3, 0.5, 0.6]}


class Parts(HTMLParser):
    """Text, tags and loaded addresses of a page."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.loaded = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text.append(data)


def parts(path):
    page = Parts()
    page.feed(path.read_text(encoding="utf-8"))
    return page


@pytest.fixture
def slide(tmp_path):
    """A synthetic slide at the path that the record states."""
    image = np.random.default_rng(0).integers(0, 200, (160, 200)).astype(np.uint8)
    with create_image(
        tmp_path / "s.zarr", shape=image.shape, dtype="uint8", pixel_size_um=5
    ) as out:
        out.write(image)
    return open_slide(tmp_path / "s.zarr")


@pytest.fixture
def record(slide):
    return {
        "morphinfer": "0.1.0",
        "slide": {
            "path": str(slide.path), "shape": [160, 200], "level": 0, "channel": slide.channel,
            "z": slide.z,
            "pixel_size_um": slide.pixel_size_um, "identity": slide.identity, "synthetic": False,
        },
        "models": {
            "name": "set <i>", "sha256": {"p046.onnx": "ab"},
            "provenance": {
                "date": "2026-01-02",
                "sections": [{"name": "a.zarr", "trained_cells": {"GeneA": 12, "tissue": 0}}],
                "card": {"limits": ["Not for <human> tissue."], "stain": "DAPI"},
                "networks": {"p046": {"patch_size_px": 46, "fusion_weight": 1.0}},
                "validation": {"networks": {"p046": {"mean": 0.81}}, "fused": {"mean": 0.83}},
                "history": {"p046": HISTORY},
            },
        },
        "classes": list(NAMES),
        "pixel_size_um": 5,
        "stride_px": 1,
        "mode": "dense",
        "provider": {"ran": "cpu", "why": "requested"},
        "options": {"provider": "cpu"},
        "intensity": {"low": 3.0, "high": 99.0, "clip": [-0.5, 2.0]},
        "seconds": 2.0,
        "megapixels_per_second": 1.0,
        "class_fractions": {"background": 0.25, "tissue": 0.5, "GeneA": 0.25, "Gene<B>&": 0.0},
        "uncertain_fraction": 0.1234,
        "tiling": {
            "workers": 1, "threads": 1, "tile_px": 40, "memory_mb": 100.0,
            "row_edges": [40, 80, 120], "col_edges": [40, 80, 120, 160],
        },
    }  # fmt: skip


@pytest.fixture
def make(tmp_path, record):
    def build(name="l.zarr", seed=0, classes=NAMES, **changes):
        values = np.random.default_rng(seed).integers(0, 3, (160, 200)).astype(np.uint8)
        with create_labels(
            tmp_path / name, grid=PixelGrid(values.shape, 5.0, (0.0, 0.0)),
            classes=default_classes(classes), record={**record, **changes},
        ) as out:  # fmt: skip
            out.write(Window(0, 0, *values.shape), values)
        return open_labels(tmp_path / name)

    return build


@pytest.fixture
def make_page(tmp_path):
    def build(labels, scores=None, slide=None):
        seams = write_page(tmp_path / "p.html", labels, summarise(labels, scores), slide=slide)
        return parts(tmp_path / "p.html"), seams

    return build


def test_the_page_loads_nothing_but_the_picture_that_it_holds(make, make_page, slide):
    page, _ = make_page(make(), slide=slide)
    assert len(page.loaded) == 1
    assert page.loaded[0].startswith("data:image/png;base64,")
    assert not {"script", "link", "iframe", "i", "human"} & set(page.tags)


def test_the_table_has_shares_and_areas(make, make_page):
    page, _ = make_page(make())
    text = " ".join(page.text)
    # 160 x 200 positions of 5 micrometres are 0.8 square millimetres.
    assert re.search(r"GeneA 25\.0% 0\.200", text)
    assert "0.6 mm²" in text
    assert "12 %" in page.text
    assert any("of the tissue is uncertain" in line for line in page.text)


def test_names_from_files_are_escaped(make, make_page):
    page, _ = make_page(make())
    for text in ("Gene<B>&", "set <i>", "Not for <human> tissue."):
        assert text in page.text


def test_without_a_reference_there_is_no_dice_and_no_confusion(make, make_page):
    page, _ = make_page(make())
    assert not {"Confusion", "IoU", "Dice"} & set(page.text)


def test_dice_has_its_interval_and_the_confusion_its_shares(make, make_page):
    labels = make()
    theirs = ("background", "tissue", "Slc17a7")
    scores = evaluate(labels, make("r.zarr", 1, theirs), match={"Slc17a7": "GeneA"})
    page, _ = make_page(labels, scores)
    text = " ".join(page.text)
    low, high = scores.intervals.mean
    assert f"{scores.mean_dice:.3f} [{low:.3f}, {high:.3f}]" in page.text
    assert "20 square blocks of 200 µm" in text
    assert {"Reference.", "Result."} <= set(page.text)
    assert len(page.loaded) == 4
    recall = scores.confusion[1, 1] / scores.confusion[1].sum()
    assert f"{recall:.3f}" in page.text
    # 160 x 200 pixels of 5 micrometres, all labelled in the reference.
    assert page.text.count("0.800") == 2
    assert "The reference's 'Slc17a7' is compared with 'GeneA'." in text
    count, row = scores.confusion[2, 1], scores.confusion[2].sum()
    assert re.search(rf"{count} {count / row:.1%}", text)
    assert "n/a" in page.text


def test_the_page_says_that_few_blocks_give_no_interval(make, make_page):
    labels = make()
    page, _ = make_page(labels, evaluate(labels, labels, block_um=500))
    assert "Fewer than 10 blocks" in " ".join(page.text)
    assert "1.000" in page.text


def test_seams_are_checked_at_the_borders_of_the_record(make, make_page):
    page, seams = make_page(make())
    assert seams["borders"] == 7
    assert seams["verdict"] in page.text
    assert "the tile borders" in page.text


def test_the_page_shows_models_and_learning_curves(make, make_page):
    page, _ = make_page(make())
    assert {"2026-01-02", "a.zarr: 12 GeneA positions", "DAPI", "0.810", "0.830"} <= set(page.text)
    assert page.tags.count("polyline") >= 3
    assert "training loss" in page.text


def test_the_page_says_why_a_network_has_no_weight(make, make_page, record):
    assert not any("weight 0" in line for line in make_page(make())[0].text)
    networks = {"a": {"patch_size_px": 46, "fusion_weight": 0.0}}
    provenance = {**record["models"]["provenance"], "networks": networks}
    labels = make("z.zarr", models={**record["models"], "provenance": provenance})
    Path(labels.image.path).with_name("p.html").unlink()
    assert any("weight 0 is not run" in line for line in make_page(labels)[0].text)


def test_the_uncertainty_has_a_map_where_it_was_kept(make, make_page):
    labels = make(options={"uncertainty": True})
    assert len(make_page(labels)[0].loaded) == 1
    path = layer_path(labels.image.path, "uncertainty")
    with create_image(path, shape=(160, 200), dtype="uint8", pixel_size_um=5) as out:
        out.write(np.full((160, 200), 9, np.uint8))
    path.with_name("p.html").unlink()
    page, _ = make_page(labels)
    assert len(page.loaded) == 2
    assert "Uncertainty of the class of each position." in page.text


def test_the_page_shows_networks_beside_baselines(make, make_page, record):
    methods = [{"name": "random forest", "mean_dice": 0.71, "interval": [0.6, 0.8]},
               {"name": "fused", "mean_dice": None, "interval": None}]  # fmt: skip
    figures = [{"section": "rows <b>", "independent": False, "verdict": "It wins.",
                "methods": methods}]  # fmt: skip
    provenance = {**record["models"]["provenance"], "figures": figures}
    page, _ = make_page(make(models={**record["models"], "provenance": provenance}))
    assert {"Networks and baselines", "rows <b>", "0.710", "0.600 to 0.800"} <= set(page.text)
    assert any("It wins." in line for line in page.text)


def test_the_page_says_that_models_have_no_learning_curves(make, make_page, record):
    provenance = {k: v for k, v in record["models"]["provenance"].items() if k != "history"}
    page, _ = make_page(make(models={**record["models"], "provenance": provenance}))
    assert "The models have no learning curves." in page.text


def test_a_record_of_an_earlier_version_makes_a_page_too(make, make_page, record):
    tiling = {k: v for k, v in record["tiling"].items() if not k.endswith("edges")}
    page, seams = make_page(make(models={"name": "set", "sha256": {}}, tiling=tiling))
    assert "so they were not checked" in seams["verdict"]
    assert any("does not describe its training" in line for line in page.text)


def test_the_page_says_that_a_section_is_synthetic(make, make_page, record):
    page, _ = make_page(make(slide={**record["slide"], "synthetic": True}))
    assert "synthetic section" in page.text
    assert any("A synthetic section, segmented" in line for line in page.text)


def test_the_picture_shows_the_nuclei_where_there_is_a_slide(make, make_page, slide, tmp_path):
    labels = make()
    assert "The classes over the nuclei: s.zarr. To pan" in "".join(
        make_page(labels, slide=slide)[0].text
    )
    (tmp_path / "p.html").unlink()
    assert "The classes alone: s.zarr. To pan" in "".join(make_page(labels)[0].text)


def test_the_slide_of_the_record_is_opened_and_another_image_is_refused(make, slide, tmp_path):
    labels = make()
    assert recorded_slide(labels).identity == slide.identity
    with create_image(tmp_path / "o.zarr", shape=(9, 9), dtype="uint8", pixel_size_um=5) as out:
        out.write(np.ones((9, 9), np.uint8))
    with pytest.raises(SlideError, match=r"o\.zarr: is not the image that was segmented"):
        recorded_slide(labels, tmp_path / "o.zarr")


def test_a_label_image_of_another_tool_is_refused(tmp_path):
    with create_labels(
        tmp_path / "f.zarr", grid=PixelGrid((3, 3), 5, (0, 0)),
        classes=default_classes(NAMES),
    ) as out:  # fmt: skip
        out.write(Window(0, 0, 3, 3), np.zeros((3, 3), np.uint8))
    with pytest.raises(RecordError, match="'morphinfer segment' did not write it"):
        summarise(open_labels(tmp_path / "f.zarr"), None)
