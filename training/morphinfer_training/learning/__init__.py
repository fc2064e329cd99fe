"""From sections with references to trained and calibrated networks.

`sections` loads image and classes (`section_reference` makes a reference of spots), `split` chooses
the positions that are held out, `patches` and `augmentation` draw batches, `nets` is the architecture.
`loop` trains one network (`checkpoint`, `curves`, `progress`), `parallel` several at a time (`allocator`).
`validation` scores networks on the held-out positions, `calibration` and `fusion` fit their outputs there;
`unseen` measures the test part. `brightness` chooses between networks that see brightness and that do not,
also by simulated `scanners`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.learning.allocator import keep_freed_memory
    from morphinfer_training.learning.brightness import (
        Candidate,
        choose_candidate,
        configs_by_brightness,
        network_names,
    )
    from morphinfer_training.learning.calibration import Calibration, reliability
    from morphinfer_training.learning.checkpoint import Row
    from morphinfer_training.learning.curves import draw_curves
    from morphinfer_training.learning.fusion import Fusion, choose_fusion, class_factors
    from morphinfer_training.learning.loop import Fitted, network_name, pick_device
    from morphinfer_training.learning.nets import POOLINGS, PaddingFreeNet, Weights, fold
    from morphinfer_training.learning.parallel import TrainingJob, fit_side_by_side
    from morphinfer_training.learning.patches import TileSampler, reflected_tile
    from morphinfer_training.learning.progress import Progress, StepReport, silent
    from morphinfer_training.learning.scanners import SCANNERS, scanned
    from morphinfer_training.learning.section_reference import reference_names
    from morphinfer_training.learning.sections import Section, load_section
    from morphinfer_training.learning.split import (
        Split,
        check_split,
        gap_positions,
        split_section,
        test_gap_positions,
        train_on_all,
    )
    from morphinfer_training.learning.unseen import (
        TestScores,
        bootstrap_block_um,
        has_test_part,
        measure_test_part,
    )
    from morphinfer_training.learning.validation import (
        HeldOutScorer,
        block_numbers,
        dice_of,
        held_out_pieces,
        mean_dice,
    )

__all__ = [
    "POOLINGS",
    "SCANNERS",
    "Calibration",
    "Candidate",
    "Fitted",
    "Fusion",
    "HeldOutScorer",
    "PaddingFreeNet",
    "Progress",
    "Row",
    "Section",
    "Split",
    "StepReport",
    "TestScores",
    "TileSampler",
    "TrainingJob",
    "Weights",
    "block_numbers",
    "bootstrap_block_um",
    "check_split",
    "choose_candidate",
    "choose_fusion",
    "class_factors",
    "configs_by_brightness",
    "dice_of",
    "draw_curves",
    "fit_side_by_side",
    "fold",
    "gap_positions",
    "has_test_part",
    "held_out_pieces",
    "keep_freed_memory",
    "load_section",
    "mean_dice",
    "measure_test_part",
    "network_name",
    "network_names",
    "pick_device",
    "reference_names",
    "reflected_tile",
    "reliability",
    "scanned",
    "silent",
    "split_section",
    "test_gap_positions",
    "train_on_all",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "allocator": ("keep_freed_memory",),
            "brightness": (
                "Candidate",
                "choose_candidate",
                "configs_by_brightness",
                "network_names",
            ),
            "calibration": (
                "Calibration",
                "reliability",
            ),
            "fusion": (
                "Fusion",
                "choose_fusion",
                "class_factors",
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
            "scanners": ("SCANNERS", "scanned"),
            "patches": ("TileSampler", "reflected_tile"),
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
                "test_gap_positions",
                "train_on_all",
            ),
            "unseen": (
                "bootstrap_block_um",
                "TestScores",
                "has_test_part",
                "measure_test_part",
            ),
            "validation": (
                "HeldOutScorer",
                "block_numbers",
                "dice_of",
                "held_out_pieces",
                "mean_dice",
            ),
        },
    )
