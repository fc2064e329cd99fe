"""Dice on held-out cells where the normalisation misjudged the slide: its intensities too high or too low.

    MORPHINFER_DATA=/path/to/sections python benchmarks/misjudged.py SET [FOLDER]

SET is a configuration of `accuracy.py`, FOLDER a model set made by it (by default the shipped one).
The normalised image of the first section is multiplied, or shifted, before the networks see it. Simulated
scanners are normalised anew and cannot show this; a recipe that fell from 0.77 to 0.47 on another
microscope was better than the shipped one under them, and far worse here (training/PROTOCOL.md).
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from accuracy import SETS, network_labels
from morphinfer.errors import MorphinferError
from morphinfer_training.config import read_config
from morphinfer_training.train import load_data
from morphinfer_training.validation import dice_of, mean_dice
from protocol import WORK, data_folder, skip_reason, slide

GAINS = (0.5, 0.7, 1.0, 1.4, 2.0)
OFFSETS = (-0.1, 0.1)


def main() -> int:
    """Print one line for each misjudgement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    plans = {plan.name: plan for plan in SETS}
    parser.add_argument("set", choices=plans, help="whose configuration and sections to take")
    parser.add_argument(
        "folder", nargs="?", type=Path, help="model set; the shipped one by default"
    )
    told = parser.parse_args()
    plan = plans[told.set]
    reason = skip_reason(list(plan.trained_on))
    if reason:
        print(reason)
        return 0
    os.environ.setdefault("MORPHINFER_DATA", str(data_folder()))
    os.environ["MORPHINFER_SECTIONS"] = str(WORK)
    slide(plan.trained_on[0])
    config = read_config(plan.config)
    config = replace(config, sections=config.sections[:1])
    with TemporaryDirectory() as made:
        data = load_data(config, plan.config.parent, Path(made))
    section, held = data.sections[0], data.splits[0].validation
    for gain, offset in [*((g, 0.0) for g in GAINS), *((1.0, o) for o in OFFSETS)]:
        image = (section.image * gain + offset).clip(*config.normalisation.clip)
        shown = replace(section, image=image.astype(np.float32))
        labels = network_labels(told.folder or plan.folder, shown, config)["fused"]
        dice = dice_of(section.labels[held], labels[held], len(config.classes))
        print(f"x {gain:g} {offset:+g}: {mean_dice(dice):.3f}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MorphinferError as problem:
        sys.exit(str(problem))
