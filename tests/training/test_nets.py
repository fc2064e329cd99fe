from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_section import make_config
from torch.nn import functional

from morphinfer_training.nets import (
    PaddingFreeNet,
    fold,
    make_network,
    multiply_adds_per_pixel,
)

SIZES = (38, 46, 62, 94, 126, 158)


def trained(patch, seed=0):
    """A network whose batch statistics are not those of a fresh one."""
    torch.manual_seed(seed)
    network = PaddingFreeNet((4, 6, 6, 8), 3, patch)
    for _ in range(3):
        network(torch.rand(2, 1, patch + 8, patch + 8) * 3)
    for _, norm in network.stages():
        torch.nn.init.normal_(norm.bias)
    return network.eval()


@pytest.mark.parametrize("patch", SIZES)
def test_a_tile_gives_what_its_patches_give(patch):
    network = trained(patch)
    tile = torch.rand(1, 1, patch + 16, patch + 24, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        dense = network(tile)[0]
        for row in range(3):
            for col in range(4):
                one = tile[:, :, 8 * row : 8 * row + patch, 8 * col : 8 * col + patch]
                assert torch.allclose(network(one)[0, :, 0, 0], dense[:, row, col], atol=1e-5)


@pytest.mark.parametrize("patch", SIZES)
def test_a_patch_gives_one_prediction(patch):
    assert trained(patch)(torch.rand(2, 1, patch, patch)).shape == (2, 3, 1, 1)


def test_folding_keeps_the_output():
    network = trained(62)
    tile = torch.rand(1, 1, 78, 86, generator=torch.Generator().manual_seed(2))
    x = tile
    layers = fold(network)
    for depth, layer in enumerate(layers):
        x = functional.conv2d(x, torch.from_numpy(layer.weight), torch.from_numpy(layer.bias))
        if depth < len(layers) - 1:
            x = functional.relu(x)
        if depth < 3:
            x = functional.max_pool2d(x, 2)
    x = functional.avg_pool2d(x, 4, stride=1)
    assert torch.allclose(x, network(tile), atol=1e-5)


def test_the_scale_of_normalisation_stays_positive_and_untrained():
    for _, norm in make_network(make_config(), 46).stages():
        assert not norm.weight.requires_grad
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network = PaddingFreeNet((4, 4, 4, 4), 2, 46, dropout=0.5)
    image = torch.rand(1, 1, 46, 46)
    network.eval()
    assert torch.equal(network(image), network(image))


def test_multiply_adds_count_each_layer_at_its_resolution():
    by_hand = 9 * 16 + 9 * 16 * 32 / 4 + 9 * 32 * 64 / 16 + 9 * 64 * 64 / 64 + 64 * 4 / 64
    assert multiply_adds_per_pixel((16, 32, 64, 64), 4) == by_hand


def test_the_same_seed_gives_the_same_network():
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        weights.append(fold(make_network(make_config(), 46))[0].weight)
    assert np.array_equal(*weights)
