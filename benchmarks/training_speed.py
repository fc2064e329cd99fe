"""What dense tiles are worth in training: seconds a labelled cell, against patches one by one.

    python benchmarks/training_speed.py

The same network takes a step (forward, loss, backward, AdamW) on tiles that hold n x n predictions
each, and on the same number of single patches. Random input, since only time is measured; both ways
alternate in one run, two threads.
"""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

import numpy as np
import torch

from machine import describe
from morphinfer_training.config import TrainingConfig
from morphinfer_training.learning.nets import PaddingFreeNet
from morphinfer_training.learning.patches import balanced_loss

PATCHES = (48, 64, 96, 128, 160)
CHANNELS = (16, 32, 64, 64)
CLASSES = 4
TURNS = 5
SINGLE = 96
"""Patches in a batch of single ones; the cost of one hardly depends on it."""


def seconds_a_cell(patch: int, cells: int, count: int, told: TrainingConfig) -> float:
    """Seconds of a training step divided by the predictions in it."""
    torch.manual_seed(0)
    network = PaddingFreeNet(CHANNELS, CLASSES, patch, 0.2).train()
    optimiser = torch.optim.AdamW(p for p in network.parameters() if p.requires_grad)
    side = patch + 8 * (cells - 1)
    image = torch.rand(count, 1, side, side)
    labels = torch.randint(0, CLASSES, (count, cells, cells))
    times = []
    for _ in range(3):
        began = time.perf_counter()
        loss = balanced_loss(network(image), labels, told.label_smoothing, told.class_weight_limit)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        times.append(time.perf_counter() - began)
    return min(times) / labels.numel()


def main() -> None:
    """Print and store the ratios."""
    torch.set_num_threads(2)
    told = TrainingConfig()
    rows = []
    for patch in PATCHES:
        pairs = [
            (
                seconds_a_cell(patch, told.tile_cells, told.batch, told),
                seconds_a_cell(patch, 1, SINGLE, told),
            )
            for _ in range(TURNS)
        ]
        dense, single = np.median(pairs, axis=0)
        ratio = float(np.median([s / d for d, s in pairs]))
        rows.append({"patch_size_px": patch, "dense_us_a_cell": dense * 1e6,
                     "single_us_a_cell": single * 1e6, "ratio": ratio})  # fmt: skip
        print(f"P = {patch:3d}: dense {dense * 1e6:7.1f} us a cell, single patches "
              f"{single * 1e6:8.1f}, ratio {ratio:.1f}", flush=True)  # fmt: skip
    found = {
        "machine": describe(),
        "tile_cells": told.tile_cells,
        "batch": told.batch,
        "rows": rows,
    }
    name = f"{datetime.date.today().isoformat()}-training-speed.json"
    out = Path(__file__).parent / "results" / name
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
