from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from morphinfer.errors import ConfigError
from morphinfer.networks import load_models
from morphinfer.tiles import Normalisation
from morphinfer_training.config import (
    AugmentationConfig,
    CardConfig,
    SectionConfig,
    TrainConfig,
    TrainingConfig,
    ValidationConfig,
    parse_config,
    read_config,
    resolve_path,
)
from morphinfer_training.references import RegionSettings
from morphinfer_training.spots import Columns

TRAINING = Path(__file__).parents[2] / "training"
MINIMAL = {"name": "tiny", "sections": [{"slide": "a.zarr", "reference": "b.zarr"}]}


@pytest.mark.parametrize("name", ["hippocampus", "pancreas", "phantom", "septum"])
def test_the_shipped_configurations_are_those_of_the_shipped_sets(name):
    config = read_config(TRAINING / f"{name}.toml")
    folder = TRAINING.parent / "models" / name
    card = json.loads((folder / "card.json").read_text("utf-8"))
    assert card["provenance"]["config"] == json.loads(json.dumps(config.plain()))
    for file in load_models(folder).files:
        assert file.card.provenance == card["provenance"]


def test_the_example_shows_every_default():
    example = read_config(TRAINING / "example.toml")
    minimal = parse_config(MINIMAL, "minimal.toml")
    for part in ("normalisation", "validation", "training", "augmentation", "channels", "classes"):
        assert getattr(example, part) == getattr(minimal, part)


def keys(cls):
    return {field.name for field in fields(cls)}


def test_the_example_shows_every_key():
    text = (TRAINING / "example.toml").read_text("utf-8")
    tables = (TrainConfig, SectionConfig, ValidationConfig, TrainingConfig, AugmentationConfig,
              CardConfig, Columns, Normalisation)  # fmt: skip
    missing = [key for key in set().union(*map(keys, tables))
               if not re.search(rf"\b{key} = |\[{key}\]", text)]  # fmt: skip
    missing += [key for key in keys(RegionSettings) if not re.search(rf"\b{key}\b", text)]
    assert not missing


def test_an_unknown_key_is_refused_with_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"x\.toml: unknown key 'training\.stepps'; known keys: .*steps"
    ):
        parse_config({**MINIMAL, "training": {"stepps": 3}}, "x.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_sizes_px": [48, 60]}, "8 k \\+ 32"),
        ({"channels": [16, 32]}, "four positive"),
        ({"classes": ["a", "a"]}, "different names"),
        ({"classes": ["tissue", "background"]}, "'background' may only be the first, and 'tissue'"),
        ({"classes": ["a", "b", "Background"]}, "'background' may only be the first"),
        ({"classes": ["background", "a", "tissue"]}, "'tissue' only the second"),
        ({"colours": ["#000000"]}, "one per class"),
        ({"training": {"steps": 0}}, "training.steps = 0; it must be between 1"),
        ({"augmentation": {"rotate": "some"}}, "must be one of .none., .quarter., .any."),
        ({"training": {"steps": 2.5}}, "training.steps = 2.5; it must be of type int"),
        ({"dropout": True}, "dropout = True; it must be of type float"),
        ({"validation": {"side": "middle"}}, "validation.side = 'middle'"),
        ({"normalisation": {"method": "fixed", "low": 9, "high": 1}}, "low < high"),
        ({"normalisation": {"high": 101}}, "between 0 and 100"),
        ({"augmentation": {"blur_px": [2, 1]}}, "blur_px"),
        ({"sections": []}, "at least one is needed"),
        ({"sections": [{"slide": "a"}]}, "needs a reference"),
        ({"sections": [{"reference": "a"}]}, "slide"),
        ({"sections": [{"slide": "a", "reference": "b", "weight": -1}]}, "weight = -1"),
    ],
)
def test_an_impossible_value_is_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({**MINIMAL, **changes}, "x.toml")


@pytest.mark.parametrize("colours", [[], ["#010101", "#020202", "#030303", "#040404"]])
@pytest.mark.parametrize(
    "names", [["background", "tissue"], ["glass", "stroma"], ["glass", "tissue"]]
)
def test_the_place_of_a_class_decides_its_role(names, colours):
    classes = parse_config({**MINIMAL, "classes": [*names, "a", "b"], "colours": colours}, "x")
    roles = [c.role for c in classes.label_classes]
    assert roles == ["background", "tissue", "target", "target"]
    assert [c.name for c in classes.label_classes] == [*names, "a", "b"]
    if colours:
        assert [c.colour for c in classes.label_classes] == colours


def test_a_missing_file_and_bad_toml_are_refused(tmp_path):
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(ConfigError, match=r"cannot be read .*; did you mean 'bad\.toml'"):
        read_config(tmp_path / "bat.toml")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_config(tmp_path / "bad.toml")


def test_a_file_may_begin_with_a_mark_of_byte_order(tmp_path):
    (tmp_path / "c.toml").write_text("sed = 1", encoding="utf-8-sig")
    with pytest.raises(ConfigError, match="unknown key 'sed'"):
        read_config(tmp_path / "c.toml")


def test_a_channel_may_be_a_number():
    section = {"slide": "a", "reference": "b", "channel": 2}
    assert parse_config({**MINIMAL, "sections": [section]}, "x").sections[0].channel == "2"


def test_paths_are_relative_to_the_file_and_variables_are_expanded(monkeypatch):
    monkeypatch.setenv("MORPHINFER_DATA", "/data")
    assert resolve_path("$MORPHINFER_DATA/a.zarr", Path("/here")) == Path("/data/a.zarr")
    assert resolve_path("b.zarr", Path("/here")) == Path("/here/b.zarr")
    monkeypatch.delenv("MORPHINFER_DATA")
    with pytest.raises(ConfigError, match="not set"):
        resolve_path("$MORPHINFER_DATA/a.zarr", Path("/here"))


def test_the_plain_form_contains_all_values_and_no_expanded_path(monkeypatch):
    monkeypatch.setenv("MORPHINFER_DATA", "/secret")
    plain = read_config(TRAINING / "example.toml").plain()
    assert plain["sections"][0]["slide"].startswith("$MORPHINFER_DATA")
    assert plain["training"]["steps"] == 800
    assert plain["patch_sizes_px"] == [48, 64, 96, 128, 160]


def test_missing_keys_are_named():
    with pytest.raises(ConfigError, match="x: sections missing"):
        parse_config({"name": "a"}, "x")
    with pytest.raises(ConfigError, match=r"x: sections\[0\].slide missing"):
        parse_config({**MINIMAL, "sections": [{"reference": "b"}]}, "x")
