"""The padding-free networks: the output for a large tile equals that for each of its patches.

Every convolution is valid, every pooling window is fixed, and the last pooling is an average of k x k
positions at stride 1, with k = (P - 32) / 8 for patches of P pixels, minus the reach of the dilated
convolution. The average follows the last, linear convolution to classes: both are linear, so the
result is the same as in the other order, and four channels are averaged instead of 64.

By default the networks are blind to brightness: the output depends on structure alone. No convolution has
a bias, so the features of an image that is k times as bright are k times as high (Mohan, Kadkhodaie,
Simoncelli and Fernandez-Granda, 'Robust and interpretable blind image denoising via bias-free
convolutional neural networks', ICLR 2020). The filters of the first convolution sum to 0, so a raised
black level changes nothing. The logits are a ratio of two averages over the patch: evidence for the
classes, and contrast, the mean of all features. A learned floor is added to the contrast, so that the
logits of a nearly empty patch are close to the bias. The first filters are blurred by a binomial kernel,
since filters that sum to 0 would otherwise respond mostly to the noise of single pixels.

Networks that see brightness are the same but for three parts: channels are standardised and shifted
(batch normalisation) instead of divided, the first filters may have any sum, and the logits are the
average evidence plus the bias, without a ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from morphinfer_training.config import CONTEXT_PX, STRIDE_PX, TrainConfig

KERNEL = 3
"""Side of the convolutions."""
POOLINGS = 3
"""Convolutions that are followed by a pooling of 2 x 2."""
BLUR = (0.25, 0.5, 0.25)
"""Kernel along rows and columns that the first filters are convolved with."""
MOMENTUM = 0.1
"""Weight of the newest batch in the running scale of a channel."""
TINY = 1e-5
"""Added to a mean square before division."""


class Scale(nn.Module):
    """Division of each channel by its root mean square over batches; no mean is subtracted.

    Unlike batch normalisation, it maps an image that is k times as bright to features that are k times
    as high. The factor is positive, so it commutes with maximum and ReLU and can be folded into the
    convolution.
    """

    square: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("square", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scaled features, (N, c, h, w), for features of the same shape."""
        if not self.training:
            return x * (self.square + TINY).rsqrt()[:, None, None]
        scaled, square = DivideByBatch.apply(x)  # type: ignore[no-untyped-call]
        self.square.lerp_(square, MOMENTUM)
        return cast(Tensor, scaled)

    def folded(self) -> tuple[NDArray[np.float64], None]:
        """Factor of each channel, (c,), and no shift."""
        return 1 / np.sqrt(_double(self.square) + TINY), None


class Standardisation(nn.BatchNorm2d):
    """Batch normalisation with a learned shift of each channel.

    It has no learned factor, whose sign could change: a positive factor commutes with the maximum and
    can be folded into the convolution.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=TINY, momentum=MOMENTUM, affine=False)
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, input: Tensor) -> Tensor:
        """Standardised and shifted features, (N, c, h, w), for features of the same shape."""
        return super().forward(input) + self.shift[:, None, None]

    def folded(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factor and shift of each channel, (c,) each."""
        factor = 1 / np.sqrt(_double(self.running_var) + self.eps)
        return factor, _double(self.shift) - _double(self.running_mean) * factor


class DivideByBatch(torch.autograd.Function):
    """Division by the root mean square of the batch, in half the time of autograd's own backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled features, (N, c, h, w), and the mean square of each channel, (c,)."""
        square = torch.linalg.vector_norm(_by_channel(x), dim=0).square() * (x.shape[1] / x.numel())
        factor = (square + TINY).rsqrt()[:, None, None]
        scaled = x * factor
        ctx.save_for_backward(scaled, factor)
        ctx.mark_non_differentiable(square)
        return scaled, square

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> Tensor:
        """Gradient of the features."""
        scaled, factor = ctx.saved_tensors
        shared = _by_channel(gradient * scaled).mean(dim=0)[:, None, None]
        return cast(Tensor, torch.addcmul(gradient, scaled, shared, value=-1) * factor)


