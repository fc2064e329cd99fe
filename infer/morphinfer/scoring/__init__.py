"""Scores of a label image against its reference: Dice, IoU, confusion matrix, intervals.

`evaluation` reads both tile by tile where they overlap, with classes matched by name
(`class_matching`); polygons are drawn as a label image (`references`). `metrics` computes scores from
the counts, and `bootstrap` their intervals. `training_slides` recognises
slides that the set was trained on.
"""

from __future__ import annotations

from morphinfer.scoring.bootstrap import (
    FEWEST_BLOCKS,
    LEVEL,
    Intervals,
    bootstrap_dice,
    dice,
    mean_dice,
    paired_difference,
)
from morphinfer.scoring.class_matching import match_sentence
from morphinfer.scoring.evaluation import check_fits, evaluate
from morphinfer.scoring.metrics import Confusion, Scores, scores, scores_json
from morphinfer.scoring.references import AnnotatedSlide, open_reference, slide_of
from morphinfer.scoring.training_slides import trained_on

__all__ = [
    "FEWEST_BLOCKS",
    "LEVEL",
    "AnnotatedSlide",
    "Confusion",
    "Intervals",
    "Scores",
    "bootstrap_dice",
    "check_fits",
    "dice",
    "evaluate",
    "match_sentence",
    "mean_dice",
    "open_reference",
    "paired_difference",
    "scores",
    "scores_json",
    "slide_of",
    "trained_on",
]
