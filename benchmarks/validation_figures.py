"""The figures on validation by which recipes are chosen, of one set or several.

    MORPHINFER_DATA=/path/to/sections python benchmarks/validation_figures.py SET [FOLDER ...]

SET is a configuration of `accuracy.py`, FOLDER a model set of its sections (by default the shipped one).
Mean Dice of the fusion on the held-out cells as scanned, as the simulated scanners of `scanners.py` show
them, where the normalisation misjudged the slide, and where everything is off at once; for the pixels
of `hippocampus` also what `faint.py` tells. No section that is kept for a test is touched.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from accuracy import SETS, ModelSetPlan, network_labels
from faint import faint_figure, unseen_section
from morphinfer.errors import MorphinferError
from morphinfer.images.slide import Slide, open_slide
from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.learning.validation import dice_of, mean_dice
from morphinfer_training.train import load_data
from protocol import WORK, data_folder, skip_reason, slide
from scanners import COMPOUND, MISJUDGED, SCANNERS, compound, misjudged, scanned

WITH_FAINT = "hippocampus"
"""The set of whose pixel size the slide of `faint.py` is."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The section with transcripts of a configuration, and its held-out cells."""

    config: TrainConfig
    slide: Slide
    section: Section
    split: Split
    unseen: Section | None
    """The slide of `faint.py`, where there is one."""

    @classmethod
    def of(cls, plan: ModelSetPlan) -> HeldOut:
        """Of the first section, which is that with transcripts."""
        shown = open_slide(slide(plan.trained_on[0]))
        config = read_config(plan.config)
        config = replace(config, sections=config.sections[:1])
        with TemporaryDirectory() as made:
            data = load_data(config, plan.config.parent, Path(made))
        unseen = unseen_section(config) if plan.name == WITH_FAINT else None
        return cls(config, shown, data.sections[0], data.splits[0], unseen)

    def dice(self, folder: Path, section: Section, split: Split) -> float:
        """Mean Dice of the fusion of a set."""
        labels = network_labels(folder, section, self.config)["fused"]
        truth = section.labels[split.validation], labels[split.validation]
        return mean_dice(dice_of(*truth, len(self.config.classes)))

    def figures(
        self, folder: Path, tell: Callable[[str, float], None] = lambda name, value: None
    ) -> dict[str, float]:
        """All figures of a set; each is told when it is known, with those that it is the mean of."""

        def mean(name: str, shown: dict[str, tuple[Section, Split]]) -> float:
            each = []
            for one, seen in shown.items():
                each.append(self.dice(folder, *seen))
                tell(f"{name}, {one}", each[-1])
            return float(np.mean(each))

        config, section, split = self.config, self.section, self.split
        found = {
            "held-out": self.dice(folder, section, split),
            "scanners": mean(
                "scanners", {k: scanned(self.slide, section, split, config, k) for k in SCANNERS}
            ),
            "misjudged": mean(
                "misjudged",
                {
                    f"x {g:g} {o:+g}": (misjudged(section, config, g, o), split)
                    for g, o in MISJUDGED
                },
            ),
            "compound": mean(
                "compound", {str(k): (compound(section, config, k), split) for k in COMPOUND}
            ),
        }
        if self.unseen is not None:
            found["faint"] = faint_figure(folder, self.unseen, config)
        return found


def main() -> int:
    """Print the figures of each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    plans = {plan.name: plan for plan in SETS}
    parser.add_argument("set", choices=plans, help="whose configuration and sections to take")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    told = parser.parse_args()
    plan = plans[told.set]
    reason = skip_reason(sections_of(plan))
    if reason:
        print(reason)
        return 0
    os.environ.setdefault("MORPHINFER_DATA", str(data_folder()))
    os.environ["MORPHINFER_SECTIONS"] = str(WORK)
    held = HeldOut.of(plan)
    for folder in told.folders or [plan.folder]:
        print(folder)
        found = held.figures(
            folder, lambda name, value: print(f"  {name}: {value:.3f}", flush=True)
        )
        for name, value in {**found, "mean": float(np.mean(list(found.values())))}.items():
            print(f"{name}: {value:.3f}")
    return 0


def sections_of(plan: ModelSetPlan) -> list[str]:
    """Sections that have to be there."""
    return [plan.trained_on[0], *(["midbrain_nuclei"] if plan.name == WITH_FAINT else [])]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MorphinferError as problem:
        sys.exit(str(problem))
