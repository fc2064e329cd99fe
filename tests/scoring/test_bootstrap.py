"""Intervals of Dice: the bootstrap over blocks against its definition, drawn block by block."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import UNLABELLED
from morphinfer.scoring import bootstrap
from morphinfer.scoring.bootstrap import (
    bootstrap_dice,
    dice,
    dice_draws,
    mean_dice,
    paired_difference,
)
from morphinfer.scoring.metrics import scores


def random_blocks(count=40, classes=3, seed=0, top=50):
    return np.random.default_rng(seed).integers(0, top, (count, classes, classes))


def scored(matrix):
    """Scores of one confusion matrix, as `scores` computes them."""
    counts = np.zeros((256, 256), np.int64)
    counts[: len(matrix), : len(matrix)] = matrix
    counts[UNLABELLED, 0] = 7
    return scores(counts, [f"class {k}" for k in range(len(matrix))])


def test_draws_are_scores_of_blocks_that_are_drawn_with_replacement():
    blocks = random_blocks(12)
    drawn = dice_draws(blocks, draws=5, seed=3)
    often = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=5)
    for of_draw, times in zip(drawn, often, strict=True):
        assert times.sum() == 12
        expected = scored(np.repeat(blocks, times, axis=0).sum(axis=0)).dice
        np.testing.assert_allclose(of_draw, expected)


def test_the_interval_is_the_middle_of_the_draws():
    blocks = random_blocks()
    drawn = dice_draws(blocks, draws=1000, seed=0)
    intervals = bootstrap_dice(blocks)
    assert intervals.per_class[1] == pytest.approx(tuple(np.percentile(drawn[:, 1], (2.5, 97.5))))
    assert intervals.mean == pytest.approx(tuple(np.percentile(drawn.mean(axis=1), (2.5, 97.5))))
    low, high = intervals.mean
    assert low < scored(blocks.sum(axis=0)).mean_dice < high


def test_a_class_that_is_absent_from_a_draw_is_left_out_of_its_mean():
    blocks = np.zeros((1, 3, 3), np.int64)
    blocks[0, 0, 0], blocks[0, 1, 0], blocks[0, 1, 1] = 4, 2, 6
    expected = scored(blocks[0])
    assert np.isnan(dice(blocks)[0, 2])
    assert expected.dice[2] is None
    assert mean_dice(dice(blocks))[0] == pytest.approx(expected.mean_dice)


def test_an_absent_class_has_no_interval():
    blocks = random_blocks()
    blocks[:, 2], blocks[:, :, 2] = 0, 0
    intervals = bootstrap_dice(blocks)
    assert intervals.per_class[2] is None
    assert intervals.per_class[0] is not None


def test_a_class_that_the_reference_does_not_know_has_no_interval_wherever_it_is_predicted():
    blocks = random_blocks()
    blocks[:, 1] = 0
    intervals = bootstrap_dice(blocks, reference_classes=[0, 2])
    assert intervals.per_class[1] is None
    assert intervals.mean == pytest.approx(
        tuple(np.percentile(dice_draws(blocks)[:, [0, 2]].mean(axis=1), (2.5, 97.5)))
    )


def test_blocks_without_labelled_pixels_change_nothing():
    blocks = random_blocks(15)
    empty = np.zeros((30, 3, 3), np.int64)
    assert bootstrap_dice(np.concatenate([empty, blocks])) == bootstrap_dice(blocks)
    assert bootstrap_dice(blocks).blocks == 15


def test_fewer_than_ten_blocks_give_no_interval():
    nine = np.concatenate([random_blocks(9), np.zeros((5, 3, 3), np.int64)])
    assert bootstrap_dice(nine) == bootstrap.Intervals((None, None, None), None, 9)
    assert paired_difference(nine, nine[:, ::-1]).interval is None
    assert bootstrap_dice(random_blocks(10)).mean is not None


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    blocks = random_blocks()
    assert bootstrap_dice(blocks, seed=1) == bootstrap_dice(blocks, seed=1)
    assert bootstrap_dice(blocks, seed=1) != bootstrap_dice(blocks, seed=2)


def test_draws_do_not_depend_on_how_many_are_held_at_once():
    blocks = random_blocks()
    whole = dice_draws(blocks, draws=30)
    parts = dice_draws(blocks, draws=30, at_once=7 * len(blocks))
    np.testing.assert_array_equal(parts, whole)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Blocks of a known process: each block's accuracy varies, as tissue does."""
    random = np.random.default_rng(11)
    truth, covered, sections = 0.8, 0, 200
    for _ in range(sections):
        right = random.binomial(100, random.beta(8, 2, 40))
        blocks = np.zeros((40, 2, 2), np.int64)
        # A symmetric error keeps both classes at Dice = accuracy.
        blocks[:, 0, 0], blocks[:, 0, 1] = right, 100 - right
        blocks[:, 1, 1], blocks[:, 1, 0] = right, 100 - right
        low, high = bootstrap_dice(blocks, draws=300).mean
        covered += low <= truth <= high
    assert 0.90 <= covered / sections <= 0.985


def test_equal_results_differ_by_zero():
    blocks = random_blocks()
    difference = paired_difference(blocks, blocks)
    assert (difference.mean_dice, difference.interval) == (0.0, (0.0, 0.0))


def test_a_paired_interval_is_narrower_than_the_two_apart():
    first = random_blocks(60, top=200)
    second = first.copy()
    lost = second[:, 0, 0] // 20
    second[:, 0, 0] -= lost
    second[:, 0, 1] += lost
    difference = paired_difference(first, second)
    assert difference.mean_dice == pytest.approx(
        scored(first.sum(axis=0)).mean_dice - scored(second.sum(axis=0)).mean_dice
    )
    low, high = difference.interval
    assert 0 < low < difference.mean_dice < high
    apart = bootstrap_dice(first).mean
    assert high - low < (apart[1] - apart[0]) / 3


def test_blocks_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 3\); they must be"):
        bootstrap_dice(np.zeros((4, 3), np.int64))
    with pytest.raises(ValueError, match="must be equal"):
        paired_difference(random_blocks(10), random_blocks(11))
    with pytest.raises(ValueError, match="0 draws"):
        dice_draws(random_blocks(), draws=0)
