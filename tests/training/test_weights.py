from __future__ import annotations

import numpy as np
import pytest

from morphinfer_training.validation import dice_of, mean_dice
from morphinfer_training.weights import fuse, fusion_weights


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
