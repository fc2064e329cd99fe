from __future__ import annotations

import numpy as np
import pytest

from morphinfer_training.weights import fuse, fusion_weights


def networks(rng, count=3, cells=400, classes=3):
    """Networks of falling quality, and the labels."""
    labels = rng.integers(0, classes, cells).astype(np.uint8)
    truth = np.eye(classes)[labels]
    logits = [truth * (4 - 1.5 * m) + rng.normal(0, 1, truth.shape) for m in range(count)]
    shifted = np.exp(np.stack(logits))
    return (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32), labels


def likelihood(probabilities, labels, weights):
    right = fuse(probabilities, np.asarray(weights))[np.arange(len(labels)), labels]
    return float(np.mean([np.log(right[labels == v]).mean() for v in np.unique(labels)]))


def test_weights_are_not_negative_and_sum_to_one():
    weights = fusion_weights(*networks(np.random.default_rng(0)))
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)


def test_a_better_network_weighs_more():
    weights = fusion_weights(*networks(np.random.default_rng(0)))
    assert weights[0] > weights[1] >= weights[2]


def test_no_other_weights_are_likelier():
    rng = np.random.default_rng(1)
    probabilities, labels = networks(rng)
    best = likelihood(probabilities, labels, fusion_weights(probabilities, labels, 0.0))
    others = rng.dirichlet(np.ones(3), 300)
    assert best >= max(likelihood(probabilities, labels, w) for w in others) - 1e-5


def test_a_share_of_weight_is_even():
    weights = fusion_weights(*networks(np.random.default_rng(0)), uniform_share=0.3)
    assert weights.min() >= 0.1 - 1e-9


def test_equal_networks_weigh_the_same():
    probabilities, labels = networks(np.random.default_rng(0), count=1)
    assert np.allclose(fusion_weights(np.repeat(probabilities, 5, axis=0), labels), 0.2)


def test_one_network_has_all_the_weight():
    assert fusion_weights(*networks(np.random.default_rng(0), count=1)) == pytest.approx([1.0])


def test_certainly_wrong_networks_do_no_harm():
    labels = np.array([0, 0, 1], np.uint8)
    right, wrong = np.eye(2)[labels], 1 - np.eye(2)[labels]
    weights = fusion_weights(np.stack([right, wrong]).astype(np.float32), labels, 0.0)
    assert np.isfinite(weights).all()
    assert weights[0] > 0.99


def test_fusion_is_the_weighted_mean():
    probabilities, _ = networks(np.random.default_rng(0), count=2)
    fused = fuse(probabilities, np.array([0.25, 0.75]))
    assert np.allclose(fused, 0.25 * probabilities[0] + 0.75 * probabilities[1], atol=1e-6)
