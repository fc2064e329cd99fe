from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_section import STRIDE, everything, make_config, make_section

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError
from morphinfer.geometry import Window
from morphinfer_training.learning.patches import TileSampler, balanced_loss, reflected_tile
from morphinfer_training.learning.split import Split, check_split, gap_positions, split_section

CPU = torch.device("cpu")
PLAIN = {
    "flip": False, "rotate": "none", "scale_jitter": 1.0, "gain": 1.0, "gamma": 1.0, "offset": 0.0,
    "illumination": 0.0, "blur_px": [0.0, 0.0], "noise": 0.0, "downscale": 0.0,
}  # fmt: skip


def distance(mask, other):
    """Least distance of positions in two masks, in whole positions between their borders."""
    gaps = np.abs(np.argwhere(mask)[:, None] - np.argwhere(other)[None]).max(axis=-1)
    return gaps.min() - 1


@pytest.mark.parametrize("validation", [{"side": "top"}, {"block_um": 60.0, "fraction": 0.1}])
@pytest.mark.parametrize("rotate", ["quarter", "any"])
def test_training_patches_are_apart_from_held_out_positions(validation, rotate):
    augmentation = {"rotate": rotate, "scale_jitter": 1.2, "blur_px": [0.0, 1.0]}
    config = make_config(validation=validation, augmentation=augmentation)
    section = make_section(rows=90, cols=80)
    split = split_section(section.labels, config, 0)
    assert split.train.any()
    assert split.validation.any()
    seen_px = 1.2 * (48 / 2 * (2**0.5 if rotate == "any" else 1) + 3 * 1.0)
    assert distance(split.train, split.validation) * STRIDE >= seen_px


def test_patches_with_loss_contain_no_held_out_position():
    config = make_config(augmentation={"rotate": "any", "scale_jitter": 1.3, "blur_px": [0, 0]})
    section = make_section()
    split = split_section(section.labels, config, 0)
    held = np.kron(split.validation, np.ones((STRIDE, STRIDE), bool))
    image = held[: section.image.shape[0], : section.image.shape[1]].astype(np.float32)
    plain = {**PLAIN, "flip": True, "rotate": "any", "scale_jitter": 1.3}
    marked = type(section)("held", "", image, section.labels, 1.0)
    config = make_config(augmentation=plain)
    sampler = TileSampler([marked], [split], config, 48, CPU)
    trained = 0
    for step in range(40):
        batch = sampler.draw(step)
        patches = batch.image[:, 0].unfold(1, 48, STRIDE).unfold(2, 48, STRIDE)
        seen = patches.amax(dim=(-1, -2))[batch.labels != UNLABELLED]
        trained += len(seen)
        assert float(seen.max()) == 0
    assert trained > 100


def test_unlabelled_positions_are_neither_trained_on_nor_held_out():
    section = make_section()
    split = split_section(section.labels, make_config(), 0)
    assert not split.train[:, 0].any()
    assert not split.validation[:, 0].any()


def test_blocks_depend_on_the_seed_and_contain_all_classes():
    blocks = {"block_um": 60.0, "fraction": 0.25}
    labels = make_section(rows=90, cols=90).labels
    first, again = (split_section(labels, make_config(validation=blocks), 0) for _ in range(2))
    other = split_section(labels, make_config(validation={**blocks, "seed": 2}), 0)
    assert np.array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)
    assert np.bincount(labels[first.validation], minlength=3).min() > 0
    assert 0.15 < first.validation.sum() / (labels != UNLABELLED).sum() < 0.35


def test_a_block_that_loses_its_last_label_to_its_neighbour_leaves_the_others_as_drawn():
    config = make_config(validation={"block_um": 60.0, "fraction": 0.25})
    side = round(60.0 / (STRIDE * config.pixel_size_um))
    labels = make_section(rows=8 * side, cols=8 * side).labels
    labels[4 * side :, 4 * side :] = UNLABELLED
    labels[5 * side, 4 * side - 1] = labels[5 * side, 4 * side] = 1
    before = split_section(labels, config, 0).validation
    labels[5 * side, 4 * side] = UNLABELLED
    after = split_section(labels, config, 0).validation
    np.testing.assert_array_equal(after, before & (labels != UNLABELLED))


def test_a_draw_that_holds_out_no_label_is_not_taken():
    config = make_config(validation={"block_um": 60.0, "fraction": 0.2})
    side = round(60.0 / (STRIDE * config.pixel_size_um))
    labels = np.full((side, 3 * side), UNLABELLED, np.uint8)
    labels[:, : 2 * side] = 1
    for index in range(5):
        assert split_section(labels, config, index).validation.sum() == side**2


def test_the_gap_covers_half_of_the_largest_patch():
    assert gap_positions(make_config(augmentation=PLAIN)) == 4
    assert gap_positions(make_config(augmentation=PLAIN, patch_sizes_px=[48, 160])) == 11


