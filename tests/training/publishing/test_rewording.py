"""New texts of a shipped set, copied into a folder of its own."""

from __future__ import annotations

import json
import shutil

import onnx
import pytest

from morphinfer.errors import ModelError
from morphinfer.networks import (
    METADATA_KEY,
    load_models,
    show_set,
    training_appearances,
    verify_set,
)
from morphinfer.networks.loading import shipped_sets
from morphinfer.tiles import Appearance
from morphinfer_training.config import CardConfig
from morphinfer_training.publishing import add_appearances, reword_set

TEXTS = CardConfig(description="Finds hearts.", limits=("Do not use for livers.",))


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(shipped_sets()["phantom"], tmp_path / "phantom")


def graphs(folder):
    return {path.name: onnx.load(path).graph for path in sorted(folder.glob("*.onnx"))}


def test_new_texts_are_in_all_files_and_the_networks_stay(copied):
    before = graphs(copied)
    reword_set(copied, TEXTS)
    assert graphs(copied) == before
    for path in copied.glob("*.onnx"):
        card = json.loads({p.key: p.value for p in onnx.load(path).metadata_props}[METADATA_KEY])
        assert card["provenance"]["config"]["card"]["limits"] == ["Do not use for livers."]
    shown = show_set(copied)
    assert shown["changed"] == []
    assert "Finds hearts." in shown["markdown"]
    assert "- Do not use for livers." in shown["markdown"]
    assert len(verify_set(copied)) == len(before)


def test_the_texts_that_a_set_has_change_no_byte(copied):
    before = {path.name: path.read_bytes() for path in copied.iterdir() if path.is_file()}
    config = json.loads(before["card.json"])["provenance"]["config"]["card"]
    reword_set(copied, CardConfig(**config))
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before


def test_new_statistics_are_in_all_files_and_the_networks_stay(copied):
    before = graphs(copied)
    seen = Appearance(
        skewness=(1, 2, 3), grain=(0.3, 0.4, 0.5), detail_um=(4, 5, 6), peaks=(10, 20, 30)
    )
    add_appearances(copied, {"slide.zarr": seen})
    assert graphs(copied) == before
    models = load_models(copied)
    assert training_appearances(models) == {"slide.zarr": seen}
    assert all(file.card.provenance == models.card.provenance for file in models.files)
    assert show_set(copied)["changed"] == []
    assert len(verify_set(copied)) == len(before)


def test_a_section_without_statistics_is_refused_and_nothing_is_written(copied):
    before = {path.name: path.read_bytes() for path in copied.iterdir() if path.is_file()}
    with pytest.raises(ModelError, match=r"trained on slide\.zarr, which is not among"):
        add_appearances(copied, {"other.zarr": None})
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before


@pytest.mark.parametrize("name", shipped_sets())
def test_the_cards_of_shipped_sets_say_how_their_sections_look(name):
    models = load_models(name)
    assert list(training_appearances(models)) == [
        section["name"] for section in models.card.provenance["sections"]
    ]


def test_a_foreign_model_is_refused(copied):
    path = copied / "p048.onnx"
    model = onnx.load(path)
    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="a foreign ONNX model"):
        reword_set(copied, TEXTS)
