"""Networks that see brightness: from the training to the files, and the choice between both kinds."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_section import make_config, make_section, write_section

from morphinfer.errors import ConfigError
from morphinfer.images import slide_from_array
from morphinfer.networks import load_models
from morphinfer_training.learning import brightness as module
from morphinfer_training.learning.scanners import full_scale, scanned
from morphinfer_training.learning.split import split_section
from morphinfer_training.publishing.half import halve_set
from morphinfer_training.publishing.joined_graph import check_joined, join_networks
from morphinfer_training.train import train

TRAINING = {"steps": 2, "batch": 2, "tile_cells": 2, "evaluate_every": 2}


def trained(folder, brightness):
    """Card of a tiny set."""
    write_section(folder)
    config = make_config(brightness=brightness, training=TRAINING)
    return train(config, folder / "set", folder=folder, device="cpu")


def test_networks_that_see_brightness_are_exported_halved_and_joined(tmp_path):
    card = trained(tmp_path, "seen")
    assert card["provenance"]["config"]["brightness"] == "seen"
    assert card["networks"][0]["greatest_differences"]["dense"] <= 1e-5
    assert "The networks see brightness" in (tmp_path / "set" / "README.md").read_text()
    models = load_models(tmp_path / "set")
    assert check_joined(join_networks(models), models, 96) <= 1e-5
    halved = halve_set(tmp_path / "set", tmp_path / "half")
    assert halved["networks"][0]["greatest_differences"]["torch"] <= 1e-2


@pytest.mark.parametrize(("scanners", "kept"), [((3.0, -3.0), None), ((-3.0, 3.0), "seen")])
def test_of_both_kinds_the_one_with_the_higher_mean_is_kept(tmp_path, monkeypatch, scanners, kept):
    monkeypatch.setattr(module, "scanner_figures", lambda *rest: list(scanners))
    card = trained(tmp_path, "auto")
    provenance = card["provenance"]
    assert provenance["config"].get("brightness") == kept
    figures = provenance["validation"]["brightness"]
    assert [figures[kind]["scanners"] for kind in ("blind", "seen")] == list(scanners)
    assert figures["seen"]["mean"] == pytest.approx(
        (figures["seen"]["held_out"] + scanners[1]) / 2, abs=1e-4
    )
    best = max(provenance["history"]["p048"]["mean_dice"])
    log = tmp_path / "set.run" / ("p048-seen" if kept else "p048") / "log.csv"
    assert float(log.read_text().splitlines()[1].split(",")[4]) == pytest.approx(best, abs=1e-4)
    assert "Trained as seen, the mean Dice is" in (tmp_path / "set" / "README.md").read_text()


def test_blind_networks_are_kept_on_a_tie(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "scanner_figures", lambda *rest: [0.5, 0.5])
    monkeypatch.setattr(module, "mean_dice", lambda dice: 0.5)
    assert "brightness" not in trained(tmp_path, "auto")["provenance"]["config"]


def test_both_kinds_are_scored_under_the_simulated_scanners(tmp_path):
    figures = trained(tmp_path, "auto")["provenance"]["validation"]["brightness"]
    assert list(figures) == ["blind", "seen"]
    assert all(0 < figures[kind]["scanners"] < 1 for kind in figures)


@pytest.mark.parametrize("scanner", ["as scanned", "pixel size 20 % too small"])
def test_a_simulated_scanner_keeps_which_positions_are_held_out(scanner):
    config, section = make_config(), make_section()
    pixels = (section.image.clip(0, 1) * 255).astype(np.uint8)
    split = split_section(section.labels, config, 0)
    slide = slide_from_array(pixels, config.pixel_size_um)
    shown, moved = scanned(slide, section, split, config, scanner)
    assert (
        shown.labels.shape == moved.validation.shape == tuple(-(-n // 8) for n in shown.image.shape)
    )
    assert moved.validation.mean() == pytest.approx(split.validation.mean(), abs=0.02)


def test_a_slide_of_16_bits_is_white_where_normalisation_clips():
    norm = {"method": "fixed", "low": 100.0, "high": 1100.0}
    config = make_config(normalisation=norm)
    slide = slide_from_array(np.full((64, 64), 7, np.uint16), config.pixel_size_um)
    assert full_scale(slide, config) == 2100.0


def test_another_word_for_brightness_is_refused():
    with pytest.raises(ConfigError, match="brightness = 'dark'; it must be one of 'blind', 'seen'"):
        make_config(brightness="dark")
