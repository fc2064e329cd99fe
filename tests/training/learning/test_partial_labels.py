"""Training and scoring on sections whose reference does not name all classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from synthetic_section import everything, make_config, make_section

from morphinfer.classes import UNLABELLED
from morphinfer_training.learning.nets import make_network
from morphinfer_training.learning.patches import TileSampler, balanced_loss, tissue_classes
from morphinfer_training.learning.split import Split
from morphinfer_training.learning.validation import HeldOutScorer

CPU = torch.device("cpu")


def logits_and_labels():
    rng = np.random.default_rng(3)
    logits = torch.from_numpy(rng.normal(size=(2, 4, 5, 5)).astype(np.float32))
    labels = torch.from_numpy(rng.choice([0, 1, 2, 3, UNLABELLED], (2, 5, 5)))
    return logits, labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_cross_entropy_if_tissue_is_only_tissue(smoothing):
    logits, labels = logits_and_labels()
    only = torch.tensor([[False, True, False, False]] * 2)
    plain = balanced_loss(logits, labels, smoothing, 5.0)
    assert float(balanced_loss(logits, labels, smoothing, 5.0, only)) == pytest.approx(
        float(plain), rel=1e-5
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_equals_that_of_torch_exactly_if_all_classes_are_named(smoothing):
    logits, labels = logits_and_labels()
    counts = torch.bincount(labels[labels != UNLABELLED], minlength=4)
    weights = (counts.sum() / (4 * counts)).clamp_max(1.2)
    plain = F.cross_entropy(
        logits, labels, weights, ignore_index=UNLABELLED, label_smoothing=smoothing
    )
    assert float(balanced_loss(logits, labels, smoothing, 1.2)) == float(plain)


def test_the_loss_of_partial_labels_has_finite_gradients():
    logits, labels = logits_and_labels()
    logits = (100 * logits).requires_grad_()
    tissue = torch.tensor([[False, True, False, True], [False, True, False, False]])
    balanced_loss(logits, labels, 0.05, 5.0, tissue).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[labels[:, None].expand_as(logits) == UNLABELLED] == 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_uses_the_summed_probability_of_the_classes_that_tissue_may_be(smoothing):
    logits, labels = logits_and_labels()
    tissue = torch.tensor([[False, True, False, True], [False, True, False, False]])
    loss = float(balanced_loss(logits, labels, smoothing, 1e9, tissue))
    p, y = torch.softmax(logits, dim=1).numpy(), labels.numpy()
    counts = np.bincount(y[y != UNLABELLED], minlength=4)
    weights = counts.sum() / (4 * counts)
    total = norm = 0.0
    for n, row, col in np.argwhere(y != UNLABELLED):
        value = y[n, row, col]
        known = tissue[n].numpy() if value == 1 else np.arange(4) == value
        total -= (1 - smoothing) * weights[value] * np.log(p[n, known, row, col].sum())
        total -= smoothing * (weights * np.log(p[n, :, row, col])).mean()
        norm += weights[value]
    assert loss == pytest.approx(total / norm, rel=1e-5)


def test_batches_say_what_tissue_may_be_only_if_a_section_lacks_a_class():
    config, section = make_config(), make_section()
    assert tissue_classes([section], 3) is None
    lacking = replace(section, labels=np.minimum(section.labels, 1), unnamed=(2,))
    sampler = TileSampler([lacking], [everything(lacking)], config, 48, CPU)
    batch = sampler.draw(0)
    assert batch.tissue.tolist() == [[False, True, True]] * config.training.batch


def scorer_of_two():
    """Two positions of a section that names all classes, then two of one that lacks class 2."""
    config, section = make_config(), make_section(rows=1, cols=2)
    section = replace(section, labels=np.ones((1, 2), np.uint8))
    held = Split(np.zeros((1, 2), bool), np.ones((1, 2), bool))
    return HeldOutScorer([section, replace(section, unnamed=(2,))], [held, held], config, CPU)


def test_predicting_a_class_that_a_section_does_not_name_counts_as_tissue():
    predicted = np.array([1, 2, 2, 2])
    dice = scorer_of_two().dice(np.eye(3, dtype=np.float32)[predicted])
    assert dice[1] == pytest.approx(2 * 3 / (4 + 3))  # only the second position is wrong
    assert dice[2] == 0


def test_the_most_probable_class_decides_and_not_the_sum_for_tissue():
    probabilities = np.tile(np.float32([0.4, 0.3, 0.3]), (4, 1))
    assert scorer_of_two().dice(probabilities)[1] == 0


def test_probabilities_of_classes_that_a_section_does_not_name_are_added_to_tissue():
    probabilities = np.tile(np.float32([0.4, 0.25, 0.35]), (2, 4, 1))
    merged = scorer_of_two().merged(probabilities)
    assert np.array_equal(merged[:, :2], probabilities[:, :2])
    assert merged[:, 2:] == pytest.approx(np.tile(np.float32([0.4, 0.6, 0]), (2, 2, 1)))


def test_nothing_is_merged_if_all_classes_are_named():
    config, section = make_config(), make_section()
    scorer = HeldOutScorer([section], [everything(section)], config, CPU)
    torch.manual_seed(0)
    probabilities = scorer.probabilities(make_network(config, 48).eval(), 48)
    assert scorer.merged(probabilities) is probabilities
