"""How the networks of a set are fused: calibration, weights and class factors, chosen on held-out cells.

Trained on smoothed labels, networks are less sure than they are right; trained on classes in equal
parts, they call rare classes too often. A temperature divides the logits of each network and a bias
for each class is added, such that the held-out cells become most likely (Alexandari, Kundaje and
Shrikumar, 'Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift
adaptation', ICML 2020). A class counts there as the square root of its cells: neither is a rare one
lost, as where cells count alike, nor is it called everywhere, as where classes do.

Weights come from greedy ensemble selection with replacement (Caruana, Niculescu-Mizil, Crew and
Ksikes, 'Ensemble selection from libraries of models', ICML 2004): starting from the best single
network, the network that raises the mean Dice of the mean most is added, and may be added again. On
the held-out cells the result is never worse than the best single network, which a plain mean often is.

At last one factor for each class, shared by all networks, multiplies the fused probabilities where that
raises the mean Dice. Logits are linear in the head, so all of it ends in the last weights of the
exported networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from morphinfer_training.learning.validation import dice_of, mean_dice

COLDEST, HOTTEST = 0.2, 5.0
"""Limits of a temperature."""
LARGEST_BIAS = 4.0
"""Limit of a bias, to either side."""
CLIPPED = 1e-7
"""Least probability of which a logarithm is taken."""
PICKS = 20
"""Networks that are added, and so the finest step of a weight: 1 / PICKS."""
FACTOR_STEPS = (0.8, 0.9, 1 / 0.9, 1 / 0.8)
"""What a factor is multiplied by in one step."""
FACTOR_GAIN = 1e-3
"""Smallest gain of mean Dice for which a factor is moved."""
FACTOR_LIMIT = 3.0
"""Factors stay between 1 / FACTOR_LIMIT and FACTOR_LIMIT."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What is done to the logits of a network."""

    temperature: float
    """They are divided by it,"""
    bias: NDArray[np.float64]
    """and then this is added, shape (C,)."""

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities as they become, of sum 1 (last axis)."""
        logits = np.log(np.maximum(probabilities, CLIPPED)) / np.float32(self.temperature)
        logits += self.bias.astype(np.float32)
        found = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(found / found.sum(axis=-1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """How the networks of a set are fused."""

    calibrations: tuple[Calibration, ...]
    """One for each network; the factors of the classes are part of their biases."""
    weights: NDArray[np.float64]
    """Of the networks, not negative, of sum 1."""
    factors: NDArray[np.float64]
    """Of the classes, shape (C,)."""

    def ready(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of the networks, shape (M, K, C), as the exported ones give them."""
        pairs = zip(self.calibrations, probabilities, strict=True)
        return np.stack([calibration(p) for calibration, p in pairs])

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Their weighted mean, shape (K, C)."""
        return fuse(self.ready(probabilities), self.weights)


def choose_fusion(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> Fusion:
    """Calibrations, weights and factors that suit the held-out cells.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (M, K, C)
        Of M networks, at K held-out cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    """
    calibrations = [calibrate(p, labels) for p in probabilities]
    ready = np.stack([c(p) for c, p in zip(calibrations, probabilities, strict=True)])
    weights = fusion_weights(ready, labels)
    factors = class_factors(fuse(ready, weights), labels)
    shared = tuple(replace(c, bias=c.bias + np.log(factors)) for c in calibrations)
    return Fusion(shared, weights, factors)


def calibrate(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> Calibration:
    """The temperature and the biases of one network that make the labels most likely.

    A class that no label is of is taken to be as rare as the rarest: it gets the lowest bias.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        Of the network, at K held-out cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    """
    logits = np.log(np.maximum(probabilities, CLIPPED)).astype(np.float64)
    cells, classes = logits.shape
    counts = np.bincount(labels, minlength=classes)
    share = 1 / np.sqrt(counts[labels])
    share /= share.sum()
    right = (np.arange(cells), labels)

    def unlikeliness(told: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Mean and gradient, by the logarithm of 1 / temperature and the biases."""
        scale = np.exp(told[0])
        shifted = scale * logits + told[1:]
        shifted -= shifted.max(axis=1, keepdims=True)
        likely = np.exp(shifted)
        total = likely.sum(axis=1)
        value = (share * (np.log(total) - shifted[right])).sum()
        slope = likely * (share / total)[:, None]
        slope[right] -= share
        return float(value), np.append((slope * logits).sum() * scale, slope.sum(axis=0))

    free = (counts > 0) & (np.arange(classes) > 0)  # only differences of biases matter
    limits = [
        (-np.log(HOTTEST), -np.log(COLDEST)),
        *((-LARGEST_BIAS, LARGEST_BIAS) if each else (0.0, 0.0) for each in free),
    ]
    start = np.zeros(classes + 1)
    found = minimize(unlikeliness, start, jac=True, method="L-BFGS-B", bounds=limits).x
    bias = np.where(counts > 0, found[1:], found[1:][counts > 0].min())
    return Calibration(float(np.exp(-found[0])), bias)


