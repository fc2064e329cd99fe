"""Dice and IoU are those of scikit-learn; absent classes and unlabelled pixels do not count."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from morphinfer.classes import UNLABELLED
from morphinfer.scoring.metrics import Confusion, scores, scores_json

short = settings(max_examples=50, deadline=None)
NAMES = ("background", "tissue", "GeneA", "GeneB")
images = hnp.arrays(np.uint8, (2, 9, 11), elements=st.integers(0, 3))


def score(reference, result, names=NAMES):
    confusion = Confusion()
    confusion.add(np.asarray(reference, np.uint8), np.asarray(result, np.uint8))
    return scores(confusion.counts, names)


@short
@given(pair=images)
def test_scores_equal_those_of_scikit_learn(pair):
    reference, result = pair
    agreement = score(reference, result)
    present = np.union1d(reference, result).tolist()
    flat = {"y_true": reference.ravel(), "y_pred": result.ravel(), "labels": present}
    dice = f1_score(**flat, average=None, zero_division=0)
    iou = jaccard_score(**flat, average=None, zero_division=0)
    np.testing.assert_allclose([agreement.dice[k] for k in present], dice)
    np.testing.assert_allclose([agreement.iou[k] for k in present], iou)
    for mine, oracle in ((agreement.precision, precision_score), (agreement.recall, recall_score)):
        shares = oracle(**flat, average=None, zero_division=np.nan)
        np.testing.assert_allclose(np.array([mine[k] for k in present], float), shares)
    assert agreement.mean_dice == pytest.approx(dice.mean())
    assert agreement.mean_iou == pytest.approx(iou.mean())


@short
@given(pair=images)
def test_the_confusion_matrix_has_the_reference_in_its_rows(pair):
    expected = confusion_matrix(pair[0].ravel(), pair[1].ravel(), labels=range(4))
    np.testing.assert_array_equal(score(*pair).confusion, expected)


@short
@given(pair=images, cut=st.integers(1, 8))
def test_blocks_add_up_to_the_whole(pair, cut):
    confusion = Confusion()
    confusion.add(pair[0, :cut], pair[1, :cut])
    confusion.add(pair[0, cut:], pair[1, cut:])
    np.testing.assert_array_equal(scores(confusion.counts, NAMES).confusion, score(*pair).confusion)


def test_equal_images_score_one():
    agreement = score([[0, 1, 2, 3]], [[0, 1, 2, 3]])
    assert agreement.dice == agreement.iou == (1, 1, 1, 1)


def test_a_class_that_neither_image_has_is_undefined_and_not_in_the_mean():
    agreement = score([[0, 1, 1]], [[0, 1, 0]])
    assert agreement.dice[2:] == (None, None)
    assert agreement.classes_counted == 2
    assert agreement.mean_dice == pytest.approx(2 / 3)


def test_a_class_that_only_one_image_has_scores_zero():
    assert score([[0, 2]], [[0, 0]]).dice[2] == 0


def test_unlabelled_pixels_are_left_out():
    agreement = score([[0, UNLABELLED, 1]], [[0, 3, 1]])
    assert agreement.pixels_compared == 2
    assert agreement.dice == (1, 1, None, None)


def test_a_reference_without_labels_is_refused():
    with pytest.raises(ValueError, match="nothing to compare"):
        score([[UNLABELLED]], [[0]])


@pytest.mark.parametrize("pair", [([[4]], [[0]]), ([[0]], [[4]]), ([[0]], [[UNLABELLED]])])
def test_a_class_without_a_name_is_refused(pair):
    with pytest.raises(ValueError, match="1 pixels have a class beyond the 4"):
        score(*pair)


def test_blocks_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        Confusion().add(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))


def test_blocks_of_another_type_are_refused():
    with pytest.raises(ValueError, match="int64"):
        Confusion().add(np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64))


def test_scores_become_json_with_null_for_undefined():
    content = json.loads(json.dumps(scores_json(score([[0, 1, 1]], [[0, 1, 0]])), allow_nan=False))
    assert content["dice"]["per_class"]["GeneA"] is None
    assert content["iou"]["per_class"]["tissue"] == content["recall"]["per_class"]["tissue"] == 0.5
    assert content["precision"] == {"mean": 0.75, "per_class": {
        "background": 0.5, "tissue": 1.0, "GeneA": None, "GeneB": None,
    }}  # fmt: skip
    assert content["confusion"][1] == [1, 1, 0, 0]
    assert (content["pixels_compared"], content["classes_counted"]) == (3, 2)
