"""The JSON file beside a network: what it may be, and when it is not read."""

from __future__ import annotations

import json

import pytest
from foreign import SIDE, Foreign, refused, sidecar

from morphinfer import load_models


@pytest.mark.parametrize("text", ["[]", '"card"', "3", "null", "{", "", "\ufeff[1]"])
def test_a_sidecar_that_is_no_object_is_refused_by_its_name(tmp_path, text):
    path = Foreign().save(tmp_path / "theirs.onnx")
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    refused(path, "theirs.json: ")


def test_a_sidecar_may_begin_with_a_mark_of_byte_order(tmp_path):
    path = Foreign().save(tmp_path / "theirs.onnx")
    path.with_suffix(".json").write_text(json.dumps(sidecar()), encoding="utf-8-sig")
    assert load_models(path).card.patch_size_px == SIDE


def test_a_card_beside_a_network_that_has_one_is_said_not_to_be_read(random_models, caplog):
    path = random_models.files[0].path
    beside = path.with_suffix(".json")
    beside.write_text("{}")
    try:
        load_models(path)
    finally:
        beside.unlink()
    assert f"{beside} is not read, since {path.name} holds a card of its own" in caplog.text
