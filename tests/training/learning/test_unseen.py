"""The test part of a section: never trained on, at a distance from all else, measured once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt
from synthetic_section import STRIDE, make_config, make_section, write_section

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError
from morphinfer_training.learning.split import Parts, Split, check_split, split_section
from morphinfer_training.learning.split import test_gap_positions as gap_around
from morphinfer_training.publishing.model_card import model_card
from morphinfer_training.train import load_data, train

BLOCKS = {"block_um": 42, "fraction": 0.3}
TILES = {"steps": 4, "batch": 2, "tile_cells": 2, "evaluate_every": 2}


def config_of(**changes):
    return make_config(**{"validation": BLOCKS, "training": TILES, **changes})


def test_training_and_held_out_positions_keep_half_a_patch_and_a_tile_from_the_test_part():
    labels = make_section(cols=90).labels
    config = config_of(test={"side": "left", "fraction": 0.2})
    split = split_section(labels, config, 0)
    assert split.test.sum() == ((labels != UNLABELLED) & (np.arange(90) < 18)).sum()
    distance = distance_transform_cdt(~split.test, "chessboard")
    reach = max(config.patch_sizes_px) / 2 + STRIDE * (config.training.tile_cells - 1)
    for used in (split.train, split.validation):
        assert used.any()
        assert (distance[used].min() - 1) * STRIDE >= reach
    assert gap_around(config) == distance[split.train].min() - 1


def test_polygons_state_the_parts():
    labels = make_section().labels
    rows, cols = np.mgrid[:24, :60]
    parts = Parts(cols >= 50, (cols < 12) & (rows < 12))
    split = split_section(labels, config_of(validation={"polygons": ["v"]}), 0, parts)
    known = labels != UNLABELLED
    assert np.array_equal(split.validation, known & parts.validation)
    assert np.array_equal(split.test, known & parts.test)
    assert not (split.train & (parts.validation | parts.test)).any()
    assert split_section(labels, config_of(), 0).test is None


def test_a_set_is_measured_on_its_test_part_and_the_card_says_so(tmp_path):
    section = write_section(tmp_path)
    (tmp_path / "test.csv").write_text("x,y\n0,0\n100,0\n100,200\n0,200\n")
    config = config_of(test={"polygons": ["test.csv"]})
    card = train(config, tmp_path / "sets" / "mine", folder=tmp_path, device="cpu")
    test = card["provenance"]["test"]
    inside = section.labels[:, :12] != UNLABELLED  # centres in columns 0 to 100
    assert test["cells"] == inside.sum() == sum(test["class_cells"].values())
    assert card["provenance"]["sections"][0]["test_cells"] == test["cells"]
    assert 0 <= test["fused"]["mean"] <= 1
    assert test["part"] == "the inside of test.csv"
    text = model_card(card)
    assert "## Test part of the training sections" in text
    assert "measured once, after all choices" in text
    assert json.loads((tmp_path / "sets/mine/card.json").read_text())["provenance"]["test"] == test


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"test": {"side": "left", "polygons": ["a.csv"]}}, "test: side or polygons, not both"),
        ({"test": {"polygons": ["a", "b"]}}, r"test.polygons: one file for each section"),
        ({"validation": {"side": "top", "polygons": ["a"]}}, "validation: side or polygons"),
    ],
)
def test_parts_that_contradict_are_refused(table, message):
    with pytest.raises(ConfigError, match=message):
        config_of(**table)


def test_a_test_part_without_labels_is_refused(tmp_path):
    write_section(tmp_path)
    (tmp_path / "test.csv").write_text("x,y\n0,0\n7,0\n7,200\n0,200\n")  # column 0 is unlabelled
    with pytest.raises(ConfigError, match="the test part has no labelled position"):
        load_data(config_of(test={"polygons": ["test.csv"]}), tmp_path)


def test_classes_that_the_test_part_lacks_are_named():
    labels = np.tile(np.array([0, 1, 2], np.uint8), (24, 20))
    test = np.zeros(labels.shape, np.bool_)
    test[:, :18:3] = True
    with pytest.warns(UserWarning, match="no position of 'tissue', 'gene A' in the test part"):
        check_split([labels], [Split(~test, ~test, test)], config_of())
