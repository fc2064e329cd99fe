"""How sure the networks are of each cell, and whether they err more where they are not.

The uncertainty of a cell is the entropy of the fused probabilities, divided by the logarithm of the
number of classes: 0 where one class is certain, 1 where all are equally likely. The entropy of a
weighted mean is the weighted mean of the networks' own entropies plus the weighted mean of their
divergences from it, so it rises with the doubt of each network and with the disagreement of the five
alike (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017, arXiv 1612.01474, use it so for deep
ensembles; Depeweg et al., ICML 2018, arXiv 1710.07283, part it in two). It is no probability of an
error; `ErrorCount` counts how many errors there are at each value of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED

BACKGROUND = 0
"""The class that is no tissue."""
UNCERTAIN_BELOW = 0.6
"""A cell is uncertain where the fused probability of its class is lower."""
LEAST_PROBABILITY = np.float32(1e-30)
"""Stands in for 0, which has no logarithm; it adds nothing to a sum."""


def normalised_entropy(total: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Uncertainty of each cell, 0 (certain) to 255 (all classes are equally likely).

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


def uncertain_tissue(labels: NDArray[np.uint8], total: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which cells are not background and have a class whose probability is below `UNCERTAIN_BELOW`.

    Parameters
    ----------
    labels : ndarray of uint8, shape (M, N)
        Class of the largest probability.
    total : ndarray of float32, shape (C, M, N)
        Probabilities, 0 to 1.

    Returns
    -------
    ndarray of bool, shape (M, N)
        NaN is uncertain.
    """
    sure = np.greater_equal(total.max(axis=0), np.float32(UNCERTAIN_BELOW))
    uncertain: NDArray[np.bool_] = np.logical_and(labels != BACKGROUND, ~sure)
    return uncertain


class ErrorCount:
    """Counts cells and errors at each value of the uncertainty, tile by tile."""

    def __init__(self) -> None:
        self.cells: NDArray[np.int64] = np.zeros(256, np.int64)
        """Labelled cells by their uncertainty, 0 to 255."""
        self.errors: NDArray[np.int64] = np.zeros(256, np.int64)
        """Those among them whose class is another than the reference's."""

    def add(
        self,
        labels: NDArray[np.uint8],
        reference: NDArray[np.uint8],
        uncertainty: NDArray[np.uint8],
    ) -> None:
        """Count the cells of three blocks that lie over each other.

        Parameters
        ----------
        labels, reference : ndarray of uint8, shape (M, N)
            Class values; cells that the reference leaves unlabelled do not count.
        uncertainty : ndarray of uint8, shape (M, N)
            What `normalised_entropy` returned for the labels.

        Raises
        ------
        ValueError
            The shapes differ, or an array is not uint8.
        """
        blocks = {"labels": labels, "reference": reference, "uncertainty": uncertainty}
        if any(b.dtype != np.uint8 or b.shape != labels.shape for b in blocks.values()):
            told = ", ".join(f"{name} {b.dtype} {b.shape}" for name, b in blocks.items())
            raise ValueError(f"{told}; all must be uint8 and of one shape (M, N)")
        labelled = reference != UNLABELLED
        self.cells += np.bincount(uncertainty[labelled], minlength=256)
        wrong = labelled & (labels != reference)
        self.errors += np.bincount(uncertainty[wrong], minlength=256)

    def by_uncertainty(
        self, bins: int = 10
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Error rate in bins of equal width; see `error_by_uncertainty`."""
        if not 1 <= bins <= 255:
            raise ValueError(f"{bins} bins; 1 to 255 can be told apart")
        places = np.minimum(np.arange(256) * bins // 255, bins - 1)
        cells, errors = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
        np.add.at(cells, places, self.cells)
        np.add.at(errors, places, self.errors)
        rates = np.full(bins, np.nan)
        np.divide(errors, cells, out=rates, where=cells > 0)
        return np.linspace(0, 1, bins + 1), cells, rates


def error_by_uncertainty(
    labels: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    uncertainty: NDArray[np.uint8],
    bins: int = 10,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Share of wrong cells in bins of their uncertainty.

    For a slide that memory does not hold, give its tiles to an `ErrorCount` instead.

    Parameters
    ----------
    labels, reference, uncertainty : ndarray of uint8, shape (M, N)
        See `ErrorCount.add`.
    bins : int
        Number of bins of equal width, 1 to 255.

    Returns
    -------
    edges : ndarray of float64, shape (bins + 1,)
        Limits of the bins, 0 to 1; a cell on a limit belongs to the bin above, but for the last.
    cells : ndarray of int64, shape (bins,)
        Labelled cells in each bin.
    error_rate : ndarray of float64, shape (bins,)
        Wrong cells by labelled cells; NaN where there are none.

    Raises
    ------
    ValueError
        The shapes differ, an array is not uint8, or the number of bins is out of its limits.

    Examples
    --------
    >>> values = np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 0, 1, 2]], np.uint8)
    >>> error_by_uncertainty(*values, np.array([[0, 9, 200, 250]], np.uint8), bins=2)
    (array([0. , 0.5, 1. ]), array([2, 2]), array([0. , 0.5]))
    """
    count = ErrorCount()
    count.add(labels, reference, uncertainty)
    return count.by_uncertainty(bins)
