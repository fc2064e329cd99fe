"""How the networks of a set are fused: class factors and weights, chosen on held-out cells for Dice.

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

from morphinfer_training.validation import dice_of, mean_dice

PICKS = 20
"""Networks that are added, and so the finest step of a weight: 1 / PICKS."""
FACTOR_STEPS = (0.8, 0.9, 1 / 0.9, 1 / 0.8)
"""What a factor is multiplied by in one step."""
FACTOR_GAIN = 1e-3
"""Smallest gain of mean Dice for which a factor is moved."""
FACTOR_LIMIT = 3.0
"""Factors stay between 1 / FACTOR_LIMIT and FACTOR_LIMIT."""


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
