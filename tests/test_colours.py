"""Colours in any form of CSS become '#rrggbb'; anything else is refused in a sentence."""

from __future__ import annotations

import json
import re

import pytest

from morphinfer.classes import LabelClass
from morphinfer.colours import NAMED, normalised_colour
from morphinfer.errors import ColourError, ModelError
from morphinfer.networks import METADATA_KEY, encode_card
from morphinfer.networks.cards import decode_card
from networks import card_of


@pytest.mark.parametrize(
    ("stated", "colour"),
    [
        ("#E69F00", "#e69f00"), ("#e69f0080", "#e69f00"), ("#fff", "#ffffff"), ("#0f08", "#00ff00"),
        ("red", "#ff0000"), (" DarkSlateGrey ", "#2f4f4f"), ("rebeccapurple", "#663399"),
        ("rgb(230,159,0)", "#e69f00"), ("RGB(230 159 0 / 0.5)", "#e69f00"),
        ("rgba(230, 159, 0, 0.2)", "#e69f00"), ("rgb(100%, 50%, 0%)", "#ff8000"),
        ("rgb(300, -5, 2.5e1)", "#ff0019"), ("hsl(0, 100%, 50%)", "#ff0000"),
        ("hsl(240deg 100% 25%)", "#000080"), ("hsla(0.5turn 100% 50% / 1)", "#00ffff"),
        ("hwb(0 0% 0%)", "#ff0000"), ("hwb(90 60% 60%)", "#808080"),
    ],
)  # fmt: skip
def test_every_form_of_css_is_read(stated, colour):
    assert normalised_colour(stated) == colour


@pytest.mark.parametrize(
    "stated",
    [
        "", "#ff", "#ggg", "e69f00", "rgb(1,2)", "rgb(a,b,c)", "hsl()", "transparent", "#12345", 7, None,
        ["red"],
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_examples(stated):
    with pytest.raises(
        ColourError, match=r"the colour .* is not known.*'#e69f00', 'orange' or 'rgb"
    ):
        normalised_colour(stated)


def test_the_nearest_name_is_suggested():
    with pytest.raises(ColourError, match="did you mean 'orange'"):
        normalised_colour("ornage")


def test_the_named_colours_are_those_of_css():
    assert len(NAMED) == 148
    assert all(re.fullmatch("[0-9a-f]{6}", code) for code in NAMED.values())


def test_the_colour_of_a_class_is_normalised_where_it_is_read():
    assert LabelClass.of({"name": "a", "colour": "black"}).colour == "#000000"
    plain = json.loads(encode_card(card_of(46)))
    plain["classes"][1]["colour"] = "rgb(1 2 3)"
    assert decode_card(json.dumps(plain), "m.onnx").classes[1].colour == "#010203"
    assert METADATA_KEY == "morphinfer"


def test_a_colour_of_a_card_that_is_none_is_refused_with_file_and_class():
    plain = json.loads(encode_card(card_of(46)))
    plain["classes"][2]["colour"] = "reddish pink"
    with pytest.raises(ModelError, match=r"^m\.onnx: class 'GeneA': the colour 'reddish pink' is"):
        decode_card(json.dumps(plain), "m.onnx")
