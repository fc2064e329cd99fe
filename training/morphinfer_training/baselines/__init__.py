"""What the networks are compared with, trained and scored at the same positions.

From a normalised nuclei image to classes, weakest first: the most frequent class, then thresholds on the
density of nuclei (`density`), then random forests (`forest`) on hand-made features of nuclei
(`nuclei_features`). Each is a function of (sections, splits, config) that returns a trained `Predictor`;
everything random follows the seed of the configuration. `predictions` runs a model set on the sections,
and `figures` scores all methods with intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.baselines.density import majority, otsu_density
    from morphinfer_training.baselines.figures import Result, figures, print_figures, write_picture
    from morphinfer_training.baselines.forest import forest, wider_forest
    from morphinfer_training.baselines.predictions import fused_labels, network_outputs

__all__ = [
    "Result",
    "figures",
    "forest",
    "fused_labels",
    "majority",
    "network_outputs",
    "otsu_density",
    "print_figures",
    "wider_forest",
    "write_picture",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "density": ("majority", "otsu_density"),
            "figures": ("Result", "figures", "print_figures", "write_picture"),
            "forest": ("forest", "wider_forest"),
            "predictions": ("fused_labels", "network_outputs"),
        },
    )
