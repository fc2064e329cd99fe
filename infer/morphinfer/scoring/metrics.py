"""Agreement of two label images: confusion matrix, Dice, IoU.

Dice of class k is 2 |A and B| / (|A| + |B|), IoU is |A and B| / |A or B|, over the pixels of class k
in the reference (A) and in the result (B). Both are undefined for a class that neither image has.
Precision is |A and B| / |B| and recall |A and B| / |A|.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer._kernels import confusion as kernels
from morphinfer.classes import UNLABELLED
from morphinfer.records import ClassScoresJson, IntervalsJson, ScoresJson
from morphinfer.scoring.bootstrap import LEVEL, Interval, Intervals


class Confusion:
    """Counts of pairs of classes, added block by block."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros((256, 256), np.int64)
        """Pixels by class in the reference (row) and in the result (column)."""

    def add(self, reference: NDArray[np.uint8], result: NDArray[np.uint8]) -> None:
        """Count the pixels of two blocks at the same place.

        Parameters
        ----------
        reference, result : ndarray of uint8, shape (M, N)
            Class values.

        Raises
        ------
        ValueError
            The shapes differ, or an array is not uint8 or not two-dimensional.
        """
        for block in (reference, result):
            if block.dtype != np.uint8 or block.ndim != 2 or block.shape != reference.shape:
                raise ValueError(
                    f"reference {reference.dtype} {reference.shape}, result {result.dtype} "
                    f"{result.shape}; both must be uint8 and of one shape (M, N)"
                )
        kernels.confusion(reference, result, self.counts)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scores:
    """Agreement of a result with its reference."""

    class_names: tuple[str, ...]
    """Names, in the order of the class values."""
    confusion: NDArray[np.int64]
    """Pixels by class in the reference (row) and in the result (column), shape (C, C)."""
    dice: tuple[float | None, ...]
    """Dice of each class, 0 to 1; None if neither image has the class, or the reference does not
    name it."""
    iou: tuple[float | None, ...]
    """Intersection over union of each class, 0 to 1; None if Dice is None."""
    precision: tuple[float | None, ...]
    """Share of the pixels of each class of the result that the reference has too, 0 to 1; None if Dice
    is None or the result has none."""
    recall: tuple[float | None, ...]
    """Share of the pixels of each class of the reference that the result has too, 0 to 1; None if Dice
    is None or the reference has none."""
    mean_dice: float
    """Mean over the classes that have a Dice."""
    mean_iou: float
    """Mean over the classes that have a Dice."""
    classes_counted: int
    """Number of classes that have a Dice."""
    pixels_compared: int
    """Number of pixels that the reference labels."""
    compared_pixel_um: float | None = None
    """Side of such a pixel in micrometres: that of the finer image; None for counts alone."""
    reference: str | None = None
    """Path or name of the reference; None if the scores are of counts alone."""
    matched: tuple[tuple[str, str], ...] = ()
    """Name in the reference and name in the result of each class whose names differ."""
    ignored: tuple[str, ...] = ()
    """Classes of the reference whose pixels were not compared."""
    roi: str | None = None
    """Region of interest, outside of which nothing was compared; None for none."""
    apart_um: tuple[float, float] | None = None
    """How far the corner of the reference lies below and right of that of the result, in micrometres."""
    warnings: tuple[str, ...] = ()
    """What could not be verified, a sentence each."""
    intervals: Intervals | None = None
    """95 % intervals of Dice; None if no blocks were counted."""
    block_um: float | None = None
    """Side in micrometres of the square blocks for the intervals."""
    blocks: NDArray[np.int64] | None = None
    """Confusion matrix of each block of the reference, row by row, shape (B, C, C); input of
    `bootstrap.paired_difference` for two results with the same classes."""

    def __repr__(self) -> str:
        shown = ("n/a" if value is None else f"{value:.3f}" for value in self.dice)
        listed = ", ".join(map(" ".join, zip(self.class_names, shown, strict=True)))
        return f"<Scores: mean Dice {self.mean_dice:.3f} ({listed}); {self.pixels_compared} pixels>"


