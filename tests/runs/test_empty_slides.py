"""Slides without any contrast: refused, or background everywhere where that is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import refused
from commands import write_slide as write_image
from fakes import FakePredictor, fake_ensemble

from morphinfer import Options, open_slide, segment, segment_array, slide_from_array
from morphinfer.classes import LabelClass
from morphinfer.errors import EmptySlideError, ModelError, SlideError
from morphinfer.geometry import Window
from morphinfer.networks import load_ensemble
from morphinfer.runs import forecast_run, make_plan
from morphinfer.tiles import Normalisation
from networks import nuclei, save_set

pytest_plugins = ["commands"]

UM = 0.65
EMPTY = np.full((90, 70), 7, np.uint8)
AS_BACKGROUND = Options(on_empty="background")


def measuring(predictor=None, **changes):
    """Fake networks that want the slide's own intensities."""
    return fake_ensemble(predictor, normalisation=Normalisation(), **changes)


def test_an_empty_array_is_refused_by_default():
    with pytest.raises(EmptySlideError, match="accept an empty slide with `on_empty='background'`"):
        segment_array(EMPTY, pixel_size_um=UM, models=measuring())


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_empty_array_is_background_on_request_and_no_network_runs(value, dtype):
    predictor = FakePredictor()
    result = segment_array(
        np.full((90, 70), value, dtype), pixel_size_um=UM, models=measuring(predictor),
        options=AS_BACKGROUND,
    )  # fmt: skip
    assert (result.labels == 0).all()
    assert (result.probabilities[0] == 1).all()
    assert (result.probabilities[1:] == 0).all()
    assert predictor.calls == []


def test_background_is_the_class_of_that_role():
    classes = (
        LabelClass("cortex", "#111111", "target"), LabelClass("glass", "#222222", "background"),
    )  # fmt: skip
    result = segment_array(
        EMPTY, pixel_size_um=UM, models=measuring(classes=classes), options=AS_BACKGROUND
    )
    assert (result.labels == 1).all()


def test_without_a_class_of_that_role_an_empty_slide_stays_an_error():
    classes = (LabelClass("cortex", "#111111", "target"), LabelClass("wm", "#222222", "target"))
    with pytest.raises(ModelError, match="no contrast beyond the intensity 7, and no class"):
        segment_array(
            EMPTY, pixel_size_um=UM, models=measuring(classes=classes), options=AS_BACKGROUND
        )


def test_a_slide_with_contrast_is_segmented_as_ever():
    image = nuclei(90, 70)
    asked, usual = (
        segment_array(image, pixel_size_um=UM, models=measuring(), options=options)
        for options in (AS_BACKGROUND, Options())
    )
    np.testing.assert_array_equal(asked.labels, usual.labels)
    np.testing.assert_array_equal(asked.probabilities, usual.probabilities)


def test_a_slide_is_called_empty_only_after_all_of_it_was_looked_at():
    image = np.full((2600, 2600), 7, np.uint8)
    image[:90, -70:] = nuclei(90, 70)
    for options in (Options(), AS_BACKGROUND):
        assert not make_plan(slide_from_array(image, UM), measuring(), options).intensity.is_flat


def test_a_chunk_that_holds_nan_is_refused_though_the_slide_is_empty():
    image = np.zeros((90, 70), np.float32)
    image[50, 60] = np.nan
    with pytest.raises(SlideError, match="row 50, column 60"):
        segment_array(image, pixel_size_um=UM, models=measuring(), options=AS_BACKGROUND)


def test_the_forecast_of_an_empty_slide_computes_nothing(tmp_path):
    write_image(tmp_path / "e.zarr", EMPTY)
    predictor = FakePredictor()
    plan = make_plan(open_slide(tmp_path / "e.zarr"), measuring(predictor), AS_BACKGROUND)
    assert forecast_run(plan).skips_background
    assert predictor.calls == []


def test_an_empty_slide_is_published_as_background_and_its_record_says_why(tmp_path):
    write_image(tmp_path / "e.zarr", EMPTY)
    options = Options(on_empty="background", provider="cpu", uncertainty=True)
    ensemble = load_ensemble(save_set(tmp_path / "models", (46,)), options)
    done = segment(tmp_path / "e.zarr", models=ensemble)
    assert (done.labels.read(Window(0, 0, 12, 9)) == 0).all()
    assert done.record.skipping.on
    assert "no contrast beyond the intensity 7" in done.record.skipping.reason
    assert done.record.options["on_empty"] == "background"
    assert done.summary["class_fractions"]["background"] == 1
    assert done.summary["uncertain_fraction"] is None


def test_the_command_line_takes_an_empty_slide_on_request(call, models, tmp_path):
    write_image(tmp_path / "e.zarr", EMPTY)
    words = ("segment", "e.zarr", "--models", models, "--json", "-q", "--provider", "cpu")
    refused(call(*words), "constant", "with --on-empty background", "--channel")
    code, out, err = call(*words, "--on-empty", "background")
    assert (code, err) == (0, "")
    assert json.loads(out)["class_fractions"]["background"] == 1
    assert (tmp_path / "e_labels.html").is_file()
