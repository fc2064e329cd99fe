"""Fusion of the networks of a set: weights and class factors, fitted on held-out positions.

The weights of the networks are those with which the mean of their probabilities makes the labels most
likely, drawn to equal weights (stacking: Wolpert, 'Stacked generalization', Neural Networks 1992;
shrinkage as in Breiman, 'Stacked regressions', Machine Learning 1996). A network with little weight is
left out, since each one costs time. Greedy selection by Dice (Caruana et al., ICML 2004), which was used
before, chose by noise where a class had few positions (docs/methods.md).

Finally, one factor for each class, shared by all networks, multiplies the fused probabilities if that
raises the mean Dice. Logits are linear in the head, so temperatures, biases and factors become part of
the last weights of the exported networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from morphinfer_training.learning.calibration import CLIPPED, Calibration, calibrate
from morphinfer_training.learning.validation import HeldOutScorer, dice_of, mean_dice

WEIGHT_PRIOR = 0.03
"""How strongly weights are drawn to equal ones: cost of the squared distance, in nats."""
LEAST_WEIGHT = 0.1
"""A network with a smaller weight is left out."""
FACTOR_STEPS = (0.8, 0.9, 1 / 0.9, 1 / 0.8)
"""Multiples of a factor that are tried in one step."""
FACTOR_GAIN = 1e-3
"""Smallest gain of mean Dice for which a factor is changed."""
FACTOR_LIMIT = 3.0
"""Factors stay between 1 / FACTOR_LIMIT and FACTOR_LIMIT."""


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """Calibrations and weights of the networks of a set."""

    calibrations: tuple[Calibration, ...]
    """One for each network; their biases include the class factors."""
    weights: NDArray[np.float64]
    """Weights of the networks, shape (M,), not negative, of sum 1."""
    factors: NDArray[np.float64]
    """Class factors, shape (C,)."""

    def calibrated(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated probabilities, shape (M, K, C): those of the exported networks."""
        pairs = zip(self.calibrations, probabilities, strict=True)
        return np.stack([calibration(p) for calibration, p in pairs])

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fused probabilities, shape (K, C), for uncalibrated ones of shape (M, K, C)."""
        return fuse(self.calibrated(probabilities), self.weights)


def choose_fusion(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], blocks: NDArray[np.intp]
) -> Fusion:
    """Calibrations, weights and class factors fitted on the held-out positions.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (M, K, C)
        Probabilities of M networks at K held-out positions.
    labels : ndarray of uint8, shape (K,)
        Classes of the positions.
    blocks : ndarray of int, shape (K,)
        Number of the block of tissue in which each lies.
    """
    calibrations = [calibrate(p, labels, blocks) for p in probabilities]
    calibrated = np.stack([c(p) for c, p in zip(calibrations, probabilities, strict=True)])
    weights = fusion_weights(calibrated, labels)
    factors = class_factors(fuse(calibrated, weights), labels)
    shared = tuple(replace(c, bias=c.bias + np.log(factors)) for c in calibrations)
    return Fusion(shared, weights, factors)


def calibrated_dice(
    probabilities: NDArray[np.float32], scorer: HeldOutScorer
) -> NDArray[np.float64]:
    """Dice of each class, shape (C,), of one network after calibration, with its class factors.

    Without them, networks that are trained on classes in equal parts lose Dice while they learn: they
    become surer of the rare classes that they predict too often.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        Probabilities of the network at the held-out positions.
    scorer : HeldOutScorer
        These positions.
    """
    merged = scorer.merged(probabilities[None])
    return scorer.dice(choose_fusion(merged, scorer.labels, scorer.blocks)(merged))


def class_factors(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Factors of the classes that raise the mean Dice.

    Coordinate ascent in small steps, until no step gains ``FACTOR_GAIN``.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, C)
        Fused probabilities at K held-out positions.
    labels : ndarray of uint8, shape (K,)
        Classes of the positions.

    Returns
    -------
    ndarray of float64, shape (C,)
        Factors between 1 / 3 and 3.
    """
    classes = probabilities.shape[1]

    def score(factors: NDArray[np.float64]) -> float:
        return mean_dice(dice_of(labels, (probabilities * factors).argmax(axis=1), classes))

    factors = np.ones(classes)
    best = score(factors)
    while True:
        steps = [
            np.where(np.arange(classes) == k, factors * step, factors)
            for k in range(classes)
            for step in FACTOR_STEPS
        ]
        scored = [(score(s), s) for s in steps if np.abs(np.log(s)).max() <= np.log(FACTOR_LIMIT)]
        value, step = max(scored, key=lambda pair: pair[0])
        if value < best + FACTOR_GAIN:
            return factors
        best, factors = value, step


def fusion_weights(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Weights of the networks by stacking, drawn to equal ones.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (M, K, C)
        Calibrated probabilities of M networks at K held-out positions.
    labels : ndarray of uint8, shape (K,)
        Classes of the positions.

    Returns
    -------
    ndarray of float64, shape (M,)
        Weights of sum 1, each 0 or at least about ``LEAST_WEIGHT``.
    """
    networks = len(probabilities)
    counts = np.bincount(labels, minlength=probabilities.shape[2])
    share = 1 / np.sqrt(counts[labels])
    share /= share.sum()
    right = probabilities[:, np.arange(len(labels)), labels].astype(np.float64)  # (M, K)

    def loss(logits: NDArray[np.float64]) -> float:
        weights = softmax(logits)
        fit = (share * np.log(np.maximum(weights @ right, CLIPPED))).sum()
        return float(WEIGHT_PRIOR * ((weights - 1 / networks) ** 2).sum() - fit)

    weights = softmax(minimize(loss, np.zeros(networks), method="L-BFGS-B").x)
    kept = np.where(weights < min(LEAST_WEIGHT, weights.max()), 0.0, weights)
    return np.asarray(kept / kept.sum(), np.float64)


def fuse(probabilities: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weighted mean, shape (K, C), of probabilities of shape (M, K, C)."""
    return np.asarray(np.tensordot(weights, probabilities, axes=1), np.float32)
