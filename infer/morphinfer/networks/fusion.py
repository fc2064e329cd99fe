"""One prediction out of several networks: the weighted mean of their probabilities, and its winner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer._kernels import fuse as kernels

MAX_CLASSES = 255
MAX_NETWORKS = 64
"""As many as the kernel has room for."""


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """The joint prediction of the networks."""

    labels: NDArray[np.uint8]
    """Class of the largest mean probability, shape (rows, cols); the lowest class in a tie."""
    total: NDArray[np.float32]
    """Mean probabilities, shape (classes, rows, cols)."""


def fuse(outputs: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> Fused:
    """Weighted mean of the networks' probabilities and the class that wins.

    Parameters
    ----------
    outputs : sequence of ndarray of float32, shape (C, M, N)
        Probabilities of each network, all of one shape.
    weights : sequence of float
        Weight of each network, at least 0; only their ratios count.

    Raises
    ------
    ValueError
        No network, another number of weights, weights that sum to 0, or outputs that differ.

    Notes
    -----
    The networks are added in the order given, so equal inputs give equal bits.
    """
    shares = _shares(weights, len(outputs))
    for output in outputs:
        _check(output)
        if output.shape != outputs[0].shape:
            raise ValueError(f"networks that differ: {output.shape} and {outputs[0].shape}")
    total = np.empty(outputs[0].shape, np.float32)
    parts = [np.ascontiguousarray(output) for output in outputs]
    kernels.weighted_sum(parts, np.array(shares, np.float32), total)
    labels = np.empty(total.shape[1:], np.uint8)
    kernels.argmax(total, labels)
    return Fused(labels, total)


def quantise(total: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probabilities as bytes: 255 times the probability, rounded, clipped to 0 to 255.

    Parameters
    ----------
    total : ndarray of float32, shape (C, M, N)
        Probabilities, 0 to 1.

    Raises
    ------
    ValueError
        Not float32, or not of three dimensions.
    """
    _check(total)
    out = np.empty(total.shape, np.uint8)
    kernels.quantise(np.ascontiguousarray(total), out)
    return out


def _shares(weights: Sequence[float], networks: int) -> list[float]:
    if not 1 <= networks <= MAX_NETWORKS or len(weights) != networks:
        raise ValueError(
            f"{networks} networks and {len(weights)} weights; 1 to {MAX_NETWORKS} networks and one "
            f"weight for each"
        )
    whole = math.fsum(weights)
    if min(weights) < 0 or not 0 < whole < math.inf:
        raise ValueError(f"weights {list(weights)}; none may be below 0, and one must be above")
    return [weight / whole for weight in weights]


def _check(probabilities: NDArray[np.float32]) -> None:
    shape = probabilities.shape
    if probabilities.dtype != np.float32 or len(shape) != 3 or not 1 <= shape[0] <= MAX_CLASSES:
        raise ValueError(
            f"probabilities of {probabilities.dtype}, shape {shape}; float32 of shape "
            f"(classes, rows, cols) with 1 to {MAX_CLASSES} classes is needed"
        )
