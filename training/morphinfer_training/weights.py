"""How the networks of a set are fused: temperatures, class factors and weights, chosen on held-out cells.

Trained on smoothed labels, networks are less sure than they are right. One temperature per network
divides its logits so that the held-out cells become most likely (Guo, Pleiss, Sun and Weinberger, 'On
calibration of modern neural networks', ICML 2017); logits are linear in the head, so it ends in its
weights.

The networks learn from classes in equal parts, so they call rare classes too often for the Dice. One
factor per class, shared by all networks, corrects that: it multiplies the probabilities, which is
to add its logarithm to the logits, and so it ends in the bias of each exported network (cf. Saerens,
Latinne and Decaestecker, 'Adjusting the outputs of a classifier to new a priori probabilities',
Neural Computation 2002).

Weights come from greedy ensemble selection with replacement (Caruana, Niculescu-Mizil, Crew and
Ksikes, 'Ensemble selection from libraries of models', ICML 2004): starting from the best single
network, the network that raises the mean Dice of the mean most is added, and may be added again. On
the held-out cells the result is never worse than the best single network, which a plain mean often is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from morphinfer_training.validation import dice_of, mean_dice

COLDEST, HOTTEST = 0.2, 5.0
"""Limits of a temperature."""
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


def temperature(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """What the logits of a network are divided by to make the labels most likely.

    Classes count alike, as in training: a plain mean would ask about the background alone.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        Of the network, at K held-out cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    """
    logits = np.log(np.maximum(probabilities, CLIPPED)).astype(np.float64)
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    share = 1 / counts[labels]

    def unlikeliness(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        norm = np.log(np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1))
        right = np.take_along_axis(scaled, labels[:, None].astype(np.intp), 1)[:, 0]
        return float((share * (norm + scaled.max(axis=1) - right)).sum())

    limits = np.log(COLDEST), np.log(HOTTEST)
    found = minimize_scalar(unlikeliness, bounds=limits, method="bounded")
    return float(np.exp(found.x))


def with_temperature(probabilities: NDArray[np.float32], told: float) -> NDArray[np.float32]:
    """Probabilities whose logits are divided by ``told``, of sum 1 (last axis)."""
    scaled = np.maximum(probabilities, CLIPPED) ** np.float32(1 / told)
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True), np.float32)


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
    """Factor per class, shape (C,), that raises the mean Dice of the networks' plain mean.

    Coordinate ascent in small steps, which ends where no step gains ``FACTOR_GAIN``.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (M, K, C)
        Probabilities of M networks at K held-out cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    """
    mean = probabilities.mean(axis=0)  # (K, C)
    classes = mean.shape[1]

    def reached(factors: NDArray[np.float64]) -> float:
        return mean_dice(dice_of(labels, (mean * factors).argmax(axis=1), classes))

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


def with_factors(
    probabilities: NDArray[np.float32], factors: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Probabilities times the factors of their classes (last axis), of sum 1 again."""
    scaled = probabilities * factors.astype(np.float32)
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True), np.float32)


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
