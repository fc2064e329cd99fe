"""``morphinfer models show``: the card, and whether the files are still those that it lists."""

from __future__ import annotations

import json
import shutil

import pytest
from commands import runner

from morphinfer.cli.models import models
from morphinfer.errors import ModelError
from morphinfer.networks.loading import shipped_sets
from morphinfer.networks.modelsets import show_set


@pytest.fixture
def copied(tmp_path):
    """A shipped set in a folder of its own."""
    return shutil.copytree(shipped_sets()["phantom"], tmp_path / "phantom")


def call(*words):
    return runner().invoke(models, ["show", *map(str, words)])


@pytest.mark.parametrize("name", list(shipped_sets()))
def test_the_files_of_a_shipped_set_are_those_of_its_card(name):
    shown = show_set(name)
    assert shown["changed"] == []
    assert {n["file"]: n["sha256"] for n in shown["card"]["networks"]} == shown["sha256"]


def test_the_card_is_printed_as_it_stands():
    done = call("phantom")
    assert done.stdout == (shipped_sets()["phantom"] / "README.md").read_text(encoding="utf-8")


def test_one_json_object_holds_card_and_hashes(copied):
    shown = json.loads(call(copied, "--json").stdout)
    assert shown["card"]["name"] == "phantom"
    assert sorted(shown["sha256"]) == sorted(p.name for p in copied.glob("*.onnx"))


def test_a_file_that_is_not_the_one_of_the_card_is_reported(copied):
    card = json.loads((copied / "card.json").read_text())
    card["networks"][0]["sha256"] = "0" * 64
    (copied / "card.json").write_text(json.dumps(card))
    done = call(copied)
    assert done.exit_code == 0
    name = card["networks"][0]["file"]
    assert f"{name} is missing, or is not the file that the card of" in done.stderr


def test_files_that_are_gone_or_that_the_card_does_not_list_are_reported(copied):
    (copied / "p048.onnx").rename(copied / "other.onnx")
    assert show_set(copied)["changed"] == ["other.onnx", "p048.onnx"]


def test_a_set_without_cards_shows_what_its_files_say(copied):
    (copied / "card.json").unlink()
    (copied / "README.md").unlink()
    shown = json.loads(call(copied).stdout)
    assert shown["classes"] == ["background", "tissue", "GeneA", "GeneB"]
    assert "protocol" in shown["provenance"]
    assert [n["patch_size_px"] for n in shown["networks"]] == [48, 64, 96, 128, 160]


def test_a_damaged_card_is_refused_by_name(copied):
    (copied / "card.json").write_text("{")
    with pytest.raises(ModelError, match=r"card\.json: cannot be read"):
        show_set(copied)
