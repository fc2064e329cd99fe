"""The run record: to JSON and back, records of earlier versions, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_records import ADDED_LATER, RECORD, START, without

from morphinfer.errors import RecordError
from morphinfer.records import RECORD_VERSION, RunRecord, RunStart

WRITTEN_BY_ALL = ("morphinfer", "slide", "models", "classes", "pixel_size_um", "stride_px", "mode",
                  "provider", "options", "intensity", "seconds", "megapixels_per_second",
                  "class_fractions")  # fmt: skip


@pytest.mark.parametrize("record", [START, RECORD])
def test_a_record_is_the_same_after_json(record):
    plain = json.loads(json.dumps(record.to_json()))
    assert plain == record.to_json()
    assert type(record).from_json(plain, "l.zarr") == record


def test_the_record_of_a_run_holds_what_was_known_at_its_start():
    assert RunStart.from_json(RECORD.to_json(), "l.zarr") == START
    assert set(START.to_json()) < set(RECORD.to_json())


@given(st.dictionaries(st.text(min_size=1), st.integers(), max_size=3))
def test_keys_that_are_not_known_are_ignored(more):
    assert RunRecord.from_json({**more, **RECORD.to_json()}, "l.zarr") == RECORD
    nested = {**RECORD.to_json(), "slide": {**more, **RECORD.to_json()["slide"]}}
    assert RunRecord.from_json(nested, "l.zarr") == RECORD


def test_a_record_of_the_first_version_is_read():
    plain = RECORD.to_json()
    for below, keys in reversed(ADDED_LATER.items()):
        for key in keys:
            plain = without(plain, below, key)
    record = RunRecord.from_json(json.loads(json.dumps(plain)), "l.zarr")
    assert record.record_version == 0
    assert record.tiling is record.skipping is record.model_shape is record.roles is None
    assert record.uncertain_fraction is record.uncertain_below is None
    assert record.models.provenance is None
    assert record.slide == RECORD.slide
    assert record.class_fractions == RECORD.class_fractions


@pytest.mark.parametrize(
    ("below", "key"), [(below, key) for below, keys in ADDED_LATER.items() for key in keys]
)
def test_any_key_that_was_added_later_may_be_missing(below, key):
    read = RunRecord.from_json(without(RECORD.to_json(), below, key), "l.zarr")
    assert read.seconds == RECORD.seconds


@pytest.mark.parametrize("key", WRITTEN_BY_ALL)
def test_a_missing_key_is_named_with_the_file(key):
    with pytest.raises(RecordError, match=rf"^l\.zarr: its run record lacks {key}, so "):
        RunRecord.from_json(without(RECORD.to_json(), "", key), "l.zarr")


def test_all_missing_keys_are_named_and_those_below_others_with_their_place():
    with pytest.raises(RecordError, match=r"lacks morphinfer, slide, models, classes"):
        RunRecord.from_json({"synthetic": True}, "l.zarr")
    plain = without(without(RECORD.to_json(), "slide", "identity"), "slide", "path")
    with pytest.raises(RecordError, match=r"lacks slide\.path, slide\.identity, so"):
        RunRecord.from_json(plain, "l.zarr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": "2"}, "holds '2' as seconds, which is not a number"),
        ({"seconds": True}, "holds True as seconds"),
        ({"stride_px": 8.5}, "holds 8.5 as stride_px, which is not an integer"),
        ({"model_shape": [1, 2, 3]}, r"holds \[1, 2, 3\] as model_shape, which is not a list of 2"),
        ({"mode": "fast"}, "which is not one of 'dense', 'windows'"),
        ({"roles": {"a": "gene"}}, "holds 'gene' as roles.a, which is not one of 'background'"),
        ({"classes": "abc"}, "holds 'abc' as classes, which is not a list"),
        ({"class_fractions": {"a": None}}, r"holds None as class_fractions\.a"),
        ({"slide": "s.zarr"}, "holds 's.zarr' as slide, which is not an object"),
    ],
)
def test_a_value_of_another_type_is_named(change, message):
    with pytest.raises(RecordError, match=message):
        RunRecord.from_json({**RECORD.to_json(), **change}, "l.zarr")


def test_a_record_of_a_later_version_is_refused():
    later = replace(RECORD, record_version=RECORD_VERSION + 1).to_json()
    with pytest.raises(RecordError, match=f"version {RECORD_VERSION + 1} .*; update morphinfer"):
        RunRecord.from_json(later, "l.zarr")
