from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_section import make_config
from torch.nn import functional

from morphinfer_training.learning.nets import (
    DivideByBatch,
    PaddingFreeNet,
    Scale,
    band_pass,
    fold,
    make_network,
)

SIZES = (40, 48, 64, 96, 128, 160)


def trained(patch, seed=0, brightness="blind"):
    """A network with scales, shifts and a bias that differ from the initial ones."""
    torch.manual_seed(seed)
    network = PaddingFreeNet((4, 6, 6, 8), 3, patch, brightness=brightness)
    for _ in range(30):
        network(torch.rand(2, 1, patch + 8, patch + 8) * 3)
    torch.nn.init.normal_(network.bias)
    for _, scale in network.stages():
        if brightness == "seen":
            torch.nn.init.normal_(scale.shift)
    return network.eval()


def noise(*shape, seed=1):
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("patch", "brightness"), [*((p, "blind") for p in SIZES), (64, "seen")])
def test_the_output_for_a_tile_equals_that_for_its_patches(patch, brightness):
    network = trained(patch, brightness=brightness)
    tile = noise(patch + 16, patch + 24)
    with torch.inference_mode():
        dense = network(tile)[0]
        for row in range(3):
            for col in range(4):
                one = tile[:, :, 8 * row : 8 * row + patch, 8 * col : 8 * col + patch]
                assert torch.allclose(network(one)[0, :, 0, 0], dense[:, row, col], atol=1e-5)


@pytest.mark.parametrize("patch", SIZES)
def test_a_patch_gives_one_prediction(patch):
    assert trained(patch)(torch.rand(2, 1, patch, patch)).shape == (2, 3, 1, 1)


@pytest.mark.parametrize("patch", [48, 64])
def test_the_receptive_field_reaches_the_edges_of_a_patch(patch):
    network = trained(patch)
    image = noise(patch, patch).requires_grad_()
    torch.manual_seed(3)
    network(image).mul(torch.randn(1, 3, 1, 1)).sum().backward()
    seen = image.grad[0, 0].abs() > 0
    rows, cols = (torch.nonzero(seen.any(dim=axis)) for axis in (1, 0))
    for indices in (rows, cols):
        assert int(indices.min()) <= 8
        assert int(indices.max()) >= patch - 9


def test_without_a_floor_brightness_and_black_level_change_nothing():
    network = trained(64)
    with torch.no_grad():
        network.log_floor.fill_(-30)
    tile = noise(80, 80)
    with torch.inference_mode():
        unchanged = network(tile)
        assert unchanged.std() > 0.01
        for gain, shift in ((0.5, 0.0), (3.0, 0.0), (1.0, 0.4), (2.0, -0.7)):
            assert torch.allclose(network(gain * tile + shift), unchanged, atol=1e-4)


def test_a_network_that_sees_brightness_depends_on_gain_and_black_level():
    network = trained(64, brightness="seen")
    tile = noise(80, 80)
    with torch.inference_mode():
        unchanged = network(tile)
        for gain, shift in ((0.5, 0.0), (1.0, 0.4)):
            assert float((network(gain * tile + shift) - unchanged).abs().max()) > 0.1


def test_both_kinds_start_from_the_same_draws():
    first = []
    for brightness in ("blind", "seen"):
        torch.manual_seed(5)
        first.append(make_network(make_config(brightness=brightness), 48))
    blind, seen = (dict(network.named_parameters()) for network in first)
    assert torch.equal(blind["head.weight"], seen["head.weight"])
    assert blind.keys() - seen.keys() == {"log_floor"}


def test_the_configuration_sets_the_initial_floor():
    network = make_network(make_config(contrast_floor=0.25), 48)
    assert float(network.log_floor.detach().exp()) == pytest.approx(0.25)


def test_the_floor_distinguishes_faint_patches_from_bright_ones():
    network = trained(64)
    with torch.inference_mode():
        distances = [
            float((network(gain * noise(64, 64))[0, :, 0, 0] - network.bias).abs().max())
            for gain in (0.0, 0.01, 0.1, 1.0)
        ]
    assert distances[0] < 1e-5
    assert distances == sorted(distances)


def test_the_first_filters_sum_to_0_and_weaken_the_noise_of_single_pixels():
    weight = torch.randn(16, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    filters = band_pass(weight)
    assert filters.shape == (16, 1, 5, 5)
    assert float(filters.sum(dim=(1, 2, 3)).abs().max()) < 1e-5
    assert float(filters.square().sum() / weight.square().sum()) < 0.2


@pytest.mark.parametrize("brightness", ["blind", "seen"])
def test_folding_keeps_the_output(brightness):
    network = trained(96, brightness=brightness)
    tile = noise(112, 120, seed=2)
    weights = fold(network)
    x = tile
    shifts = map(torch.from_numpy, weights.shifts or [np.zeros(1, np.float32)] * 5)
    for depth, kernel in enumerate(map(torch.from_numpy, weights.convolutions)):
        x = functional.conv2d(x, kernel, dilation=2 if depth == 4 else 1)
        x = functional.relu(x + next(shifts)[:, None, None])
        if depth < 3:
            x = functional.max_pool2d(x, 2)
    evidence = functional.avg_pool2d(functional.conv2d(x, torch.from_numpy(weights.head)), 4, 1)
    contrast = functional.avg_pool2d(x.mean(dim=1, keepdim=True), 4, 1)
    bias = torch.from_numpy(weights.bias)[:, None, None]
    ratio = evidence if weights.floor is None else evidence / (contrast + weights.floor)
    logits = ratio + bias
    assert torch.allclose(logits, network(tile), atol=1e-5)


def test_the_gradient_of_scales_matches_their_definition():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: DivideByBatch.apply(x)[0], x)
    expected = x / (x.square().mean(dim=(0, 2, 3)) + 1e-5).sqrt()[:, None, None]
    scale = Scale(3).train()
    assert torch.allclose(scale(x.float()), expected.float(), atol=1e-5)
    assert torch.allclose(scale.square, 0.9 + 0.1 * x.float().square().mean(dim=(0, 2, 3)))


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network = PaddingFreeNet((4, 4, 4, 4), 2, 48, dropout=0.5)
    image = torch.rand(1, 1, 48, 48)
    network.eval()
    assert torch.equal(network(image), network(image))


def test_the_same_seed_gives_the_same_network():
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        weights.append(fold(make_network(make_config(), 48)).convolutions[0])
    assert np.array_equal(*weights)