def scores(
    counts: NDArray[np.int64],
    class_names: Sequence[str],
    reference_classes: Collection[int] | None = None,
) -> Scores:
    """Scores of a confusion matrix; pixels without a label in the reference do not count.

    A class that the reference does not name, such as a gene that was not measured, has no Dice. Where
    the result predicts it, the pixel counts as a miss of the class in the reference.

    Parameters
    ----------
    counts : ndarray of int64, shape (256, 256)
        See `Confusion.counts`.
    class_names : sequence of str
        Names of the classes 0, 1, ...
    reference_classes : collection of int, optional
        Values of the classes that the reference names; all by default.

    Raises
    ------
    ValueError
        A labelled pixel has a class without a name, or no pixel is labelled.
    """
    labelled = np.delete(counts, UNLABELLED, axis=0)
    matrix = labelled[: len(class_names), : len(class_names)].copy()
    pixels = int(matrix.sum())
    beyond = int(labelled.sum()) - pixels
    if beyond:
        raise ValueError(
            f"{beyond} pixels have a class beyond the {len(class_names)} named ones; name each class"
        )
    if not pixels:
        raise ValueError("no pixel of the reference has a label, so there is nothing to compare")
    hits = matrix.diagonal()
    sizes = matrix.sum(axis=0) + matrix.sum(axis=1)
    if reference_classes is not None:
        sizes[[k for k in range(len(sizes)) if k not in reference_classes]] = 0
    dice = [2 * int(h) / int(s) if s else None for h, s in zip(hits, sizes, strict=True)]
    iou = [int(h) / int(s - h) if s else None for h, s in zip(hits, sizes, strict=True)]
    precision, recall = (
        tuple(int(h) / int(n) if n and s else None for h, n, s in zip(hits, of, sizes, strict=True))
        for of in (matrix.sum(axis=0), matrix.sum(axis=1))
    )
    counted = int(np.count_nonzero(sizes))
    return Scores(
        class_names=tuple(class_names),
        confusion=matrix,
        dice=tuple(dice),
        iou=tuple(iou),
        precision=precision,
        recall=recall,
        mean_dice=sum(v for v in dice if v is not None) / counted,
        mean_iou=sum(v for v in iou if v is not None) / counted,
        classes_counted=counted,
        pixels_compared=pixels,
    )


def scores_json(scores: Scores) -> ScoresJson:
    """Scores as JSON values; an undefined Dice or IoU is null, and so is its interval."""
    names = scores.class_names
    return {
        "reference": scores.reference,
        "matched": dict(scores.matched),
        "ignored": list(scores.ignored),
        "roi": scores.roi,
        "apart_um": None if scores.apart_um is None else list(scores.apart_um),
        "dice": {
            "mean": scores.mean_dice,
            "per_class": dict(zip(names, scores.dice, strict=True)),
            "intervals": _intervals_json(scores),
        },
        "iou": _by_class(names, scores.iou),
        "precision": _by_class(names, scores.precision),
        "recall": _by_class(names, scores.recall),
        "confusion": scores.confusion.tolist(),
        "pixels_compared": scores.pixels_compared,
        "compared_pixel_um": scores.compared_pixel_um,
        "classes_counted": scores.classes_counted,
    }


def _by_class(names: Sequence[str], values: Sequence[float | None]) -> ClassScoresJson:
    known = [value for value in values if value is not None]
    return {
        "mean": sum(known) / len(known) if known else None,
        "per_class": dict(zip(names, values, strict=True)),
    }


def _intervals_json(scores: Scores) -> IntervalsJson | None:
    intervals = scores.intervals
    if intervals is None:
        return None

    def ends(interval: Interval | None) -> list[float] | None:
        return None if interval is None else list(interval)

    return {
        "level": LEVEL,
        "mean": ends(intervals.mean),
        "per_class": dict(zip(scores.class_names, map(ends, intervals.per_class), strict=True)),
        "block_um": scores.block_um,
        "blocks": intervals.blocks,
    }
