"""`morphinfer baseline`, and the comparison at the end of a training.

Forests are replaced by constants, since they take seconds to train.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the training package needs morphinfer[train]")

from synthetic_section import make_config, write_section

from morphinfer.errors import ModelError
from morphinfer.networks import load_models, provenance_of
from morphinfer_training.baseline import measure_baselines
from morphinfer_training.baselines import comparison
from morphinfer_training.baselines.density import Majority
from morphinfer_training.commands.baseline import baseline as command
from morphinfer_training.train import train

CONFIG = replace(make_config(), training=replace(make_config().training, steps=2))
TOML = """
name = "tiny"
classes = ["background", "tissue", "gene A"]
[[sections]]
slide = "slide.zarr"
reference = "reference.zarr"
"""


@dataclass(frozen=True)
class Constant(Majority):
    """A forest of one leaf."""

    held_out: NDArray[np.uint8] | None = None


def constant_forest(sections, splits, config, size, name="random forest"):
    return Constant(1, 8, name, np.ones(splits[0].validation.sum(), np.uint8))


@pytest.fixture(autouse=True)
def _constant_forests(monkeypatch):
    monkeypatch.setattr(comparison, "forest", constant_forest)
    wider = partial(constant_forest, name="random forest, wider")
    monkeypatch.setattr(comparison, "wider_forest", wider)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A section, and a set whose training ended with a comparison."""
    folder = tmp_path_factory.mktemp("trained")
    write_section(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "forest", constant_forest)
        train(CONFIG, folder / "set", folder=folder, device="cpu", baseline=True)
    return folder


@pytest.fixture
def copied(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "copied")


def figures_of(folder):
    return json.loads((folder / "set/figures.json").read_text())["sections"]


def test_a_training_writes_its_comparison_with_a_forest_into_the_card(trained):
    (section,) = figures_of(trained)
    assert [each["name"] for each in section["methods"]] == ["fused", "random forest"]
    card = json.loads((trained / "set/card.json").read_text())
    assert card["figures"]["sections"] == [section]
    fused = card["provenance"]["validation"]["fused"]
    assert section["methods"][0]["dice"]["mean"] == pytest.approx(fused["mean"], abs=1e-4)
    assert section["verdict"] in (trained / "set/README.md").read_text()
    recorded = provenance_of(load_models(trained / "set"))["figures"]
    assert [each["verdict"] for each in recorded] == [section["verdict"]]


def test_all_baselines_replace_the_comparison_of_the_training(copied):
    (before,) = figures_of(copied)
    (measured,) = measure_baselines(CONFIG, copied / "set", folder=copied)
    names = [each["name"] for each in measured["methods"]]
    assert names[-4:] == [
        "majority class", "Otsu and density", "random forest", "random forest, wider",
    ]  # fmt: skip
    (after,) = figures_of(copied)
    assert [each["name"] for each in after["methods"]] == names
    means = [
        next(m["dice"]["mean"] for m in section["methods"] if m["name"] == "fused")
        for section in (before, after)
    ]
    assert means[0] == pytest.approx(means[1], abs=0.01)


def test_figures_of_other_parts_stay(copied):
    path = copied / "set/figures.json"
    other = {"section": "another animal", "methods": []}
    path.write_text(json.dumps({"sections": [other]}))
    measure_baselines(CONFIG, copied / "set", folder=copied)
    assert [each["section"] for each in figures_of(copied)] == [
        "another animal",
        "held-out positions",
    ]


def test_a_set_of_another_configuration_is_refused(trained):
    other = replace(CONFIG, validation=replace(CONFIG.validation, fraction=0.2))
    with pytest.raises(ModelError, match=r"another configuration \(validation differ"):
        measure_baselines(other, trained / "set", folder=trained)


def test_a_folder_without_a_set_is_refused(trained):
    with pytest.raises(ModelError, match=r"not the folder of a model set"):
        measure_baselines(CONFIG, trained / "slide.zarr", folder=trained)


def test_the_command_prints_a_table_or_json(trained):
    config = trained / "config.toml"
    config.write_text(TOML + '[validation]\nside = "right"\nfraction = 0.3\n')
    shown = CliRunner().invoke(command, [str(config)])
    assert "random forest, wider" in shown.stdout
    assert "fitting the baseline: random forest" in shown.stderr
    result = CliRunner().invoke(command, [str(config), "--json", "-q"])
    content = json.loads(result.stdout)
    assert content["set"] is None
    assert [each["section"] for each in content["sections"]] == ["held-out positions"]
    assert result.stderr == ""
