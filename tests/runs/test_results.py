"""What a segmentation returns, and how it shows itself."""

from __future__ import annotations

import io
import shutil

import imagecodecs
import numpy as np
import pytest
from fakes import FakePredictor, fake_ensemble, write_slide

from morphinfer import Options, evaluate, load_ensemble, open_slide, segment, segment_array
from morphinfer.geometry import PixelGrid
from morphinfer.networks import normalised_entropy, quantise
from networks import nuclei, save_set

UM = 0.65
IMAGE = nuclei(61, 82)


@pytest.fixture
def result():
    return segment_array(IMAGE, pixel_size_um=UM, models=fake_ensemble(FakePredictor()))


def test_an_array_keeps_its_uncertainty_only_where_it_is_asked_for(result):
    assert result.uncertainty is None
    asked = segment_array(
        IMAGE, pixel_size_um=UM, models=fake_ensemble(), options=Options(uncertainty=True)
    )
    np.testing.assert_array_equal(asked.labels, result.labels)
    np.testing.assert_array_equal(asked.uncertainty, normalised_entropy(asked.probabilities))
    assert len(np.unique(asked.uncertainty)) > 10


def test_an_array_says_where_its_positions_lie(result):
    grid = result.grid
    assert isinstance(grid, PixelGrid)
    assert grid.shape == result.labels.shape == (16, 21)
    assert result.pixel_size_um == grid.pixel_size_um == pytest.approx(4 * UM)
    assert grid.corner_um == (0.0, 0.0)


def test_an_array_says_what_ran(result):
    assert result.record.provider.ran == "cpu"
    assert result.record.slide.shape == IMAGE.shape
    assert result.record.to_json()["stride_px"] == 4


def test_an_array_shows_itself_in_one_short_line(result):
    line = repr(result)
    assert line.startswith("<ArraySegmentation: 16 x 21 positions of 2.6 um; background ")
    assert line.count("%") == 4
    assert len(line) < 160


def test_a_label_image_shows_itself_with_its_place_and_mean_dice(tmp_path):
    path = write_slide(tmp_path / "s.zarr", IMAGE)
    first = segment(path, models=fake_ensemble(), out=tmp_path / "a.zarr")
    assert repr(first).startswith(
        f"<Segmentation {tmp_path / 'a.zarr'}: 16 x 21 positions of 2.6 um"
    )
    assert "Dice" not in repr(first)
    scored = segment(path, models=fake_ensemble(), out=tmp_path / "b.zarr", reference=first.labels)
    assert repr(scored).endswith("; mean Dice 1.000>")
    assert scored.grid.shape == (16, 21)


def test_the_layers_that_were_kept_are_arrays_of_a_result(tmp_path):
    path = write_slide(tmp_path / "s.zarr", IMAGE)
    options = Options(probabilities=True, uncertainty=True)
    kept = segment(path, models=fake_ensemble(), out=tmp_path / "a.zarr", options=options)
    arrays = segment_array(IMAGE, pixel_size_um=UM, models=fake_ensemble(), options=options)
    np.testing.assert_array_equal(kept.uncertainty[:], arrays.uncertainty)
    np.testing.assert_array_equal(kept.probabilities[:], quantise(arrays.probabilities))


def test_layers_of_an_earlier_run_beside_a_result_are_not_its_own(tmp_path):
    path, out = write_slide(tmp_path / "s.zarr", IMAGE), tmp_path / "a.zarr"
    segment(path, models=fake_ensemble(), out=out, options=Options(uncertainty=True))
    shutil.rmtree(out)
    bare = segment(path, models=fake_ensemble(), out=out)
    assert (tmp_path / "a_uncertainty.zarr").exists()
    assert (bare.probabilities, bare.uncertainty) == (None, None)


def test_results_draw_their_classes_in_jupyter(result, tmp_path):
    path = write_slide(tmp_path / "s.zarr", IMAGE)
    labels = segment(path, models=fake_ensemble(), out=tmp_path / "a.zarr")
    in_memory, on_disk = result._repr_png_(), labels._repr_png_()
    assert in_memory == on_disk
    picture = imagecodecs.png_decode(io.BytesIO(in_memory).getvalue())
    assert picture.shape[1] == 8 * 21
    colours = {tuple(c) for c in picture[: 8 * 16].reshape(-1, 3).tolist()}
    wanted = {tuple(bytes.fromhex(c.colour[1:])) for c in result.classes}
    assert colours <= wanted
    assert len(colours) > 1


def test_what_a_run_is_made_of_shows_itself_in_one_short_line(tmp_path):
    path = write_slide(tmp_path / "s.zarr", IMAGE)
    folder = save_set(tmp_path / "models", (46, 62))
    ensemble = load_ensemble(folder, Options(provider="cpu", stride_px=4))
    labels = segment(path, models=ensemble).labels
    scores = evaluate(labels, labels)
    shown = {
        "Slide": repr(open_slide(path)),
        "LabelImage": repr(labels),
        "ModelSet": repr(ensemble.models),
        "Ensemble": repr(ensemble),
        "Scores": repr(scores),
    }
    assert (
        shown["Slide"] == f"<Slide {path}: 61 x 82 pixels of 0.65 um, uint8, channel 0, levels: 1>"
    )
    assert shown["ModelSet"].startswith("<ModelSet random: patches of 46, 62 px at 0.65 um; backgr")
    assert shown["Ensemble"] == "<Ensemble random: dense on cpu, stride 4 px>"
    assert shown["Scores"].startswith("<Scores: mean Dice 1.000 (background ")
    assert "16 x 21 pixels of 2.6 um; background, tissue, GeneA, GeneB" in shown["LabelImage"]
    for name, text in shown.items():
        assert text.startswith(f"<{name} ") or name == "Scores"
        assert "\n" not in text
