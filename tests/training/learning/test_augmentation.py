from __future__ import annotations

import numpy as np
import pytest
import torch

from morphinfer_training.config import AugmentationConfig
from morphinfer_training.learning.augmentation import (
    cut_tile,
    draw_maps,
    position_centres,
    vary_intensity,
)

CLIP = (-0.5, 2.0)
NOTHING = AugmentationConfig(
    flip=False, rotate="none", scale_jitter=1.0, gain=1.0, gamma=1.0, offset=0.0,
    illumination=0.0, blur_px=(0.0, 0.0), noise=0.0, downscale=0.0,
)  # fmt: skip


def tiles(count=4, side=32):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.uniform(0, 1, (count, 1, side, side)).astype(np.float32))


def test_neutral_settings_change_nothing():
    varied = vary_intensity(tiles(), np.random.default_rng(1), NOTHING, CLIP)
    assert torch.allclose(varied, tiles(), atol=1e-5)
    assert np.array_equal(draw_maps(np.random.default_rng(1), 3, NOTHING), [np.eye(2)] * 3)


def test_quarter_turns_and_flips_are_the_eight_symmetries_of_the_square():
    config = AugmentationConfig(scale_jitter=1.0)
    maps = draw_maps(np.random.default_rng(0), 200, config)
    assert len({tuple(m.ravel()) for m in maps.round().astype(int)}) == 8
    assert np.allclose(np.abs(np.linalg.det(maps)), 1)


def test_scales_stay_within_their_limits_on_both_sides():
    config = AugmentationConfig(scale_jitter=1.25, rotate="any")
    scales = np.sqrt(np.abs(np.linalg.det(draw_maps(np.random.default_rng(0), 400, config))))
    assert 0.8 <= scales.min() < 0.85
    assert 1.2 < scales.max() <= 1.25


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_turned_tile_is_the_turned_crop(turns):
    image = torch.rand(1, 1, 40, 50, generator=torch.Generator().manual_seed(0))
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    linear = np.linalg.matrix_power(quarter, turns)
    tile = cut_tile(image, np.array([20.0, 24.0]), linear, 16)
    crop = image[0, 0, 12:28, 16:32]
    assert torch.allclose(tile[0, 0], torch.rot90(crop, -turns), atol=1e-4)


def test_a_tile_beyond_the_edge_is_reflected():
    image = torch.rand(1, 1, 30, 30, generator=torch.Generator().manual_seed(0))
    tile = cut_tile(image, np.array([2.0, 28.0]), np.eye(2), 12)[0, 0].numpy()
    padded = np.pad(image[0, 0].numpy(), 10, mode="symmetric")
    assert np.allclose(tile, padded[6:18, 32:44], atol=1e-4)


@pytest.mark.parametrize("rotate", ["quarter", "any"])
def test_labels_stay_with_their_pixels(rotate):
    """The pixel values of the section are their own coordinates."""
    rows, cols = torch.meshgrid(torch.arange(200) + 0.5, torch.arange(200) + 0.5, indexing="ij")
    config = AugmentationConfig(rotate=rotate)
    for linear in draw_maps(np.random.default_rng(0), 10, config):
        centre = np.array([96.0, 104.0])
        points = position_centres(centre, linear, 3, 8)
        for axis, image in enumerate((rows, cols)):
            tile = cut_tile(image[None, None], centre, linear, 62)[0, 0].numpy()
            middles = tile[23:40:8, 23:40:8]  # the centre of a patch of 46 is at 23
            coordinates = (middles + tile[22:39:8, 22:39:8]) / 2
            assert np.allclose(coordinates, points[..., axis], atol=0.02)


@pytest.mark.parametrize(
    "change",
    [
        {"gain": 1.5}, {"gamma": 1.5}, {"offset": 0.2}, {"illumination": 0.5},
        {"blur_px": (1.0, 2.0)}, {"noise": 0.2}, {"downscale": 1.0},
    ],
)  # fmt: skip
def test_each_variation_changes_every_tile_and_repeats_with_its_seed(change):
    from dataclasses import replace

    config = replace(NOTHING, **change)
    first, again = (vary_intensity(tiles(), np.random.default_rng(3), config, CLIP) for _ in "ab")
    other = vary_intensity(tiles(), np.random.default_rng(4), config, CLIP)
    assert torch.equal(first, again)
    changed = (first - tiles()).abs().amax(dim=(1, 2, 3))
    assert float(changed.min()) > 1e-3
    if change != {"downscale": 1.0}:
        assert not torch.equal(first, other)


def test_blur_keeps_the_mean_and_lowers_the_contrast():
    from dataclasses import replace

    blurred = vary_intensity(
        tiles(side=64), np.random.default_rng(0), replace(NOTHING, blur_px=(1.5, 1.5)), CLIP
    )
    assert float(blurred.mean()) == pytest.approx(float(tiles(side=64).mean()), abs=0.01)
    assert float(blurred.std()) < 0.3 * float(tiles(side=64).std())


def test_intensities_stay_within_the_limits_of_normalisation():
    config = AugmentationConfig(gain=5.0, offset=1.0, noise=1.0)
    varied = vary_intensity(tiles(), np.random.default_rng(0), config, CLIP)
    assert varied.dtype == torch.float32
    assert CLIP[0] <= float(varied.min()) < float(varied.max()) <= CLIP[1]
