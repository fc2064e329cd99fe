"""Calibration of the networks of a set, fitted on held-out positions.

Networks that were trained on smoothed labels are underconfident, and networks that were trained on
classes in equal parts predict rare classes too often. The logits of each network are therefore divided
by a temperature, and a bias is added for each class, such that the held-out labels become most likely
(Alexandari, Kundaje and Shrikumar, 'Maximum likelihood with bias-corrected calibration is
hard-to-beat at label shift adaptation', ICML 2020). The weight of a class in this likelihood is the
square root of its number of positions: with equal weights of positions a rare class would be lost,
with equal weights of classes it would be predicted everywhere.

A bias that rests on few blocks of the tissue is drawn to 0, as by a normal prior for which each block that
holds the class is one observation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

COLDEST, HOTTEST = 0.2, 5.0
"""Least and greatest temperature."""
LARGEST_BIAS = 4.0
"""Greatest absolute bias."""
CLIPPED = 1e-7
"""Smaller probabilities are raised to this before the logarithm."""
BIAS_PRIOR = 1.0
"""Precision of the prior of a bias, for a class that one block holds; for more blocks it is divided by their
number."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Linear change of the logits of a network."""

    temperature: float
    """Divisor of the logits."""
    bias: NDArray[np.float64]
    """Added to the divided logits, shape (C,)."""

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated probabilities, shape (..., C), for probabilities of the same shape."""
        logits = np.log(np.maximum(probabilities, CLIPPED)) / np.float32(self.temperature)
        logits += self.bias.astype(np.float32)
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=-1, keepdims=True), np.float32)


def calibrate(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], blocks: NDArray[np.intp]
) -> Calibration:
    """Temperature and biases of one network that make the labels most likely, given the prior.

    A class without labels gets the lowest bias, as if it were as rare as the rarest class.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        Probabilities of the network at K held-out positions.
    labels : ndarray of uint8, shape (K,)
        Classes of the positions.
    blocks : ndarray of int, shape (K,)
        Number of the block of tissue in which each lies.
    """
    logits = np.log(np.maximum(probabilities, CLIPPED)).astype(np.float64)
    classes = logits.shape[1]
    counts = np.bincount(labels, minlength=classes)
    holding = np.array([len(np.unique(blocks[labels == k])) for k in range(classes)])
    bounds = [
        (-np.log(HOTTEST), -np.log(COLDEST)),
        *((-LARGEST_BIAS, LARGEST_BIAS) if n else (0.0, 0.0) for n in counts),
    ]
    loss = _negative_log_posterior(logits, labels, counts, BIAS_PRIOR / np.maximum(holding, 1))
    fitted = minimize(loss, np.zeros(classes + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    free = fitted[1:] - fitted[1:][counts > 0].mean()  # only differences of biases matter
    bias = np.where(counts > 0, free, free[counts > 0].min())
    return Calibration(float(np.exp(-fitted[0])), bias)


def _negative_log_posterior(
    logits: NDArray[np.float64],
    labels: NDArray[np.uint8],
    counts: NDArray[np.intp],
    precision: NDArray[np.float64],
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    """Function from the logarithm of 1 / temperature and the biases to the loss and its gradient."""
    weights = 1 / np.sqrt(counts[labels])
    weights /= weights.sum()
    right = (np.arange(len(labels)), labels)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = np.exp(parameters[0]), parameters[1:]
        shifted = scale * logits + bias
        shifted -= shifted.max(axis=1, keepdims=True)
        odds = np.exp(shifted)
        total = odds.sum(axis=1)
        value = (weights * (np.log(total) - shifted[right])).sum() + (precision * bias**2).sum() / 2
        slope = odds * (weights / total)[:, None]
        slope[right] -= weights
        by_bias = slope.sum(axis=0) + precision * bias
        return float(value), np.append((slope * logits).sum() * scale, by_bias)

    return loss


def reliability(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], bins: int = 10
) -> tuple[NDArray[np.float64], float]:
    """Reliability curve and expected calibration error.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        Probabilities at K positions.
    labels : ndarray of uint8, shape (K,)
        Classes of the positions.
    bins : int
        Number of equal bins of confidence, the probability of the most probable class.

    Returns
    -------
    curve : ndarray of float64, shape (B, 3)
        Mean confidence, share of right positions and number of positions of each bin that is not
        empty.
    error : float
        Mean distance of the first two, weighted by the third.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    count = np.bincount(index, minlength=bins)
    used = count > 0
    means = (
        np.bincount(index, values, minlength=bins)[used] / count[used]
        for values in (confidence, right)
    )
    curve = np.stack([*means, count[used]], axis=1).astype(np.float64)
    return curve, float((np.abs(curve[:, 0] - curve[:, 1]) * curve[:, 2]).sum() / curve[:, 2].sum())
