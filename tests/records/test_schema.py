"""JSON Schema in docs/: the same as the types, and what commands really write is valid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import CPU
from jsonschema import Draft202012Validator, ValidationError
from run_records import RECORD, without

from morphinfer.images import open_labels
from morphinfer.records.schema import schemas

pytest_plugins = ["commands", "label_images"]

DOCS = Path(__file__).parents[2] / "docs"


def check(content, kind, document="summary"):
    """Raise ValidationError unless ``content`` is of the kind that a document in docs/ defines."""
    schema = json.loads((DOCS / f"{document}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(content)
    Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{kind}"}]}).validate(content)


@pytest.fixture
def printed(call):
    """Run a command with ``--json`` and give what it prints."""

    def run(*words):
        code, out, err = call(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


@pytest.mark.parametrize("name", schemas())
def test_the_schemas_in_docs_are_those_of_the_types(name):
    written = json.loads((DOCS / name).read_text(encoding="utf-8"))
    assert written == schemas()[name], "run python -m morphinfer.records.schema docs"
    Draft202012Validator.check_schema(written)


def test_every_key_is_explained():
    for schema in schemas().values():
        for kind in schema["$defs"].values():
            assert all(each["description"] for each in kind["properties"].values())


def test_a_record_is_valid_without_and_with_keys_that_are_not_known():
    check(RECORD.to_json(), "RunRecord", "run_record")
    check({**RECORD.to_json(), "later": 1}, "RunRecord", "run_record")


@pytest.mark.parametrize("key", RECORD.to_json())
def test_a_record_that_lacks_a_key_is_not_valid(key):
    with pytest.raises(ValidationError, match="is a required property"):
        check(without(RECORD.to_json(), "", key), "RunRecord", "run_record")


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": "2"}, {"stride_px": 8.5}, {"model_shape": [1, 2, 3]}, {"mode": "fast"},
        {"classes": "abc"}, {"class_fractions": {"a": None}}, {"slide": {"path": "s.zarr"}},
        {"roles": {"a": "gene"}},
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_not_valid(change):
    with pytest.raises(ValidationError):
        check({**RECORD.to_json(), **change}, "RunRecord", "run_record")


def test_what_segment_evaluate_and_report_write_is_valid(printed, slide, models, tmp_path):
    words = ("segment", slide, "--models", models, *CPU)
    first = printed(*words, "--out", "r.zarr")
    check(first, "Summary")
    assert "dice" not in first
    check(printed(*words, "--out", "l.zarr", "--reference", "r.zarr"), "ScoredSummary")
    check(open_labels(tmp_path / "l.zarr").record, "RunRecord", "run_record")
    beside = json.loads((tmp_path / "l.json").read_text(encoding="utf-8"))
    check(beside, "ReportFile")
    check(beside["run"], "RunRecord", "run_record")
    check(printed("evaluate", "l.zarr", "r.zarr"), "Evaluation")
    check(printed("report", "l.zarr", "--out", "p.html"), "ReportSummary")
    check(printed("report", "l.zarr", "--out", "q.html", "--reference", "r.zarr"), "ScoredSummary")


def test_what_export_prints_is_valid(printed, slide, make):
    pytest.importorskip("shapely")
    check(printed("export", str(make([[1]])), "--slide", slide), "ExportSummary")


def test_what_shards_and_finish_print_is_valid(printed, tall, models, tmp_path):
    words = ("segment", tall, "--models", models, "--out", "l.zarr", *CPU)
    for shard in ("1/2", "2/2"):
        check(printed(*words, "--shard", shard), "ShardSummary")
    check(printed("finish", "l.zarr"), "Summary")
    check(open_labels(tmp_path / "l.zarr").record, "RunRecord", "run_record")


def test_what_segment_prints_of_several_slides_is_valid(call, slide, models):
    words = ("segment", slide, "nothing.zarr", "--models", models, "--json", "-q", *CPU)
    code, out, _ = call(*words)
    assert code == 1
    content = json.loads(out)
    check(content, "BatchSummary")
    assert ["error" in entry for entry in content["slides"]] == [False, True]


def test_what_models_prints_is_valid(printed):
    check(printed("models"), "ModelSets")
    check(printed("models", "show", "phantom"), "ModelSetCard")
    check(printed("models", "verify", "phantom"), "ModelSetChecks")
