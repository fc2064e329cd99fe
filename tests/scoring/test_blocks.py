"""The reference is divided into square blocks, over which the intervals of Dice are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from label_images import matrix, random_values

from morphinfer.errors import AlignmentError
from morphinfer.scoring.bootstrap import bootstrap_dice
from morphinfer.scoring.evaluation import evaluate

pytest_plugins = ["label_images"]


def test_blocks_are_squares_of_the_reference(make):
    labels, reference = random_values(60, 50), random_values(60, 50, seed=1)
    agreement = evaluate(make(labels), make(reference), block_um=80)
    assert agreement.blocks.shape == (3 * 3, 4, 4)
    np.testing.assert_array_equal(agreement.blocks.sum(axis=0), agreement.confusion)
    np.testing.assert_array_equal(
        agreement.blocks[5], matrix(reference[20:40, 40:50], labels[20:40, 40:50])
    )
    assert (agreement.block_um, agreement.intervals.blocks) == (80, 9)
    assert agreement.intervals.mean is None


def test_blocks_are_the_same_for_any_tile(make):
    labels, reference = make(random_values(37, 41)), make(random_values(74, 82, seed=1), 2.0)
    expected = evaluate(labels, reference, block_um=30).blocks
    blocks = evaluate(labels, reference, block_um=30, tile=11).blocks
    np.testing.assert_array_equal(blocks, expected)
    assert expected.shape[0] == 5 * 6


def test_blocks_of_a_coarser_reference_are_counted_at_the_finer_pixels(make):
    labels, reference = random_values(40, 40), random_values(20, 20, seed=1)
    agreement = evaluate(make(labels, 2.0), make(reference, 4.0), block_um=40)
    fine = np.kron(reference, np.ones((2, 2), np.uint8))
    np.testing.assert_array_equal(agreement.blocks[3], matrix(fine[20:, 20:], labels[20:, 20:]))


def test_intervals_come_from_the_matched_blocks(make):
    names = ("tissue", "Slc17a7", "background")
    agreement = evaluate(make(random_values(60, 60)), make(random_values(60, 60, seed=1) % 3, names=names),
                    block_um=60)  # fmt: skip
    assert agreement.intervals == bootstrap_dice(agreement.blocks, (0, 1, 2))
    assert agreement.intervals.per_class[3] is None
    low, high = agreement.intervals.mean
    assert low < agreement.mean_dice < high


@pytest.mark.parametrize("block_um", [3.9, 0, -1, float("nan")])
def test_blocks_smaller_than_a_pixel_are_refused(make, block_um):
    path = make(random_values(10, 10))
    with pytest.raises(AlignmentError, match="smaller than a pixel of 4"):
        evaluate(path, path, block_um=block_um)
