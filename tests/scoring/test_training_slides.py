"""Scores of a slide that the set was trained on come with a warning."""

from __future__ import annotations

from dataclasses import replace

import pytest
from run_records import RECORD

from morphinfer.records import RunFit
from morphinfer.scoring.training_slides import trained_on

SECTION = {"name": "a", "identity": RECORD.slide.identity, "held_out_cells": 50}
LOOKS = {"skewness": 1.0, "grain": 0.5}


def record(section=SECTION, fit=None, **provenance):
    models = replace(RECORD.models, provenance={"sections": [section], **provenance})
    return replace(RECORD, models=models, fit=fit)


def test_without_a_test_part_nothing_is_unseen():
    text = trained_on(record())
    assert "was trained on this slide" in text
    assert "no part of it is unseen: the 50 positions" in text
    assert trained_on(record({**SECTION, "held_out_cells": 0})).endswith("no part of it is unseen")


def test_the_test_part_is_named():
    test = {"part": "the bottom part (25%)"}
    text = trained_on(record({**SECTION, "test_cells": 70}, test=test))
    assert "unseen is only its test part, the bottom part (25%) (70 positions)" in text


@pytest.mark.parametrize("provenance", [None, {}, {"sections": "lost"}, {"sections": [3]}])
def test_cards_that_say_nothing_are_no_reason_for_a_warning(provenance):
    assert trained_on(replace(RECORD, models=replace(RECORD.models, provenance=provenance))) is None


def test_another_slide_is_not_taken_for_a_training_section():
    assert trained_on(record({**SECTION, "identity": "other"})) is None
    fit = RunFit(checked=True, reason="", slide=LOOKS, training={"a": LOOKS})
    assert trained_on(record(fit=fit)) is not None
    differs = replace(fit, slide={**LOOKS, "grain": 0.6})
    assert trained_on(record(fit=differs)) is None
