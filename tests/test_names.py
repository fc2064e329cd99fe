"""The nearest known name is offered wherever a name is misspelt."""

from __future__ import annotations

import numpy as np
import pytest
from commands import refused

from morphinfer.errors import AlignmentError, ModelError, SlideError
from morphinfer.images import open_slide
from morphinfer.names import nearest, suggestion
from morphinfer.networks import load_models
from morphinfer.scoring.class_matching import match_classes

pytest_plugins = ["commands"]


def test_the_likest_name_comes_first_whatever_its_case():
    assert nearest("DAPO", ["dapi", "Dapol", "GFP"]) == ["Dapol", "dapi"]
    assert nearest("zzz", ["dapi"]) == []


def test_there_is_no_suggestion_without_a_near_name():
    assert suggestion("zzz", ["dapi"]) == ""
    assert suggestion("x", []) == ""


@pytest.mark.parametrize("word", ["segmnt", "Segment", "segments"])
def test_a_misspelt_command_is_answered_with_the_nearest(call, word):
    refused(call(word, "a.zarr"), f"No such command '{word}'; did you mean 'segment'?", code=2)


def test_commands_of_the_training_package_are_suggested_too(call):
    refused(call("region"), "did you mean 'regions'?", code=2)


def test_a_misspelt_command_of_a_group_is_answered_with_the_nearest(call):
    refused(call("models", "verfy", "phantom"), "did you mean 'verify'?", code=2)


def test_a_command_like_no_other_is_answered_with_all(call):
    refused(call("zzz"), "No such command 'zzz'; there are segment, finish, watch, plan", code=2)


def test_the_nearest_model_set_is_named():
    with pytest.raises(ModelError, match="no such model set; did you mean 'hippocampus'"):
        load_models("hipocampus")


def test_the_nearest_channel_is_named(make_slide):
    path = make_slide(np.zeros((2, 20, 20), np.uint8), axes="cyx", channels=["DAPI", "PolyT"])
    with pytest.raises(SlideError, match="no channel 'polyt '; did you mean 'PolyT'"):
        open_slide(path, channel="polyt ")


def test_the_nearest_class_is_named():
    with pytest.raises(AlignmentError, match="did you mean 'Neurod6'"):
        match_classes(("tissue",), ("tissue", "Neurod6"), {"tissue": "Neurod"})