def test_a_class_without_training_positions_is_refused_by_name():
    section = make_section()
    split = everything(section)
    without = Split(split.train & (section.labels != 2), split.validation)
    with pytest.raises(ConfigError, match="class 'gene A' has no position to train on"):
        check_split([section.labels], [without], make_config())
    with pytest.raises(ConfigError, match="no position is held out"):
        check_split(
            [section.labels], [Split(split.train, np.zeros_like(split.train))], make_config()
        )


def test_a_tile_without_augmentation_is_a_crop_of_the_section_with_its_labels():
    section = make_section()
    counting = np.arange(section.image.size, dtype=np.float32).reshape(section.image.shape)
    section = type(section)("count", "", counting / counting.size, section.labels, 1.0)
    config = make_config(augmentation=PLAIN)
    sampler = TileSampler([section], [everything(section)], config, 48, CPU)
    width = counting.shape[1]
    padded = np.pad(counting, 80, mode="symmetric")
    compared = 0
    for step in range(20):
        batch = sampler.draw(step)
        for tile, labels in zip(batch.image[:, 0].numpy(), batch.labels.numpy(), strict=True):
            assert tile.shape == (64, 64)
            inner = tile[21:43, 21:43] * counting.size
            row, col = divmod(round(float(inner[11, 11])), width)
            if not (16 <= row < 170 and 16 <= col < 460):
                continue  # the centre itself may be a reflection
            compared += 1
            crop = padded[row + 80 - 32 : row + 80 + 32, col + 80 - 32 : col + 80 + 32]
            assert np.allclose(tile * counting.size, crop, atol=0.51)
            assert labels[1, 1] == section.labels[row // STRIDE, col // STRIDE]
    assert compared > 20


def test_classes_are_drawn_equally_often():
    section = make_section()
    labels = section.labels.copy()
    labels[labels == 0] = 1
    labels[:2, 1:3] = 0
    section = type(section)("rare", "", section.image, labels, 1.0)
    config = make_config(training={"batch": 30, "tile_cells": 1}, augmentation=PLAIN)
    sampler = TileSampler([section], [everything(section)], config, 48, CPU)
    counts = sum(np.bincount(sampler.draw(s).labels.numpy().ravel(), minlength=3) for s in range(9))
    assert counts.sum() == 270
    assert counts.min() > 60


def test_sections_are_drawn_by_weight():
    heavy, light = (
        type(s)(s.name, s.identity, np.full_like(s.image, value), s.labels, weight)
        for s, value, weight in ((make_section(), 1.0, 3.0), (make_section(), 0.0, 1.0))
    )
    config = make_config(training={"batch": 40, "tile_cells": 1}, augmentation=PLAIN)
    splits = [everything(heavy), everything(light)]
    sampler = TileSampler([heavy, light], splits, config, 48, CPU)
    share = np.mean([float(sampler.draw(step).image.mean()) for step in range(8)])
    assert 0.65 < share < 0.85


def test_the_batch_of_a_step_does_not_depend_on_earlier_steps():
    section = make_section()
    one, two = (TileSampler([section], [everything(section)], make_config(), 48, CPU) for _ in "ab")
    two.draw(0)
    assert torch.equal(one.draw(5).image, two.draw(5).image)
    assert torch.equal(one.draw(5).labels, two.draw(5).labels)
    assert not torch.equal(one.draw(5).image, two.draw(6).image)


def test_classes_have_equal_weights_in_the_loss():
    logits = torch.zeros(1, 2, 1, 10)
    logits[0, 0] = 2.0
    labels = torch.tensor([[[0] * 9 + [1]]])
    loss = balanced_loss(logits, labels, smoothing=0.0, limit=100.0)
    right, wrong = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    assert float(loss) == pytest.approx((right + wrong) / 2, rel=1e-5)


def test_unlabelled_positions_have_no_loss():
    logits = torch.zeros(1, 2, 1, 3, requires_grad=True)
    labels = torch.tensor([[[0, 1, UNLABELLED]]])
    balanced_loss(logits, labels, smoothing=0.1, limit=5.0).backward()
    assert logits.grad is not None
    assert float(logits.grad[..., 2].abs().max()) == 0


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(0, 4), st.integers(0, 4),
    st.sampled_from([46, 94]),
)  # fmt: skip
def test_reflection_equals_that_of_numpy(height, width, row, col, patch):
    image = np.arange(height * width, dtype=np.float32).reshape(height, width)
    tile = reflected_tile(image, Window(row, col, 2, 1), patch, STRIDE)
    margin = 120
    padded = np.pad(image, margin, mode="symmetric")
    start_row, start_col = (margin + n * STRIDE + (STRIDE - patch) // 2 for n in (row, col))
    assert np.array_equal(
        tile, padded[start_row : start_row + patch + STRIDE, start_col : start_col + patch]
    )
