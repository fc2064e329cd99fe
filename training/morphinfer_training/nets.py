"""The padding-free networks: a large tile gives exactly what its patches give one by one.

Every convolution is valid, every pooling window is fixed, and the last is an average of k x k
positions at stride 1, with k = (P - 30) / 8 for patches of P pixels. The average follows the last,
linear convolution to classes: both are linear, so the result is the same and four channels are
averaged instead of 64.

Batch normalisation follows the pooling, where it costs a quarter, and has no factor of its own. Its
scale is then always positive, so it commutes with the maximum and folds into the convolution; a
positive factor would be absorbed by the next convolution anyway, since ReLU passes it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from morphinfer_training.config import CONTEXT_PX, STRIDE_PX, TrainConfig

KERNEL = 3
POOLINGS = 3


class PaddingFreeNet(nn.Module):
    """Four valid 3 x 3 convolutions, three halvings, a linear head and a fixed average.

    Parameters
    ----------
    channels : tuple of int
        Channels of the four convolutions.
    classes : int
        Number of classes.
    patch_size_px : int
        Side of a patch, 8 k + 30.
    dropout : float
        Share of the last features left out in training.
    """

    def __init__(
        self, channels: tuple[int, ...], classes: int, patch_size_px: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        inputs = (1, *channels[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, KERNEL, bias=False) for i, o in zip(inputs, channels, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels)
        for _, norm in self.stages():
            norm.weight.requires_grad_(False)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(channels[-1], classes, 1)
        for convolution, _ in self.stages():
            convolution.weight.data = convolution.weight.data.contiguous(
                memory_format=torch.channels_last
            )
        self.window = (patch_size_px - CONTEXT_PX) // STRIDE_PX

    def stages(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Each convolution with the batch normalisation that follows it."""
        return cast(
            list[tuple[nn.Conv2d, nn.BatchNorm2d]],
            list(zip(self.convolutions, self.norms, strict=True)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (N, C, h, w) for images of shape (N, 1, P + 8 (h - 1), P + 8 (w - 1))."""
        x = x.contiguous(memory_format=torch.channels_last)  # (N, 1, H, W)
        for i, (convolution, norm) in enumerate(self.stages()):
            x = convolution(x)  # (N, c_i, H_i - 2, W_i - 2)
            if i < POOLINGS:
                x = F.max_pool2d(x, 2)  # (N, c_i, H_i / 2 - 1, W_i / 2 - 1)
            x = F.relu(norm(x))
        x = self.head(self.dropout(x))  # (N, C, h + k - 1, w + k - 1)
        return F.avg_pool2d(x, self.window, stride=1)  # (N, C, h, w)


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights of one convolution, with batch normalisation folded in."""

    weight: NDArray[np.float32]
    """Shape (out, in, height, width)."""
    bias: NDArray[np.float32]
    """Shape (out,)."""


def make_network(config: TrainConfig, patch_size_px: int) -> PaddingFreeNet:
    """A fresh network for one patch size, its weights drawn from torch's generator."""
    return PaddingFreeNet(
        config.channels, len(config.classes), patch_size_px, dropout=config.dropout
    )


def fold(network: PaddingFreeNet) -> list[Layer]:
    """The five convolutions with biases: four with folded batch normalisation, and the head."""
    layers = []
    for convolution, norm in network.stages():
        weight, mean, variance, shift = (
            _double(t) for t in (convolution.weight, norm.running_mean, norm.running_var, norm.bias)
        )
        scale = _double(norm.weight) / np.sqrt(variance + norm.eps)
        layers.append(_layer(weight * scale[:, None, None, None], shift - mean * scale))
    layers.append(_layer(_double(network.head.weight), _double(network.head.bias)))
    return layers


def multiply_adds_per_pixel(channels: tuple[int, ...], classes: int) -> float:
    """Multiplications of the convolutions per input pixel of a large tile.

    >>> multiply_adds_per_pixel((16, 32, 64, 64), 4)
    3028.0
    """
    inputs = (1, *channels[:-1])
    total: float = sum(
        KERNEL**2 * i * o / 4**depth
        for depth, (i, o) in enumerate(zip(inputs, channels, strict=True))
    )
    return total + channels[-1] * classes / STRIDE_PX**2


def _double(tensor: Tensor | None) -> NDArray[np.float64]:
    if tensor is None:
        raise TypeError("batch normalisation without running statistics or bias cannot be folded")
    return np.asarray(tensor.detach().cpu().contiguous().numpy(), np.float64)


def _layer(weight: NDArray[np.float64], bias: NDArray[np.float64]) -> Layer:
    return Layer(np.ascontiguousarray(weight, np.float32), bias.astype(np.float32))
