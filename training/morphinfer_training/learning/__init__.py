"""From sections with references to trained and calibrated networks.

`sections` loads image and classes (`section_reference` makes a reference of spots), `split` chooses
the positions that are held out, `patches` and `augmentation` draw batches, `nets` is the architecture.
`loop` trains one network (`checkpoint`, `curves`, `progress`), `parallel` several at a time (`allocator`).
`validation` scores networks on the held-out positions, `calibration` fits their fusion there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.learning.allocator import keep_freed_memory
    from morphinfer_training.learning.calibration import Fusion, choose_fusion, reliability
    from morphinfer_training.learning.checkpoint import Row
    from morphinfer_training.learning.curves import draw_curves
    from morphinfer_training.learning.loop import Fitted, network_name, pick_device
    from morphinfer_training.learning.nets import POOLINGS, PaddingFreeNet, Weights, fold
    from morphinfer_training.learning.parallel import TrainingJob, fit_side_by_side
    from morphinfer_training.learning.progress import Progress, StepReport, silent
    from morphinfer_training.learning.section_reference import reference_names
    from morphinfer_training.learning.sections import Section, load_section
    from morphinfer_training.learning.split import (
        Split,
        check_split,
        gap_positions,
        split_section,
        train_on_all,
    )
    from morphinfer_training.learning.validation import HeldOutScorer, mean_dice

__all__ = [
    "POOLINGS",
    "Fitted",
    "Fusion",
    "HeldOutScorer",
    "PaddingFreeNet",
    "Progress",
    "Row",
    "Section",
    "Split",
    "StepReport",
    "TrainingJob",
    "Weights",
    "check_split",
    "choose_fusion",
    "draw_curves",
    "fit_side_by_side",
    "fold",
    "gap_positions",
    "keep_freed_memory",
    "load_section",
    "mean_dice",
    "network_name",
    "pick_device",
    "reference_names",
    "reliability",
    "silent",
    "split_section",
    "train_on_all",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "allocator": ("keep_freed_memory",),
            "calibration": (
                "Fusion",
                "choose_fusion",
                "reliability",
            ),
            "checkpoint": ("Row",),
            "curves": ("draw_curves",),
            "loop": (
                "Fitted",
                "network_name",
                "pick_device",
            ),
            "nets": (
                "POOLINGS",
                "PaddingFreeNet",
                "Weights",
                "fold",
            ),
            "parallel": (
                "TrainingJob",
                "fit_side_by_side",
            ),
            "progress": (
                "Progress",
                "StepReport",
                "silent",
            ),
            "section_reference": ("reference_names",),
            "sections": (
                "Section",
                "load_section",
            ),
            "split": (
                "Split",
                "check_split",
                "gap_positions",
                "split_section",
                "train_on_all",
            ),
            "validation": (
                "HeldOutScorer",
                "mean_dice",
            ),
        },
    )
