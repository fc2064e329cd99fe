"""One network of 62 micrometres on pancreas_top: larger, trained longer, on finer pixels.

    MORPHINFER_DATA=/path/to/sections python training/research/sizes.py [NAME ...]

Trains a network for each variant (2 to 20 minutes on one core), fits calibration and class factors on
half of the held-out blocks and scores the other half, ten times. Writes results/DATE-sizes.json.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.learning import TrainingJob, choose_fusion, silent
from morphinfer_training.train import load_data
from protocol import ROOT, WORK, prepare, write_results
from thin_class import dice_by_class, halves

STEPS, PATCH_PX, PIXEL_UM = 400, 96, 0.65
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "seed 2": {"seed": 2},
    "1.5 times the channels": {"channels": (24, 48, 96, 96)},
    "800 steps": {"steps": 800},
    "0.325 micrometres a pixel": {"pixel_size_um": 0.325},
}


def main() -> int:
    """Train, score, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="variants; all by default")
    names = parser.parse_args().names or list(VARIANTS)
    if reason := prepare(["pancreas_top"]):
        print(reason)
        return 0
    rows = []
    for name in names:
        rows.append({"variant": name, **measured(name)})
        print(rows[-1], flush=True)
    if len(names) == len(VARIANTS):
        write_results("sizes", rows, patch_px=PATCH_PX, steps=STEPS)
    return 0


def measured(name: str) -> dict[str, Any]:
    """Mean Dice and Dice of each class of one variant, and the minutes of its training."""
    config, patch = variant(name)
    references = WORK / "references" / "pancreas"
    references.mkdir(parents=True, exist_ok=True)
    data = load_data(config, ROOT / "training", references, reuse=True)
    run = WORK / "sizes" / name.replace(" ", "_")
    run.mkdir(parents=True, exist_ok=True)
    job = TrainingJob(config, data.sections, data.splits, run, torch.device("cpu"))
    scorer = job.scorer()
    fitted = job.fit(patch, scorer, resume=True, progress=silent)
    counts = np.zeros((scorer.classes, scorer.classes))
    for fit in halves(scorer.labels, scorer.blocks):
        fusion = choose_fusion(
            fitted.probabilities[None, fit], scorer.labels[fit], scorer.blocks[fit]
        )
        predicted = fusion(fitted.probabilities[None, ~fit]).argmax(axis=1)
        np.add.at(counts, (scorer.labels[~fit], predicted), 1)
    dice = dice_by_class(counts)
    return {
        "mean": round(float(dice.mean()), 4),
        "dice": dict(zip(config.classes, dice.round(4).tolist(), strict=True)),
        "minutes": round(fitted.history[-1].seconds / 60, 1),
    }


def variant(name: str) -> tuple[TrainConfig, int]:
    """Configuration of a variant, and the patch size of its network.

    On finer pixels, patches, gap and blur are as many micrometres as before.
    """
    config = read_config(ROOT / "training" / "pancreas.toml")
    change = dict(VARIANTS[name])
    steps = change.pop("steps", STEPS)
    config = replace(
        config, training=replace(config.training, steps=steps, evaluate_every=steps), **change
    )
    times = round(PIXEL_UM / config.pixel_size_um)
    least, greatest = config.augmentation.blur_px
    blur = replace(config.augmentation, blur_px=(least * times, greatest * times))
    sizes = tuple(times * n for n in config.patch_sizes_px)
    return replace(config, augmentation=blur, patch_sizes_px=sizes), times * PATCH_PX


if __name__ == "__main__":
    sys.exit(main())
