"""The shipped sets on the sections that they were trained on; skipped where those are absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from morphinfer import Options, load_models, open_slide, segment_array
from morphinfer.runs import make_plan

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MORPHINFER_DATA", ROOT.parent / "shared" / "data"))
IMAGE = DATA / "ca1" / "nuclei.tif"
CA1_UM = 0.325


@pytest.fixture(scope="module")
def image():
    if not IMAGE.is_file():
        pytest.skip(f"{IMAGE} is not there; set MORPHINFER_DATA to the folder of the real sections")
    import tifffile

    return np.ascontiguousarray(tifffile.imread(IMAGE)[1500:2100, 1700:2400])


@pytest.fixture(scope="module")
def models():
    return load_models("hippocampus")


def test_dense_equals_windows_on_real_tissue(image, models):
    dense, windows = (
        segment_array(
            image,
            pixel_size_um=CA1_UM,
            models=models,
            options=Options(mode=mode, provider="cpu"),
        )
        for mode in ("dense", "windows")
    )
    assert np.abs(dense.probabilities - windows.probabilities).max() <= 1e-5
    assert len(np.unique(dense.labels)) >= 2


@pytest.mark.parametrize("tile_px", [64, 200])
def test_labels_of_real_tissue_do_not_depend_on_the_tile(image, models, tile_px):
    whole, tiled = (
        segment_array(
            image,
            pixel_size_um=CA1_UM,
            models=models,
            options=Options(tile_px=px, max_memory_mb=8000, provider="cpu"),
        )
        for px in (4096, tile_px)
    )
    np.testing.assert_array_equal(whole.labels, tiled.labels)


@pytest.mark.parametrize(
    ("name", "other_animal"), [("hippocampus", True), ("septum", True), ("pancreas", False)]
)
def test_the_figures_of_a_model_card_follow_from_its_confusion_matrices(name, other_animal):
    figures = json.loads((ROOT / "models" / name / "figures.json").read_text(encoding="utf-8"))
    assert [s["independent"] for s in figures["sections"]] == [False, other_animal]
    for section in figures["sections"]:
        for method in section["methods"]:
            matrix = np.array(method["confusion"])
            held = matrix.sum(axis=1) > 0
            sizes = matrix.sum(axis=0) + matrix.sum(axis=1)
            dice = 2 * matrix.diagonal() / np.maximum(sizes, 1)
            assert method["dice"]["mean"] == pytest.approx(dice[held].mean())
            assert matrix.sum() == section["cells"]


@pytest.mark.parametrize(
    ("name", "models", "pixel_size_um"),
    [
        ("ca1", "hippocampus", CA1_UM),
        ("septum_1", "septum", 0.30),
        ("pancreas_top", "pancreas", 0.2125),
    ],
)
def test_a_section_that_was_trained_on_fits(name, models, pixel_size_um):
    path = DATA / name / "nuclei.tif"
    if not path.is_file():
        pytest.skip(f"{path} is not there; set MORPHINFER_DATA to the folder of the real sections")
    slide = open_slide(path, pixel_size_um=pixel_size_um)
    plan = make_plan(slide, models, Options(provider="cpu", skip_background="off"))
    assert plan.fit.checked
    assert plan.fit.distance < 0.3
    assert not any("does not look like" in warning for warning in plan.warnings)
