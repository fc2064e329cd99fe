"""Cost of the networks."""

from __future__ import annotations

from morphinfer_training.config import STRIDE_PX
from morphinfer_training.learning import POOLINGS
from morphinfer_training.learning.nets import BLUR, KERNEL


def multiply_adds_per_pixel(channels: tuple[int, ...], classes: int) -> float:
    """Multiply-adds of the convolutions per input pixel of a large tile, with a dilated fifth one."""
    first = (KERNEL + len(BLUR) - 1) ** 2 * channels[0]
    pairs = zip(channels, (*channels[1:], channels[-1]), strict=True)
    others: float = sum(
        KERNEL**2 * i * o / 4 ** min(depth, POOLINGS) for depth, (i, o) in enumerate(pairs, start=1)
    )
    return first + others + channels[-1] * classes / STRIDE_PX**2
