"""95 % intervals of Dice from a bootstrap over spatial blocks.

Neighbouring pixels are not independent, so whole square blocks are drawn with replacement instead
of pixels: the block bootstrap of S. N. Lahiri, 'Resampling Methods for Dependent Data' (2003), with
the non-overlapping blocks of E. Carlstein (Annals of Statistics 14, 1986). An interval shows how Dice
varies over tissue like that of this section, not how it varies from animal to animal.

A block is a confusion matrix: pixels by class in the reference (row) and in the result (column).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Share of the draws between the ends of an interval."""
FEWEST_BLOCKS = 10
"""With fewer blocks that have labelled pixels there is no interval; it would be meaningless."""
DRAWS = 1000
DRAWN_AT_ONCE = 1 << 20
"""Blocks that are drawn at once, as a number of whole draws; it limits the memory."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Intervals:
    """The 95 % intervals of Dice."""

    per_class: tuple[Interval | None, ...]
    """Interval of each class; None if its Dice is undefined, or there are too few blocks."""
    mean: Interval | None
    """Interval of the mean over the classes; None if there are too few blocks."""
    blocks: int
    """Number of blocks that have labelled pixels."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference in mean Dice of two results on the same blocks."""

    mean_dice: float
    """Mean Dice of the first minus that of the second."""
    interval: Interval | None
    """Its 95 % interval; None if there are too few blocks."""
    blocks: int
    """Number of blocks that have labelled pixels."""


def bootstrap_dice(
    blocks: NDArray[np.int64],
    reference_classes: Collection[int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Intervals:
    """Intervals of the Dice of each class and of mean Dice, as percentiles over draws of blocks.

    Parameters
    ----------
    blocks : ndarray of int64, shape (B, C, C)
        Confusion matrices; blocks without labelled pixels are left out.
    reference_classes : collection of int, optional
        Values of the classes that the reference names; all by default. The others have no Dice.
    draws : int
        Number of draws.
    seed : int
        Seed of the random numbers.

    Raises
    ------
    ValueError
        The blocks have another shape, or ``draws`` is less than 1.

    Examples
    --------
    >>> bootstrap_dice(np.full((20, 2, 2), 5)).mean
    (0.5, 0.5)
    """
    filled = _filled(blocks)
    known = reference_classes
    if len(filled) < FEWEST_BLOCKS:
        return Intervals((None,) * blocks.shape[1], None, len(filled))
    drawn = dice_draws(filled, known, draws, seed)
    defined = ~np.isnan(dice(filled.sum(axis=0)[None], known)[0])
    per_class = tuple(
        _interval(column) if has else None for column, has in zip(drawn.T, defined, strict=True)
    )
    return Intervals(per_class, _interval(mean_dice(drawn)), len(filled))


def paired_difference(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    reference_classes: Collection[int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Difference in mean Dice between two results, with its interval.

    Both are scored on the same draws of blocks, so what makes a block hard for both cancels out. If
    the interval excludes zero, the difference is significant at the 5 % level.

    Parameters
    ----------
    first, second : ndarray of int64, shape (B, C, C)
        Confusion matrices of the two results on the same blocks of one reference.
    reference_classes, draws, seed
        As for `bootstrap_dice`.

    Raises
    ------
    ValueError
        The shapes differ, or are not (B, C, C).
    """
    if first.shape != second.shape:
        raise ValueError(
            f"blocks of shapes {first.shape} and {second.shape}; the shapes must be equal"
        )
    both = first.any(axis=(1, 2)) | second.any(axis=(1, 2))
    pair = first[both], second[both]
    known = reference_classes
    of_first, of_second = (float(mean_dice(dice(b.sum(axis=0)[None], known))[0]) for b in pair)
    interval = None
    if np.count_nonzero(both) >= FEWEST_BLOCKS:
        drawn = [mean_dice(dice_draws(b, known, draws, seed)) for b in pair]
        interval = _interval(drawn[0] - drawn[1])
    return Difference(of_first - of_second, interval, int(np.count_nonzero(both)))


def dice_draws(
    blocks: NDArray[np.int64],
    reference_classes: Collection[int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    at_once: int = DRAWN_AT_ONCE,
) -> NDArray[np.float64]:
    """Dice of each class in each draw; the same seed draws the same blocks, which pairs the draws.

    Parameters
    ----------
    blocks : ndarray of int64, shape (B, C, C)
        Confusion matrices; all may be drawn, also those without labelled pixels.
    reference_classes, draws, seed
        As for `bootstrap_dice`.
    at_once : int
        Blocks that are drawn at once, as a number of whole draws; it limits the memory.

    Returns
    -------
    ndarray of float64, shape (draws, C)
        NaN where a class is in neither image of the draw, or the reference does not name it.

    Raises
    ------
    ValueError
        The blocks have another shape, or there are no draws or no blocks.
    """
    _check(blocks)
    if draws < 1 or len(blocks) < 1:
        raise ValueError(f"{draws} draws of {len(blocks)} blocks; both numbers must be at least 1")
    count = len(blocks)
    hits, sizes = _hits_and_sizes(blocks, reference_classes)
    # A matrix product is fast, and exact in float64, which represents all integers up to 2^53.
    parts = np.concatenate([hits, sizes], axis=1).astype(np.float64)
    random = np.random.default_rng(seed)
    batch = max(1, at_once // count)
    batches = []
    for start in range(0, draws, batch):
        times = random.multinomial(count, np.full(count, 1 / count), size=min(batch, draws - start))
        sums = times.astype(np.float64) @ parts
        batches.append(_ratio(*np.split(sums, 2, axis=1)))
    return np.concatenate(batches)


def dice(
    blocks: NDArray[np.int64], reference_classes: Collection[int] | None = None
) -> NDArray[np.float64]:
    """Dice of each class of each confusion matrix, shape (B, C); NaN where it is undefined."""
    hits, sizes = _hits_and_sizes(blocks, reference_classes)
    return _ratio(hits.astype(np.float64), sizes.astype(np.float64))


def mean_dice(dice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the classes with a Dice, shape (B,); NaN where no class has one.

    Parameters
    ----------
    dice : ndarray of float64, shape (B, C)
        NaN where a class has no Dice.
    """
    has = ~np.isnan(dice)
    counted = has.sum(axis=1)
    total = np.where(has, dice, 0).sum(axis=1)
    undefined = np.full(len(dice), np.nan)
    return np.asarray(np.divide(total, counted, out=undefined, where=counted > 0))


def _hits_and_sizes(
    blocks: NDArray[np.int64], known: Collection[int] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of each class in both images at once, and summed over the images, shape (B, C) each."""
    hits = np.diagonal(blocks, axis1=1, axis2=2)
    sizes = blocks.sum(axis=1) + blocks.sum(axis=2)
    if known is not None:
        foreign = [k for k in range(blocks.shape[1]) if k not in known]
        sizes[:, foreign] = 0
    return hits, sizes


def _ratio(hits: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    undefined = np.full(hits.shape, np.nan)
    return np.asarray(np.divide(2 * hits, sizes, out=undefined, where=sizes > 0))


def _filled(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    _check(blocks)
    return blocks[blocks.any(axis=(1, 2))]


def _check(blocks: NDArray[np.int64]) -> None:
    if blocks.ndim != 3 or blocks.shape[1] != blocks.shape[2]:
        raise ValueError(f"blocks of shape {blocks.shape}; they must be (B, C, C)")


def _interval(values: NDArray[np.float64]) -> Interval | None:
    """The middle 95 % of the draws in which the value is defined."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
