"""Networks and baselines at the same positions, on the small synthetic section."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines are trained as networks are: morphinfer[train]")

from synthetic_section import make_config, make_section

from morphinfer_training.baselines import (
    ScoredPositions,
    compare,
    compare_with_forest,
    comparison,
    figures_json,
    held_out_positions,
)
from morphinfer_training.baselines import test_part as part_of
from morphinfer_training.baselines.density import majority
from morphinfer_training.baselines.figures import verdict
from morphinfer_training.baselines.forest import Forest
from morphinfer_training.learning import held_out_pieces, split_section


@pytest.fixture(scope="module")
def trained():
    config, section = make_config(), make_section(60, 90)
    return [section], [split_section(section.labels, config, 0)], config


@pytest.fixture
def poor_forest(monkeypatch):
    """A constant in place of the forest, which takes seconds to train."""

    def constant(sections, splits, config, size):
        return Forest(None, config, held_out=np.ones(splits[0].validation.sum(), np.uint8))

    monkeypatch.setattr(comparison, "forest", constant)


def truth(sections, splits):
    pieces = held_out_pieces(0, splits[0].validation)
    return np.concatenate([sections[0].labels[p.window.slices][p.mask] for p in pieces])


def test_networks_are_scored_at_the_held_out_positions_in_their_order(trained, poor_forest):
    found = compare_with_forest(*trained, truth(*trained[:2]))
    assert [each["name"] for each in found["methods"]] == ["fused", "random forest"]
    assert found["methods"][0]["dice"]["mean"] == 1.0
    assert found["cells"] == trained[1][0].validation.sum()
    assert found["verdict"].startswith("The networks")
    assert found["above_best_forest"]["mean"] >= 0


def test_a_forest_that_beats_the_networks_is_named(trained, poor_forest):
    wrong = (truth(*trained[:2]) + 1) % 3
    found = compare_with_forest(*trained, wrong)
    assert found["verdict"].startswith("A baseline (random forest) beats the networks: mean Dice")
    assert found["above_best_forest"]["mean"] < 0


def test_without_networks_there_is_no_verdict(trained):
    found = figures_json(
        compare(held_out_positions(*trained[:2]), [majority(*trained)], trained[2])
    )
    assert [each["name"] for each in found["methods"]] == ["majority class"]
    assert "verdict" not in found


def test_the_test_part_is_scored_apart(trained):
    (section,), (split,), config = trained
    assert part_of([section], [split]) is None
    mask = np.zeros_like(split.train)
    mask[:, 5] = True
    scored = part_of([section], [replace(split, test=mask)])
    assert figures_json(compare(scored, [majority(*trained)], config))["cells"] == mask.sum()


def test_a_class_that_a_section_does_not_name_counts_as_tissue_there(trained):
    (section,), (split,), config = trained
    partial = replace(section, unnamed=(2,), labels=np.minimum(section.labels, 1))
    mask = split.validation
    of_two = replace(majority(*trained), value=2)
    merged = compare(ScoredPositions("part", [partial], [mask]), [of_two], config)
    assert set(np.unique(merged.methods["majority class"][0])) == {1}
    plain = ScoredPositions("part", [partial], [mask], merge_unnamed=False)
    assert set(np.unique(compare(plain, [of_two], config).methods["majority class"][0])) == {2}


@pytest.mark.parametrize(
    ("networks", "other", "interval", "start", "significant"),
    [
        (0.7, 0.6, (0.05, 0.15), "The networks beat the best baseline (forest)", True),
        (0.7, 0.69, (-0.01, 0.03), "The networks beat the best baseline (forest)", False),
        (0.6, 0.65, (-0.08, -0.02), "A baseline (forest) beats the networks", True),
        (0.6, 0.61, (-0.03, 0.01), "A baseline (forest) beats the networks", False),
    ],
)
def test_the_verdict_says_who_is_better_and_how_sure(networks, other, interval, start, significant):
    text = verdict(networks, "forest", other, interval)
    assert text.startswith(f"{start}: mean Dice {max(networks, other):.3f}")
    assert ("not significant" in text) is not significant
    assert text.count(".") == text.count("0.") + 1
