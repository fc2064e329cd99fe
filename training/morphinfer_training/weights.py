"""Fusion weights of the networks of a set, from their probabilities on the held-out cells.

The weighted mean of probabilities is a mixture; the weights of highest likelihood are found by
expectation maximisation (Dempster, Laird and Rubin 1977), which keeps them non-negative and of sum
1 and cannot be caught in a local optimum, since the likelihood is concave in them. Classes weigh
equally, as they do in the mean Dice. The networks of a set agree so much that the optimum
often gives everything to one or two; a share of uniform weight is therefore mixed in, which costs
little on the held-out cells and hedges against sections that look otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNIFORM_SHARE = 0.25
"""Part of the weight that is shared out evenly."""
ITERATIONS = 500
TOLERANCE = 1e-7


def fusion_weights(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.uint8],
    uniform_share: float = UNIFORM_SHARE,
) -> NDArray[np.float64]:
    """Weights of the networks, shape (M,), not negative, of sum 1.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (M, K, C)
        Probabilities of M networks at K held-out cells.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    uniform_share : float
        Part of the weight that is shared out evenly, 0 to 1.
    """
    count = len(probabilities)
    right = probabilities[:, np.arange(len(labels)), labels].astype(np.float64)  # (M, K)
    cell_weights = 1.0 / np.bincount(labels)[labels]  # (K,)
    cell_weights /= cell_weights.sum()
    weights = np.full(count, 1 / count)
    for _ in range(ITERATIONS):
        shares = weights[:, None] * right + 1e-12 / count  # (M, K)
        updated = (shares / shares.sum(axis=0)) @ cell_weights
        moved = np.abs(updated - weights).max()
        weights = updated
        if moved < TOLERANCE:
            break
    weights /= weights.sum()
    return np.asarray((1 - uniform_share) * weights + uniform_share / count)


def fuse(probabilities: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weighted mean of the networks' probabilities, shape (K, C)."""
    return np.asarray(np.tensordot(weights, probabilities, axes=1), np.float32)
