"""Cards: what a model says of itself survives the way through JSON, and nonsense is refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morphinfer.classes import DEFAULT_COLOURS, LabelClass, default_classes
from morphinfer.errors import ModelError
from morphinfer.networks.cards import (
    Card,
    Normalisation,
    TestVector,
    decode_card,
    encode_card,
    pack_array,
    unpack_array,
)

CARD = Card(
    set_name="mouse-brain",
    network="p094",
    classes=default_classes(("background", "tissue", "Gad1")),
    pixel_size_um=0.65,
    patch_size_px=94,
    stride_px=8,
    padding_free=True,
    normalisation=Normalisation(low=40, high=80, clip=(-1.0, 3.0)),
    fusion_weight=0.25,
    output="logits",
    provenance={"seed": 1, "dice": [0.5, None]},
    test_vectors=(
        TestVector(np.ones((94, 94), np.float32), np.full((3, 1, 1), 1 / 3, np.float32)),
    ),
)


def edited(**changes):
    return json.dumps({**json.loads(encode_card(CARD)), **changes})


def without(*keys):
    plain = json.loads(encode_card(CARD))
    return json.dumps({k: v for k, v in plain.items() if k not in keys})


def test_a_card_survives_the_way_through_json():
    card = decode_card(encode_card(CARD), "m.onnx")
    for one in fields(Card):
        if one.name != "test_vectors":
            assert getattr(card, one.name) == getattr(CARD, one.name)
    (vector,), (expected,) = card.test_vectors, CARD.test_vectors
    np.testing.assert_array_equal(vector.image, expected.image)
    np.testing.assert_array_equal(vector.probabilities, expected.probabilities)


def test_the_text_of_a_card_is_the_same_each_time():
    again = decode_card(encode_card(CARD), "m.onnx")
    assert encode_card(again) == encode_card(CARD)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
        elements=st.floats(width=32),
    )
)
def test_arrays_survive_the_way_through_json_to_the_bit(array):
    back = unpack_array(json.loads(json.dumps(pack_array(array))))
    assert back.dtype == np.float32
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_a_foreign_card_needs_classes_pixel_size_and_patch_size_only():
    plain = json.loads(encode_card(CARD))
    kept = {k: plain[k] for k in ("classes", "pixel_size_um", "patch_size_px")}
    card = decode_card(json.dumps(kept), "foreign.json")
    assert (card.stride_px, card.padding_free, card.fusion_weight) == (47, False, 1.0)
    assert (card.output, card.normalisation) == ("probabilities", Normalisation())
    assert card.test_vectors == ()


@pytest.mark.parametrize("key", ["classes", "pixel_size_um", "patch_size_px"])
def test_a_card_without_what_is_needed_is_refused(key):
    with pytest.raises(ModelError, match=f"m.onnx: its morphinfer card cannot be read .*{key}"):
        decode_card(without(key), "m.onnx")


def test_a_card_of_a_later_format_is_refused_and_an_update_named():
    with pytest.raises(ModelError, match="card format 2, this version reads 1; update morphinfer"):
        decode_card(edited(format=2), "m.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"card"', '{"format": "new"}'])
def test_text_that_is_no_card_is_refused(text):
    with pytest.raises(ModelError, match="cannot be read"):
        decode_card(text, "m.onnx")


@pytest.mark.parametrize(
    "changes",
    [
        {"patch_size_px": 0}, {"stride_px": 0}, {"stride_px": -8}, {"pixel_size_um": 0},
        {"pixel_size_um": -0.65}, {"pixel_size_um": 1000}, {"pixel_size_um": float("nan")},
        {"fusion_weight": -0.1}, {"fusion_weight": float("nan")},
        {"fusion_weight": float("inf")}, {"output": "scores"}, {"classes": []},
        {"normalisation": {"method": "zscore"}}, {"normalisation": {"high": 101}},
        {"normalisation": {"method": "fixed", "low": 9, "high": 9}},
        {"normalisation": {"clip": [1, 0]}}, {"normalisation": {"clip": [0]}},
    ],
)  # fmt: skip
def test_impossible_values_are_refused(changes):
    with pytest.raises(ModelError, match="impossible; export the model again"):
        decode_card(edited(**changes), "m.onnx")


@pytest.mark.parametrize(
    "changes",
    [
        {"normalisation": {"median": 1}}, {"normalisation": {"low": "dark"}},
        {"classes": [{"name": "a"}]}, {"classes": 3}, {"pixel_size_um": "small"},
        {"test_vectors": [{"image": {"shape": [2], "float32": "????"}, "probabilities": {}}]},
        {"test_vectors": [{"image": {"shape": [3], "float32": "eJwDAAAAAAE="}}]},
        {"test_vectors": [{}]},
    ],
)  # fmt: skip
def test_malformed_values_are_refused(changes):
    with pytest.raises(ModelError, match="cannot be read"):
        decode_card(edited(**changes), "m.onnx")


def test_the_role_of_a_class_is_written_and_read_back():
    classes = (
        LabelClass("tissue", "#000000", "target"), LabelClass("glass", "#808080", "background"),
    )  # fmt: skip
    text = encode_card(replace(CARD, classes=classes))
    assert [c["role"] for c in json.loads(text)["classes"]] == ["target", "background"]
    assert decode_card(text, "m.onnx").classes == classes


def test_a_class_without_a_role_has_that_of_its_name():
    plain = [{"name": n, "colour": "#000000"} for n in ("Gad1", "Tissue", "BACKGROUND", "glass")]
    found = decode_card(edited(classes=plain), "m.onnx").classes
    assert [c.role for c in found] == ["target", "tissue", "background", "target"]


@pytest.mark.parametrize("role", ["Background", "gene", "", 0, ["tissue"]])
def test_an_unknown_role_is_refused_in_a_sentence_that_says_which_there_are(role):
    plain = [{"name": "dense", "colour": "#000000", "role": role}]
    with pytest.raises(ModelError) as problem:
        decode_card(edited(classes=plain), "m.onnx")
    assert str(problem.value) == (
        f"m.onnx: class 'dense' has the role {role!r}; a role is background, tissue or target, so "
        f"correct it, or leave it out to go by the name"
    )


def test_a_weight_of_zero_is_allowed():
    assert decode_card(edited(fusion_weight=0), "m.onnx").fusion_weight == 0


@pytest.mark.parametrize("count", [1, 4, 7, 8, 12, 40])
def test_any_number_of_classes_gets_colours(count):
    classes = default_classes(tuple(str(i) for i in range(count)))
    assert [c.name for c in classes] == [str(i) for i in range(count)]
    assert [c.colour for c in classes[:2]] == list(DEFAULT_COLOURS[: min(2, count)])


def test_cards_are_values():
    assert replace(CARD, network="p046").network == "p046"
    with pytest.raises(AttributeError):
        CARD.network = "p046"