def _by_channel(x: Tensor) -> Tensor:
    """Features as a matrix (positions, channels); a view if channels are last in memory."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


class PaddingFreeNet(nn.Module):
    """Five valid convolutions, three halvings, a linear head and a fixed average.

    Parameters
    ----------
    channels : tuple of int
        Channels of the first four convolutions; the fifth, dilated one has those of the fourth.
    classes : int
        Number of classes.
    patch_size_px : int
        Side of a patch, 8 k + 32.
    dropout : float
        Share of the last features left out in training.
    floor : float
        Initial value of the learned floor, which is added to the contrast of every patch; features of
        nuclei average about 0.5. Not used by a network that sees brightness.
    brightness : {'blind', 'seen'}
        Whether the logits may depend on how bright the image is.
    """

    log_floor: nn.Parameter | None

    def __init__(
        self,
        channels: tuple[int, ...],
        classes: int,
        patch_size_px: int,
        dropout: float = 0.0,
        floor: float = 0.05,
        *,
        brightness: Literal["blind", "seen"] = "blind",
    ) -> None:
        super().__init__()
        blind = brightness == "blind"
        positions = (patch_size_px - CONTEXT_PX) // STRIDE_PX
        self.dilation = dilation_of(positions)
        self.window = positions - 2 * self.dilation
        last = channels[-1]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, KERNEL, bias=False)
            for i, o in zip((1, *channels[:-1]), channels, strict=True)
        )
        side = KERNEL if self.dilation else 1
        self.convolutions.append(
            nn.Conv2d(last, last, side, dilation=max(self.dilation, 1), bias=False)
        )
        scale = Scale if blind else Standardisation
        self.scales = nn.ModuleList(scale(c) for c in (*channels, last))
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(last, classes, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.log_floor = nn.Parameter(torch.tensor(floor).log()) if blind else None
        for convolution, _ in self.stages():
            convolution.weight.data = convolution.weight.data.contiguous(
                memory_format=torch.channels_last
            )

    def stages(self) -> list[tuple[nn.Conv2d, Scale | Standardisation]]:
        """Each convolution with the scale that follows it."""
        return cast(
            list[tuple[nn.Conv2d, Scale | Standardisation]],
            list(zip(self.convolutions, self.scales, strict=True)),
        )

    def first_filters(self, weight: Tensor) -> Tensor:
        """Filters of the first convolution, (out, 1, 5, 5), for its weights; of sum 0 if blind."""
        return blurred(weight) if self.log_floor is None else band_pass(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (N, C, h, w) for images of shape (N, 1, P + 8 (h - 1), P + 8 (w - 1))."""
        x = x.contiguous(memory_format=torch.channels_last)  # (N, 1, H, W)
        for depth, (convolution, scale) in enumerate(self.stages()):
            x = (
                F.conv2d(x, self.first_filters(convolution.weight))
                if depth == 0
                else convolution(x)
            )
            if depth < POOLINGS:
                x = F.max_pool2d(x, 2)
            x = F.relu(scale(x))  # (N, c, H / 2**n, W / 2**n) less the context
        evidence = F.avg_pool2d(self.head(self.dropout(x)), self.window, stride=1)  # (N, C, h, w)
        if self.log_floor is None:
            return evidence + self.bias[:, None, None]
        contrast = F.avg_pool2d(x.mean(dim=1, keepdim=True), self.window, stride=1)  # (N, 1, h, w)
        return evidence / (contrast + self.log_floor.exp()) + self.bias[:, None, None]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of an exported network: convolutions with their scales folded in, and the head."""

    convolutions: list[NDArray[np.float32]]
    """Weights of the five convolutions, each of shape (out, in, height, width)."""
    shifts: list[NDArray[np.float32]]
    """Biases of the five convolutions, each of shape (out,); none if the network is blind."""
    head: NDArray[np.float32]
    """Last convolution, to the evidence for the classes, shape (classes, in, 1, 1)."""
    bias: NDArray[np.float32]
    """Added to the logits last, shape (classes,)."""
    floor: float | None
    """Added to the contrast; None if the logits are no ratio to it."""


def band_pass(weight: Tensor) -> Tensor:
    """Filters of the first convolution: the trained weights, with their mean subtracted and blurred.

    Parameters
    ----------
    weight : Tensor, shape (out, 1, 3, 3)
        Trained weights.

    Returns
    -------
    Tensor, shape (out, 1, 5, 5)
        Filters of sum 0.
    """
    return blurred(weight - weight.mean(dim=(2, 3), keepdim=True))


def blurred(weight: Tensor) -> Tensor:
    """Filters, (out, 1, 3, 3), convolved with the binomial kernel, (out, 1, 5, 5)."""
    line = torch.tensor(BLUR, dtype=weight.dtype, device=weight.device)
    square = (line[:, None] * line)[None, None]  # (1, 1, 3, 3)
    return F.conv2d(weight, square, padding=len(BLUR) - 1)


def dilation_of(positions: int) -> int:
    """Dilation of the fifth convolution, a third of the positions of a patch; 0 means a 1 x 1 kernel.

    >>> [dilation_of((patch - 32) // 8) for patch in (48, 64, 96, 128, 160)]
    [0, 1, 2, 4, 5]
    """
    return positions // 3


def make_network(config: TrainConfig, patch_size_px: int) -> PaddingFreeNet:
    """An untrained network for one patch size, with weights drawn from torch's generator."""
    return PaddingFreeNet(
        config.channels,
        len(config.classes),
        patch_size_px,
        config.dropout,
        config.contrast_floor,
        brightness="seen" if config.brightness == "seen" else "blind",
    )


def fold(network: PaddingFreeNet) -> Weights:
    """Weights of a network with its scales folded into the convolutions."""
    convolutions, shifts = [], []
    for depth, (convolution, scale) in enumerate(network.stages()):
        weight = _double(convolution.weight)
        if depth == 0:
            weight = _double(network.first_filters(convolution.weight.double()))
        factor, shift = scale.folded()
        convolutions.append(np.ascontiguousarray(weight * factor[:, None, None, None], np.float32))
        if shift is not None:
            shifts.append(shift.astype(np.float32))
    head, bias = (_double(t).astype(np.float32) for t in (network.head.weight, network.bias))
    floor = None if network.log_floor is None else float(network.log_floor.detach().exp())
    return Weights(convolutions, shifts, head, bias, floor)


def _double(tensor: Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().contiguous().numpy(), np.float64)
