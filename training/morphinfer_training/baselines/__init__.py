"""What the networks are compared with, trained and scored at the same positions.

From a normalised nuclei image to classes, weakest first: the most frequent class, then thresholds on the
density of nuclei (`density`), then random forests (`forest`) on hand-made features of nuclei
(`nuclei_features`). Each is a function of (sections, splits, config) that returns a trained `Predictor`;
everything random follows the seed of the configuration. `predictions` runs a model set on a section,
`comparison` all methods at the same positions, and `figures` scores them with intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.baselines.comparison import (
        ScoredPositions,
        compare,
        compare_with_forest,
        fit_baselines,
        held_out_positions,
        test_part,
    )
    from morphinfer_training.baselines.figures import Result, figures_json, print_figures
    from morphinfer_training.baselines.forest import FULL_SIZE, ForestSize
    from morphinfer_training.baselines.predictions import FUSED, fused_labels

__all__ = [
    "FULL_SIZE",
    "FUSED",
    "ForestSize",
    "Result",
    "ScoredPositions",
    "compare",
    "compare_with_forest",
    "figures_json",
    "fit_baselines",
    "fused_labels",
    "held_out_positions",
    "print_figures",
    "test_part",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "comparison": (
                "ScoredPositions",
                "compare",
                "compare_with_forest",
                "compare_with_forest",
                "fit_baselines",
                "held_out_positions",
                "test_part",
            ),
            "figures": ("Result", "figures_json", "print_figures"),
            "forest": ("FULL_SIZE", "ForestSize"),
            "predictions": ("FUSED", "fused_labels"),
        },
    )
