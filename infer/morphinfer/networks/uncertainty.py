"""How uncertain the networks are at each position.

The uncertainty of a position is the entropy of the fused probabilities, divided by the logarithm of the
number of classes: 0 where one class is certain, 1 where all are equally likely. The entropy of a
weighted mean is the weighted mean of the networks' own entropies plus the weighted mean of their
divergences from it, so it rises with the doubt of each network and with the disagreement of the five
alike (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017, arXiv 1612.01474, use it so for deep
ensembles; Depeweg et al., ICML 2018, arXiv 1710.07283, part it in two). It is no probability of an
error; model cards state the share of wrong positions, from the least to the most uncertain third.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

UNCERTAIN_BELOW = 0.6
"""A position is uncertain where the fused probability of its class is lower."""
LEAST_PROBABILITY = np.float32(1e-30)
"""Replaces 0, which has no logarithm; it adds nothing to a sum."""


def normalised_entropy(total: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Uncertainty at each position, 0 (certain) to 255 (all classes are equally likely).

    Parameters
    ----------
    total : ndarray of float32, shape (C, M, N)
        Probabilities, 0 to 1, that sum to 1 over the classes.

    Returns
    -------
    ndarray of uint8, shape (M, N)
        255 times the uncertainty, rounded, halves up. 0 where there is one class only, 255 where a
        probability is NaN.

    Examples
    --------
    >>> normalised_entropy(np.array([[[1, 0.5, 0.89]], [[0, 0.5, 0.11]]], np.float32))
    array([[  0, 255, 127]], dtype=uint8)
    """
    if len(total) < 2:
        return np.zeros(total.shape[1:], np.uint8)
    nats = np.zeros(total.shape[1:], np.float32)
    for plane in total:
        likely = np.maximum(plane, LEAST_PROBABILITY)
        nats -= likely * np.log(likely)
    nats *= np.float32(255 / math.log(len(total)))
    nats += np.float32(0.5)
    np.fmin(nats, np.float32(255), out=nats)  # NaN gives way to 255
    return np.maximum(nats, np.float32(0), out=nats).astype(np.uint8)


def uncertain_tissue(
    labels: NDArray[np.uint8], total: NDArray[np.float32], background: Iterable[int]
) -> NDArray[np.bool_]:
    """Which positions are not background and have a class whose probability is below `UNCERTAIN_BELOW`.

    Parameters
    ----------
    labels : ndarray of uint8, shape (M, N)
        Class of the largest probability.
    total : ndarray of float32, shape (C, M, N)
        Probabilities, 0 to 1.
    background : iterable of int
        Values of the classes whose role is background; there may be none, or several.

    Returns
    -------
    ndarray of bool, shape (M, N)
        NaN is uncertain.
    """
    uncertain: NDArray[np.bool_] = ~np.greater_equal(total.max(axis=0), np.float32(UNCERTAIN_BELOW))
    for value in background:
        uncertain &= labels != value
    return uncertain