def reliability(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], bins: int = 10
) -> tuple[NDArray[np.float64], float]:
    """How often the winner is right by how sure it is, and the expected calibration error.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        At K cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    bins : int
        Equal parts of the range 0 to 1.

    Returns
    -------
    curve : ndarray of float64, shape (B, 3)
        Mean probability of the winner, share of right winners and number of cells, of each part
        that holds any.
    error : float
        Mean distance of the first two, weighted by the third.
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((sure * bins).astype(np.intp), bins - 1)
    count = np.bincount(place, minlength=bins)
    held = count > 0
    means = (
        np.bincount(place, values, minlength=bins)[held] / count[held] for values in (sure, right)
    )
    curve = np.stack([*means, count[held]], axis=1).astype(np.float64)
    return curve, float((np.abs(curve[:, 0] - curve[:, 1]) * curve[:, 2]).sum() / curve[:, 2].sum())


def class_factors(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Factor per class, shape (C,), that raises the mean Dice.

    Coordinate ascent in small steps, which ends where no step gains ``FACTOR_GAIN``.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        Probabilities at K held-out cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    """
    classes = probabilities.shape[1]

    def reached(factors: NDArray[np.float64]) -> float:
        return mean_dice(dice_of(labels, (probabilities * factors).argmax(axis=1), classes))

    factors = np.ones(classes)
    best = reached(factors)
    while True:
        steps = [
            np.where(np.arange(classes) == k, factors * step, factors)
            for k in range(classes)
            for step in FACTOR_STEPS
        ]
        tried = [(reached(s), s) for s in steps if np.abs(np.log(s)).max() <= np.log(FACTOR_LIMIT)]
        value, step = max(tried, key=lambda pair: pair[0])
        if value < best + FACTOR_GAIN:
            return factors
        best, factors = value, step


def fusion_weights(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], picks: int = PICKS
) -> NDArray[np.float64]:
    """Weights of the networks, shape (M,), not negative, of sum 1.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (M, K, C)
        Probabilities of M networks at K held-out cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    picks : int
        Most networks that are added; the best sum on the way is taken.
    """
    classes = probabilities.shape[2]
    counts = np.zeros(len(probabilities), np.int64)
    total = np.zeros(probabilities.shape[1:], np.float32)
    best, best_counts = -1.0, counts
    for _ in range(picks):
        reached = [
            mean_dice(dice_of(labels, (total + each).argmax(axis=1), classes))
            for each in probabilities
        ]
        pick = int(np.argmax(reached))
        counts = counts.copy()
        counts[pick] += 1
        total += probabilities[pick]
        if reached[pick] > best:
            best, best_counts = reached[pick], counts
    return np.asarray(best_counts / best_counts.sum(), np.float64)


def fuse(probabilities: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weighted mean of the networks' probabilities, shape (K, C)."""
    return np.asarray(np.tensordot(weights, probabilities, axes=1), np.float32)
