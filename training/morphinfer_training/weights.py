"""How the networks of a set are fused: weights chosen on the held-out cells for their mean Dice.

Greedy ensemble selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes, 'Ensemble
selection from libraries of models', ICML 2004): starting from the best single network, the network
that raises the mean Dice of the mean most is added, and may be added again. On the held-out cells
the result is never worse than the best single network, which a plain mean often is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morphinfer_training.validation import dice_of, mean_dice

PICKS = 20
"""Networks that are added, and so the finest step of a weight: 1 / PICKS."""


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
