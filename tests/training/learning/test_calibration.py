from __future__ import annotations

import numpy as np
import pytest

from morphinfer_training.learning.calibration import (
    LARGEST_BIAS,
    Calibration,
    calibrate,
    reliability,
)
from morphinfer_training.learning.fusion import choose_fusion, class_factors, fuse, fusion_weights
from morphinfer_training.learning.validation import dice_of, mean_dice


def networks(rng, count=3, size=400, classes=3):
    """Probabilities of networks of falling quality, and the labels."""
    labels = rng.integers(0, classes, size).astype(np.uint8)
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


def test_the_fused_labels_are_about_as_right_as_those_of_the_best_network():
    for seed in range(8):
        probabilities, labels = networks(np.random.default_rng(seed), count=4)
        fused = dice(probabilities, labels, fusion_weights(probabilities, labels))
        assert fused >= max(dice(probabilities, labels, one) for one in np.eye(4)) - 0.01


def test_equal_networks_have_equal_weights():
    probabilities, labels = networks(np.random.default_rng(0), count=1)
    weights = fusion_weights(np.concatenate([probabilities] * 3), labels)
    assert weights == pytest.approx([1 / 3] * 3, abs=1e-3)


def test_a_useless_network_has_no_weight():
    probabilities, labels = networks(np.random.default_rng(0), count=2)
    noise = np.random.default_rng(1).dirichlet(np.ones(3), len(labels)).astype(np.float32)
    weights = fusion_weights(np.stack([*probabilities, noise]), labels)
    assert weights[2] == 0


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


MANY_BLOCKS = np.arange(4000)


def rare(rng):
    """Posteriors for two classes of equal frequency, shape (4000, 2), and labels in which class 1 is rare."""
    labels = (rng.random(4000) < 0.05).astype(np.uint8)
    score = rng.normal(0, 1, 4000) + 2 * labels
    p = 1 / (1 + np.exp(-2 * (score - 1)))
    return np.stack([1 - p, p], axis=-1).astype(np.float32), labels


def test_factors_raise_the_dice_if_a_rare_class_is_predicted_too_often():
    probabilities, labels = rare(np.random.default_rng(0))
    factors = class_factors(probabilities, labels)
    assert factors[1] < factors[0]
    scaled = (probabilities * factors).astype(np.float32)
    assert dice(scaled[None], labels, [1.0]) > dice(probabilities[None], labels, [1.0]) + 0.02


def test_factors_are_1_if_all_predictions_are_right():
    labels = np.repeat(np.arange(3, dtype=np.uint8), 20)
    probabilities = (0.1 + 0.7 * np.eye(3)[labels]).astype(np.float32)
    assert class_factors(probabilities, labels) == pytest.approx(np.ones(3))


def test_the_weight_of_a_class_is_the_square_root_of_its_number_of_positions():
    probabilities, labels = rare(np.random.default_rng(0))
    bias = calibrate(probabilities, labels, MANY_BLOCKS).bias
    counts = np.bincount(labels)
    expected = np.log(counts[1] / counts[0]) / 2  # without / 2 if positions had equal weights
    assert bias[1] - bias[0] == pytest.approx(expected, abs=0.3)


def test_a_bias_that_rests_on_few_blocks_is_drawn_to_0():
    probabilities, labels = rare(np.random.default_rng(0))
    many, few = (
        calibrate(probabilities, labels, blocks).bias
        for blocks in (MANY_BLOCKS, MANY_BLOCKS // 2000)
    )
    assert 0 < few[0] - few[1] < 0.7 * (many[0] - many[1])


def test_a_class_without_labels_gets_the_lowest_bias():
    probabilities, labels = rare(np.random.default_rng(0))
    three = np.insert(probabilities * 0.9, 2, 0.1, axis=1).astype(np.float32)
    bias = calibrate(three, labels, MANY_BLOCKS).bias
    assert bias[2] == bias[:2].min() < 0
    assert np.abs(bias).max() <= LARGEST_BIAS


def test_a_fusion_is_the_mean_of_the_calibrated_networks_and_raises_the_dice():
    labels = np.concatenate([rare(np.random.default_rng(seed))[1] for seed in (0, 1)])
    first = np.concatenate([rare(np.random.default_rng(seed))[0] for seed in (0, 1)])
    second = Calibration(3.0, np.array([0.0, 1.0]))(first)
    both = np.stack([first, second])
    fusion = choose_fusion(both, labels, np.arange(len(labels)))
    calibrated = fusion.calibrated(both)
    assert np.allclose(calibrated.sum(axis=-1), 1, atol=1e-6)
    assert np.allclose(fusion(both), fuse(calibrated, fusion.weights))
    assert np.abs(calibrated[0] - calibrated[1]).mean() < 0.02  # the change of the second is undone
    before = dice(both, labels, [0.5, 0.5])
    assert mean_dice(dice_of(labels, fusion(both).argmax(axis=1), 2)) > before + 0.02


def calibrated_pairs(rng, size=20_000, classes=3):
    """Perfectly calibrated probabilities: the labels are drawn from them."""
    probabilities = rng.dirichlet(np.full(classes, 0.4), size).astype(np.float32)
    labels = (probabilities.cumsum(axis=1) > rng.random((size, 1))).argmax(axis=1)
    return probabilities, labels.astype(np.uint8)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_calibration_undoes_overconfidence_and_underconfidence(temperature):
    probabilities, labels = calibrated_pairs(np.random.default_rng(0))
    changed = Calibration(temperature, np.zeros(3))(probabilities)
    fitted = calibrate(changed, labels, np.arange(len(labels)))
    assert fitted.temperature * temperature == pytest.approx(1, abs=0.05)
    assert fitted.bias == pytest.approx(np.zeros(3), abs=0.1)


def test_a_temperature_keeps_the_most_probable_class_and_the_sum_of_1():
    probabilities, _ = calibrated_pairs(np.random.default_rng(1), size=500)
    warm = Calibration(2.0, np.zeros(3))(probabilities)
    assert (warm.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert warm.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert warm.max(axis=1).mean() < probabilities.max(axis=1).mean()


def test_the_calibration_error_is_small_only_for_calibrated_probabilities():
    probabilities, labels = calibrated_pairs(np.random.default_rng(2))
    curve, error = reliability(probabilities, labels)
    assert error < 0.02
    assert curve[:, 2].sum() == len(labels)
    assert (np.diff(curve[:, 0]) > 0).all()
    assert reliability(Calibration(0.3, np.zeros(3))(probabilities), labels)[1] > 0.1
