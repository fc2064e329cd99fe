from __future__ import annotations

import numpy as np
import pytest

from morphinfer_training.validation import dice_of, mean_dice
from morphinfer_training.weights import (
    class_factors,
    fuse,
    fusion_weights,
    reliability,
    temperature,
    with_factors,
    with_temperature,
)


def networks(rng, count=3, cells=400, classes=3):
    """Networks of falling quality, and the labels."""
    labels = rng.integers(0, classes, cells).astype(np.uint8)
    truth = np.eye(classes)[labels]
    logits = [truth * (4 - 1.5 * m) + rng.normal(0, 1, truth.shape) for m in range(count)]
    shifted = np.exp(np.stack(logits))
    return (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32), labels


def dice(probabilities, labels, weights):
    fused = fuse(probabilities, np.asarray(weights, float))
    return mean_dice(dice_of(labels, fused.argmax(axis=1), probabilities.shape[2]))


def test_weights_are_not_negative_and_sum_to_one():
    weights = fusion_weights(*networks(np.random.default_rng(0)))
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)


def test_the_fused_dice_is_never_below_that_of_the_best_network():
    for seed in range(8):
        probabilities, labels = networks(np.random.default_rng(seed), count=4)
        fused = dice(probabilities, labels, fusion_weights(probabilities, labels))
        assert fused >= max(dice(probabilities, labels, one) for one in np.eye(4)) - 1e-9


def test_a_useless_network_has_no_weight():
    probabilities, labels = networks(np.random.default_rng(0), count=2)
    noise = np.random.default_rng(1).dirichlet(np.ones(3), len(labels)).astype(np.float32)
    weights = fusion_weights(np.stack([*probabilities, noise]), labels)
    assert weights[2] < weights[0]


def test_networks_that_complete_each_other_share_the_weight():
    labels = np.repeat(np.arange(3, dtype=np.uint8), 50)
    first, second = np.eye(3)[labels], np.eye(3)[labels]
    first[labels == 0] = 1 / 3 + np.array([0, 0.01, -0.01])
    second[labels == 2] = 1 / 3 + np.array([0.01, 0, -0.01])
    probabilities = np.stack([first, second]).astype(np.float32)
    weights = fusion_weights(probabilities, labels)
    assert weights.min() > 0
    assert dice(probabilities, labels, weights) == 1


def test_one_network_has_all_the_weight():
    assert fusion_weights(*networks(np.random.default_rng(0), count=1)) == pytest.approx([1.0])


def test_fusion_is_the_weighted_mean():
    probabilities, _ = networks(np.random.default_rng(0), count=2)
    fused = fuse(probabilities, np.array([0.25, 0.75]))
    assert np.allclose(fused, 0.25 * probabilities[0] + 0.75 * probabilities[1], atol=1e-6)


def test_factors_raise_the_dice_of_networks_that_call_a_rare_class_too_often():
    rng = np.random.default_rng(0)
    labels = (rng.random(4000) < 0.05).astype(np.uint8)
    score = rng.normal(0, 1, 4000) + 2 * labels  # balanced posteriors ignore that 1 is rare
    p = 1 / (1 + np.exp(-2 * (score - 1)))
    probabilities = np.stack([1 - p, p], axis=-1)[None].astype(np.float32)
    factors = class_factors(probabilities, labels)
    assert factors[1] < factors[0]
    before = dice(probabilities, labels, [1.0])
    assert dice(with_factors(probabilities, factors), labels, [1.0]) > before + 0.02


def test_factors_of_networks_that_are_right_are_one():
    labels = np.repeat(np.arange(3, dtype=np.uint8), 20)
    probabilities = (0.1 + 0.7 * np.eye(3)[labels])[None].astype(np.float32)
    assert class_factors(probabilities, labels) == pytest.approx(np.ones(3))


def test_probabilities_with_factors_sum_to_one():
    probabilities, _ = networks(np.random.default_rng(0))
    changed = with_factors(probabilities, np.array([0.5, 1.0, 2.0]))
    assert np.allclose(changed.sum(axis=-1), 1, atol=1e-6)


def drawn(rng, cells=20_000, classes=3):
    """Probabilities that are exactly right, and labels drawn from them."""
    probabilities = rng.dirichlet(np.full(classes, 0.4), cells).astype(np.float32)
    labels = (probabilities.cumsum(axis=1) > rng.random((cells, 1))).argmax(axis=1)
    return probabilities, labels.astype(np.uint8)


@pytest.mark.parametrize("spoilt", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_what_made_a_network_too_sure_or_too_unsure(spoilt):
    probabilities, labels = drawn(np.random.default_rng(0))
    told = temperature(with_temperature(probabilities, spoilt), labels)
    assert told * spoilt == pytest.approx(1, abs=0.05)


def test_a_temperature_changes_no_winner_and_leaves_sums_of_one():
    probabilities, _ = drawn(np.random.default_rng(1), cells=500)
    warm = with_temperature(probabilities, 2.0)
    assert (warm.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert warm.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert warm.max(axis=1).mean() < probabilities.max(axis=1).mean()


def test_reliability_is_exact_for_probabilities_that_are_right_and_not_for_others():
    probabilities, labels = drawn(np.random.default_rng(2))
    curve, error = reliability(probabilities, labels)
    assert error < 0.02
    assert curve[:, 2].sum() == len(labels)
    assert (np.diff(curve[:, 0]) > 0).all()
    assert reliability(with_temperature(probabilities, 0.3), labels)[1] > 0.1
