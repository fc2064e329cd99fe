"""Dice on held-out cells where the intensities are not what normalisation should have made of them.

    MORPHINFER_DATA=/path/to/sections python benchmarks/misjudged.py SET [FOLDER]

SET is a configuration of `accuracy.py`, FOLDER a model set made by it (by default the shipped one).
The normalised image of the first section is changed by `scanners.misjudged` (too high or too low) and by
`scanners.compound` (everything at once) before the networks see it.
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
from morphinfer_training.sections import Section
from morphinfer_training.train import load_data
from morphinfer_training.validation import dice_of, mean_dice
from protocol import WORK, data_folder, skip_reason, slide
from scanners import COMPOUND, MISJUDGED, compound, misjudged


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

    def dice(shown: Section) -> float:
        labels = network_labels(told.folder or plan.folder, shown, config)["fused"]
        return mean_dice(dice_of(section.labels[held], labels[held], len(config.classes)))

    print(f"as it is: {dice(section):.3f}", flush=True)
    found = []
    for gain, offset in MISJUDGED:
        found.append(dice(misjudged(section, config, gain, offset)))
        print(f"x {gain:g} {offset:+g}: {found[-1]:.3f}", flush=True)
    print(f"mean of these {len(found)}: {np.mean(found):.3f}")
    found = [dice(compound(section, config, seed)) for seed in COMPOUND]
    print(f"mean of {len(found)} compound changes: {np.mean(found):.3f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MorphinferError as problem:
        sys.exit(str(problem))
