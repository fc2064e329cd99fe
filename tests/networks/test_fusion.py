"""Networks are averaged by weight; the most probable class wins, the lowest in a tie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer.networks.fusion import fuse, quantise

short = settings(max_examples=50, deadline=None)


def network(seed, shape=(4, 6, 5)):
    values = np.random.default_rng(seed).random(shape, np.float32)
    return values / values.sum(axis=0)


@short
@given(weights=st.lists(st.floats(0.1, 10), min_size=1, max_size=5))
def test_the_total_is_the_weighted_mean(weights):
    outputs = [network(i) for i in range(len(weights))]
    fused = fuse(outputs, weights)
    np.testing.assert_allclose(fused.total, np.average(outputs, axis=0, weights=weights), rtol=1e-5)
    np.testing.assert_array_equal(fused.labels, fused.total.argmax(axis=0))


def test_one_network_passes_unchanged():
    np.testing.assert_array_equal(fuse([network(3)], [0.2]).total, network(3))


def test_a_network_without_weight_says_nothing():
    np.testing.assert_array_equal(fuse([network(1), network(2)], [1, 0]).total, network(1))


def test_the_lowest_class_wins_a_tie():
    assert fuse([np.full((3, 1, 1), 1 / 3, np.float32)], [1]).labels[0, 0] == 0


def test_a_network_that_is_not_contiguous_is_read_right():
    strided = network(1, (6, 5, 4)).transpose(2, 0, 1)
    np.testing.assert_array_equal(fuse([strided], [1]).total, strided)


@pytest.mark.parametrize("weights", [[], [1], [1, 1, 1], [0, 0], [2, -1], [1, np.nan], [1, np.inf]])
def test_weights_that_make_no_mean_are_refused(weights):
    with pytest.raises(ValueError, match="weight"):
        fuse([network(1), network(2)], weights)


def test_no_network_is_refused():
    with pytest.raises(ValueError, match="0 networks"):
        fuse([], [])


def test_networks_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="differ"):
        fuse([network(1), network(2, (4, 6, 6))], [1, 1])


@pytest.mark.parametrize("wrong", [np.zeros((4, 2, 2)), np.zeros((2, 2), np.float32)])
def test_probabilities_of_another_kind_are_refused(wrong):
    with pytest.raises(ValueError, match="float32"):
        fuse([wrong], [1])


def test_probabilities_are_kept_as_bytes():
    total = np.array([-0.1, 0, 0.5, 1, 1.1], np.float32).reshape(5, 1, 1)
    assert quantise(total).ravel().tolist() == [0, 0, 128, 255, 255]


def test_only_probabilities_can_be_kept():
    with pytest.raises(ValueError, match="float64"):
        quantise(np.zeros((4, 2, 2)))
