"""A slide that does not look like the training sections, or is all background, gives a warning."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from appearing import blurred, section, trained_on
from commands import CPU, write_slide
from fakes import FakePredictor, fake_ensemble

from morphinfer import Options, open_slide, segment_array, slide_from_array
from morphinfer.geometry import Window
from morphinfer.images import open_labels
from morphinfer.phantom import make_phantom
from morphinfer.runs import make_plan
from morphinfer.runs.plan import run_start
from morphinfer.tiles.normalisation import Normalisation
from networks import save_set

pytest_plugins = ["commands"]

UM = 0.65
NOISE = np.random.default_rng(0).integers(0, 255, (480, 480)).astype(np.uint8)


@pytest.fixture(scope="module")
def provenance():
    return trained_on(section(), UM)


@pytest.fixture
def planned(provenance):
    """Plan for an array with fake networks that were trained on `section`."""

    def plan(image, um=UM, provenance=provenance):
        ensemble = fake_ensemble(normalisation=Normalisation(), provenance=provenance)
        return make_plan(slide_from_array(image, um), ensemble, Options(skip_background="off"))

    return plan


@pytest.mark.parametrize(
    ("image", "um", "words"),
    [
        (255 - section(seed=1), UM, "dark on bright ground"),
        (blurred(section(seed=1), 4), UM, "coarser: larger nuclei, blur"),
        (NOISE, UM, "it is mostly noise"),
        (section(1000, seed=1), UM / 2, "finer: smaller nuclei, or a pixel size stated too small"),
        (
            section(320, seed=1),
            2 * UM,
            "coarser: larger nuclei, blur, or a pixel size stated too large",
        ),
    ],
    ids=["inverted", "blurred", "noise", "half the pixel size", "twice the pixel size"],
)
def test_a_slide_that_looks_otherwise_gives_a_warning(planned, caplog, image, um, words):
    with caplog.at_level(logging.WARNING, "morphinfer"):
        record = run_start(planned(image, um))
    (warning,) = record.warnings
    assert warning.startswith("array: does not look like the training sections of the model set")
    assert words in warning
    assert [r.getMessage() for r in caplog.records].count(warning) == 1
    assert record.fit.checked
    assert record.fit.distance > 1


def test_a_slide_of_the_kind_that_was_trained_on_gives_no_warning(planned):
    record = run_start(planned(section(seed=1)))
    assert record.warnings == ()
    assert record.fit.checked
    assert record.fit.distance < 0.5
    assert record.fit.nearest == "trained.zarr"


@pytest.mark.parametrize("seed", [2, 7])
def test_a_synthetic_section_fits_the_set_phantom_and_its_negative_does_not(tmp_path, seed):
    slide = open_slide(make_phantom(tmp_path / "animal", seed=seed, size=(600, 640)).slide)
    pixels = slide.read(Window(0, 0, *slide.shape))
    options = Options(provider="cpu", skip_background="off")
    assert make_plan(slide, "phantom", options).warnings == ()
    negative = slide_from_array(pixels.max() - pixels, slide.pixel_size_um)
    (warning,) = make_plan(negative, "phantom", options).warnings
    assert "dark on bright ground" in warning


def test_without_statistics_in_the_card_the_record_says_that_nothing_was_checked(planned):
    record = run_start(planned(255 - section(), provenance={}))
    assert record.warnings == ()
    assert not record.fit.checked
    assert record.fit.reason == "the cards of the models hold no statistics"


def test_a_result_that_is_all_background_gives_a_warning(caplog):
    ensemble = fake_ensemble(FakePredictor(dark=0))
    with caplog.at_level(logging.WARNING, "morphinfer"):
        record = segment_array(
            np.full((120, 100), 9, np.uint8), pixel_size_um=UM, models=ensemble
        ).record
    (warning,) = record.warnings
    assert warning.startswith("array: background at 750 of 750 positions")
    assert warning in caplog.messages


def test_a_result_with_some_tissue_gives_none():
    image = np.full((120, 100), 9, np.uint8)
    image[40:60, 40:60] = 255
    record = segment_array(
        image, pixel_size_um=UM, models=fake_ensemble(FakePredictor(dark=0))
    ).record
    assert record.warnings == ()


def test_segment_plan_record_and_page_carry_the_warning(call, tmp_path, provenance):
    write_slide(tmp_path / "h.zarr", 255 - section(480, seed=1))
    models = str(save_set(tmp_path / "models", (46,), provenance=provenance))
    code, out, err = call("plan", "h.zarr", "--models", models, "--json", *CPU)
    assert code == 0
    (warning,) = json.loads(out)["warnings"]
    assert warning.startswith("h.zarr: does not look like the training sections")
    assert err.count("dark on bright ground") == 1
    code, out, err = call("segment", "h.zarr", "--models", models, "--json", *CPU)
    assert code == 0
    assert err.count("dark on bright ground") == 1
    assert warning in json.loads(out)["warnings"]
    record = open_labels(tmp_path / "h_labels.zarr").run_record()
    assert warning in record.warnings
    assert record.fit.slide["skewness"] < 0
    page = (tmp_path / "h_labels.html").read_text(encoding="utf-8")
    assert "dark on bright ground" in page
    assert "Departures are from trained.zarr" in page


def test_an_all_background_label_image_says_so_in_terminal_record_and_page(call, tmp_path):
    write_slide(tmp_path / "e.zarr", np.full((90, 70), 7, np.uint8))
    models = str(save_set(tmp_path / "models", (46,)))
    code, out, err = call(
        "segment", "e.zarr", "--models", models, "--json", "--on-empty", "background", *CPU
    )
    assert code == 0
    (warning,) = json.loads(out)["warnings"]
    assert "the networks found no tissue" in warning
    assert err.count("found no tissue") == 1
    assert open_labels(tmp_path / "e_labels.zarr").run_record().warnings == (warning,)
    assert "found no tissue" in (tmp_path / "e_labels.html").read_text(encoding="utf-8")
