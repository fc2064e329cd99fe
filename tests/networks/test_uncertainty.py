"""Uncertainty: the entropy of what the networks say, and errors that become more frequent with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer import Options, open_slide, segment
from morphinfer.geometry import Window
from morphinfer.images.labels.opening import open_labels
from morphinfer.networks.fusion import fuse
from morphinfer.networks.uncertainty import (
    UNCERTAIN_BELOW,
    normalised_entropy,
    uncertain_tissue,
)
from morphinfer.phantom.section import make_phantom


def said(*positions):
    """Probabilities of one row of positions, shape (classes, 1, positions)."""
    return np.array(positions, np.float32).T[:, None]


def random_networks(seed, networks=1, classes=4, shape=(5, 7)):
    values = np.random.default_rng(seed).gamma(0.3, size=(networks, classes, *shape)) + 1e-9
    return (values / values.sum(axis=1, keepdims=True)).astype(np.float32)


# Entropy


@given(st.integers(0, 10**6), st.integers(2, 9))
def test_the_uncertainty_is_the_entropy_over_that_of_equal_classes(seed, classes):
    (total,) = random_networks(seed, classes=classes)
    p = total.astype(float)
    entropy = -(p * np.log(p)).sum(axis=0) / np.log(classes)
    np.testing.assert_allclose(normalised_entropy(total), 255 * entropy, atol=0.51)


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 255])
def test_equal_classes_are_255_and_a_certain_class_is_0(classes):
    equal, certain = np.full(classes, 1 / classes), np.eye(classes)[classes // 2]
    assert normalised_entropy(said(equal, certain)).tolist() == [[255, 0]]


def test_a_single_class_is_certain():
    assert normalised_entropy(np.ones((1, 2, 3), np.float32)).tolist() == [[0] * 3] * 2


def test_what_is_no_number_is_as_uncertain_as_can_be():
    total = said([np.nan, 0.5, 0.5], [np.nan] * 3)
    assert normalised_entropy(total).tolist() == [[255, 255]]
    assert uncertain_tissue(np.ones((1, 2), np.uint8), total, (0,)).all()


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 8))
def test_a_position_is_as_uncertain_in_any_tile(seed, row, col):
    (total,) = random_networks(seed, shape=(6, 8))
    part = np.ascontiguousarray(total[:, :row, :col])
    np.testing.assert_array_equal(normalised_entropy(part), normalised_entropy(total)[:row, :col])


def test_networks_that_disagree_are_uncertain_though_each_is_sure():
    one, other = said([1, 0, 0, 0]), said([0, 1, 0, 0])
    assert normalised_entropy(fuse([one, one], [1, 1]).total).tolist() == [[0]]
    assert normalised_entropy(fuse([one, other], [1, 1]).total).tolist() == [[128]]


@given(st.integers(0, 10**6))
def test_the_uncertainty_of_all_is_at_least_the_mean_of_their_own(seed):
    networks = random_networks(seed, networks=5)
    own = np.mean([normalised_entropy(network) for network in networks], axis=0)
    assert (normalised_entropy(fuse(list(networks), [1] * 5).total) >= own - 1).all()


def test_tissue_is_uncertain_below_the_limit_and_background_never():
    total = said([0.59, 0.41], [0.41, 0.59], [0.4, UNCERTAIN_BELOW], [0.3, 0.7])
    labels = total.argmax(axis=0).astype(np.uint8)
    assert uncertain_tissue(labels, total, (0,)).tolist() == [[False, True, False, False]]


@pytest.mark.parametrize(("background", "expected"), [
    ((), [True, True, True, False]), ((0,), [False, True, True, False]),
    ((2,), [True, True, False, False]), ((0, 2), [False, True, False, False]),
])  # fmt: skip
def test_any_class_may_be_background_several_or_none(background, expected):
    total = said([0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.2, 0.3, 0.5], [0.1, 0.9, 0])
    labels = total.argmax(axis=0).astype(np.uint8)
    assert uncertain_tissue(labels, total, background).tolist() == [expected]


def test_the_networks_err_more_on_a_synthetic_section_where_they_are_uncertain(tmp_path):
    phantom = make_phantom(tmp_path / "animal", seed=2, size=(768, 1024))
    result = segment(
        phantom.slide, models="phantom", out=tmp_path / "l.zarr",
        options=Options(uncertainty=True, provider="cpu", threads=1),
    )  # fmt: skip
    whole = Window(0, 0, *result.labels.image.shape)
    labels, reference = (
        image.read(whole) for image in (result.labels, open_labels(phantom.reference))
    )
    uncertainty = open_slide(tmp_path / "l_uncertainty.zarr").read(whole)
    wrong = (labels != reference).ravel()[np.argsort(uncertainty, axis=None, kind="stable")]
    least, middle, most = (part.mean() for part in np.array_split(wrong, 3))
    assert least <= middle < most
    assert most > 2 * least
