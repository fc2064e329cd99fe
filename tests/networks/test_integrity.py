"""The files of a set are loaded only if they are those of which its card.json lists the hashes."""

from __future__ import annotations

import json
import logging
import shutil

import pytest

from morphinfer import ModelError, load_models
from morphinfer.networks.integrity import hashes_of
from networks import save_set


@pytest.fixture
def folder(tmp_path):
    """A set of two networks with a card.json that lists them."""
    folder = save_set(tmp_path / "set")
    write_card(folder, hashes_of(sorted(folder.glob("*.onnx"))))
    return folder


def write_card(folder, hashes):
    networks = [{"file": name, "sha256": sha256} for name, sha256 in hashes.items()]
    (folder / "card.json").write_text(json.dumps({"networks": networks}))


def test_a_set_loads_whose_files_are_those_of_its_card(folder):
    assert len(load_models(folder).files) == 2


def test_a_changed_file_is_refused_with_both_hashes(folder):
    file = folder / "p062.onnx"
    shutil.copy(folder / "p046.onnx", file)
    ours, theirs = (json.loads((folder / "card.json").read_text())["networks"][k] for k in (0, 1))
    with pytest.raises(ModelError) as refused:
        load_models(folder)
    assert str(refused.value) == (
        f"{file}: has the SHA-256 {ours['sha256'][:12]}, but card.json lists {theirs['sha256'][:12]}; the "
        f"set is damaged or was changed: copy or export it again, or, if the change is yours, remove "
        f"card.json"
    )
    (folder / "card.json").unlink()
    load_models(folder)


def test_a_missing_file_and_one_that_is_not_listed_are_refused(folder):
    (folder / "p046.onnx").rename(folder / "p999.onnx")
    with pytest.raises(ModelError, match=r"p046\.onnx: is missing, though card\.json lists it"):
        load_models(folder)
    shutil.copy(folder / "p999.onnx", folder / "p046.onnx")
    with pytest.raises(ModelError, match=r"p999\.onnx: is not listed in card\.json"):
        load_models(folder)


@pytest.mark.parametrize("text", ["{", "[1]", '{"networks": [{}]}', "[" * 100_000])
def test_a_card_that_cannot_be_read_is_refused(folder, text):
    (folder / "card.json").write_text(text)
    with pytest.raises(ModelError, match=r"card\.json: cannot be read"):
        load_models(folder)


def test_without_hashes_nothing_is_compared_and_only_the_log_says_so(folder, caplog):
    caplog.set_level(logging.INFO, "morphinfer.networks.integrity")
    load_models(folder / "p046.onnx")
    (folder / "card.json").write_text("{}")
    load_models(folder)
    (folder / "card.json").unlink()
    load_models(folder)
    assert [r.levelno for r in caplog.records if "no file was compared" in r.message] == [20] * 3
