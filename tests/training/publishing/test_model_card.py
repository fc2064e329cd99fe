"""Model cards generated from card.json and figures.json; all figures here are invented."""

from __future__ import annotations

import json

import pytest

from morphinfer.errors import ModelError
from morphinfer.networks.loading import shipped_sets
from morphinfer_training.publishing.card_files import card_text, write_cards
from morphinfer_training.publishing.model_card import model_card

DICE = {"mean": 0.5, "per_class": {"background": 0.75, "tissue": None}}
CARD = {
    "name": "invented",
    "pixel_size_um": 0.65,
    "stride_px": 8,
    "classes": ["background", "tissue"],
    "networks": [
        {"network": "p046", "file": "p046.onnx", "patch_size_px": 46, "fusion_weight": 1.0,
         "sha256": "ab" * 32},
    ],
    "provenance": {
        "date": "2026-01-02", "device": "cpu", "protocol": "blocks.", "versions": {"torch": "2"},
        "sections": [{"name": "s.zarr", "synthetic": True, "held_out_cells": 5,
                      "trained_cells": {"background": 7, "tissue": 0}}],
        "validation": {"networks": {"p046": DICE}, "fused": DICE, "temperatures": [0.8],
                       "calibration_error": 0.0123},
        "history": {"p046": {"step": [50, 100], "loss": [1.5, 0.5], "mean_dice": [0.4, 0.3]}},
        "config": {"seed": 3, "card": {"limits": ["Do not use for livers."], "stain": "DAPI",
                                       "citations": ["Somebody 2020"]}},
    },
}  # fmt: skip
FIGURES = {
    "sections": [
        {"section": "other", "independent": True, "classes": ["background", "tissue"],
         "block_um": 200.0, "blocks": 12, "cells": 99, "methods": [
             {"name": "fused", "dice": DICE, "intervals": {"mean": [0.4, 0.6]},
              "above_random_forest": {"mean": 0.125, "interval": [0.05, 0.2]}},
             {"name": "bare", "dice": DICE},
         ]},
    ]
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "card.json").write_text(card_text(CARD))
    return tmp_path


def test_a_card_shows_data_limits_figures_hashes_and_history():
    text = model_card({**CARD, "figures": FIGURES})
    for part in (
        "- Do not use for livers.", "- Stain: DAPI",
        "s.zarr (synthetic): training positions: background 7; held",
        "| p046 | 1.000 | 0.500 | 0.750 | n/a |", "Temperatures: 0.80", "of the fusion: 0.012.",
        "## other: an independent section", "| fused | 0.750 | n/a | 0.500 | 0.400 to 0.600 "
        "| +0.125 (+0.050 to +0.200) |",
        "| bare | 0.750 | n/a | 0.500 |  |  |", "ab" * 32, "| p046 | 100 | 0.500 | 0.400 |",
        "- Somebody 2020",
    ):  # fmt: skip
        assert part in text


def test_figures_are_added_to_both_cards_without_training(folder):
    (folder / "figures.json").write_text(json.dumps(FIGURES))
    write_cards(folder)
    assert json.loads((folder / "card.json").read_text())["figures"] == FIGURES
    assert "an independent section" in (folder / "README.md").read_text()


def test_incomplete_figures_are_shown_with_gaps():
    sections = [
        {"section": "bare", "methods": [{"name": "fused"}]},
        {"section": "empty", "independent": True},
    ]
    text = model_card({**CARD, "figures": {"sections": sections}})
    assert "| fused | n/a | n/a | n/a |  |  |" in text
    assert "empty" not in text


def test_a_card_without_figures_is_written_too(folder):
    write_cards(folder)
    assert (folder / "README.md").read_text().startswith("# invented\n")


def test_missing_texts_are_shown_as_not_documented():
    config = {"seed": 3}
    text = model_card({**CARD, "provenance": {**CARD["provenance"], "config": config}})
    assert "- Preparation: not documented" in text
    assert "- Licence: not documented" in text


def test_figures_that_were_removed_are_removed_from_the_cards(folder):
    (folder / "figures.json").write_text(json.dumps(FIGURES))
    write_cards(folder)
    (folder / "figures.json").unlink()
    write_cards(folder)
    assert "figures" not in json.loads((folder / "card.json").read_text())
    assert "independent section" not in (folder / "README.md").read_text()


@pytest.mark.parametrize("content", [None, "{", "[1]", '{"name": "x"}'])
def test_a_damaged_card_is_refused_and_nothing_written(content, tmp_path):
    if content is not None:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(ModelError, match=r"its card.json or figures.json cannot be read"):
        write_cards(tmp_path)
    assert not (tmp_path / "README.md").exists()


@pytest.mark.parametrize("name", list(shipped_sets()))
def test_the_readme_of_a_shipped_set_is_generated_from_its_card(name):
    shipped = shipped_sets()[name]
    card = json.loads((shipped / "card.json").read_text(encoding="utf-8"))
    assert (shipped / "README.md").read_text(encoding="utf-8") == model_card(card)
