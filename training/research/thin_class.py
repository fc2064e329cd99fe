"""Networks against forests where one class is rare: it is kept in six pieces, 1 % of the tissue together.

    MORPHINFER_DATA=/path/to/sections python training/research/thin_class.py [STUDY ...] [--train]

--train trains what a study needs (5 to 15 minutes on one core) and stores probabilities at the held-out
positions in runs/accuracy/thin_class: of networks and forests on thinned labels, or of the shipped set and
forests on all labels. Then all are calibrated on half of the held-out blocks, of which the class is thinned
too, and scored on the other half, where every position of the class counts as little as if it were 1 % of the
tissue; ten random halves and their complements. Sections that are kept for a test are not read. Writes
results/DATE-thin_class.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.networks import ModelFile, load_models
from morphinfer_training.baselines.forest import (
    QUICK_SIZE,
    forest_calibration,
    held_out_probabilities,
    plain_forest,
)
from morphinfer_training.baselines.nuclei_features import RADII_UM, WIDER_UM, Radii
from morphinfer_training.baselines.predictions import probability_map
from morphinfer_training.config import read_config
from morphinfer_training.learning import (
    TrainingJob,
    choose_fusion,
    held_out_pieces,
    silent,
)
from morphinfer_training.references import BACKGROUND
from morphinfer_training.train import load_data
from protocol import SETS, WORK, SetProtocol, prepare, write_results

SHARE = 0.01
"""Of the tissue, that the thinned class keeps."""
PIECES = 6
FOLDS = 10
"""Random halves of the held-out blocks; each half fits once and is scored once."""
DRAWS = 1000
"""Draws of blocks for the intervals."""
CPU = torch.device("cpu")
Image = NDArray[np.float32]
Labels = NDArray[np.uint8]
FORESTS = {"forest": RADII_UM, "wider": WIDER_UM}


@dataclass(frozen=True, slots=True)
class Study:
    """A section, the class that is thinned, and the networks that are trained on what is left."""

    section: str
    protocol: SetProtocol
    thinned: int
    patches: tuple[int, ...] = ()
    """Of the networks that are trained on the thinned labels. If there are none, the shipped set and forests
    that were trained on all labels are calibrated on thinned ones."""
    steps: int = 0

    @property
    def folder(self) -> Path:
        """Folder of what is stored."""
        return WORK / "thin_class" / (f"{self.section}_thinned" if self.patches else self.section)


_OF = {protocol.name: protocol for protocol in SETS}
STUDIES = (
    Study("ca1", _OF["hippocampus"], 2),
    Study("pancreas_top", _OF["pancreas"], 3),
    Study("septum_1", _OF["septum"], 2, (56, 72), 300),
    Study("ca1", _OF["hippocampus"], 2, (128, 176), 800),
    Study("pancreas_top", _OF["pancreas"], 3, (96, 160), 300),
)


def main() -> int:
    """Train what is asked for, score, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="STUDY", help="all by default")
    parser.add_argument("--train", action="store_true", help="train what is not stored first")
    options = parser.parse_args()
    chosen = [s for s in STUDIES if not options.sections or s.folder.name in options.sections]
    if reason := prepare([n for study in chosen for n in study.protocol.trained_on]):
        print(reason)
        return 0
    rows = []
    for study in chosen:
        if options.train:
            store_probabilities(study)
        rows += scored(study)
    if len(chosen) == len(STUDIES):
        write_results("thin_class", rows, share=SHARE, pieces=PIECES, folds=FOLDS)
    return 0


def store_probabilities(study: Study) -> None:
    """Compute and store what does not exist: probabilities of networks and forests, and the positions."""
    study.folder.mkdir(parents=True, exist_ok=True)
    config = read_config(study.protocol.config)
    data = load_data(config, study.protocol.config.parent, study.folder, reuse=True)
    first, split = data.sections[0], data.splits[0]
    sections = data.sections
    if study.patches:
        labels, places = first.labels.copy(), np.argwhere(split.train)
        rng = np.random.default_rng(1)
        labels[split.train] = thinned(labels[split.train], places, study.thinned, rng)
        sections = [replace(first, labels=labels), *data.sections[1:]]
    settings = replace(config.training, steps=study.steps, evaluate_every=max(1, study.steps))
    config = replace(config, training=settings)
    job = TrainingJob(config, sections, data.splits, study.folder, CPU)
    scorer = job.scorer()
    pieces = held_out_pieces(0, split.validation)
    corners = [np.array([p.window.row, p.window.col]) for p in pieces]
    held_out = [np.argwhere(p.mask) + at for p, at in zip(pieces, corners, strict=True)]
    np.savez(
        study.folder / "held_out.npz",
        labels=scorer.labels,
        blocks=scorer.blocks,
        places=np.concatenate(held_out),
    )

    def network(patch: int) -> Image:
        return job.fit(patch, scorer, resume=True, progress=silent).probabilities

    def shipped(file: ModelFile) -> Image:
        full = probability_map(file, first, config, split.validation)
        return np.concatenate([full[(slice(None), *p.window.slices)][:, p.mask].T for p in pieces])

    def forest(radii: Radii) -> Image:
        plain = plain_forest(sections, data.splits, config, radii, QUICK_SIZE)
        return held_out_probabilities(plain, data.sections, data.splits)[0]

    tasks = {f"p{n:03d}": partial(network, n) for n in study.patches}
    if not study.patches:
        files = load_models(study.protocol.folder).files
        tasks = {f"p{f.card.patch_size_px:03d}": partial(shipped, f) for f in files}
    tasks |= {name: partial(forest, radii) for name, radii in FORESTS.items()}
    for name, compute in tasks.items():
        path = study.folder / f"{name}.npy"
        if not path.exists():
            began = time.perf_counter()
            np.save(path, scorer.merged(compute()))
            print(f"{path}: {time.perf_counter() - began:.0f} s", flush=True)


def thinned(
    labels: Labels, places: NDArray[np.intp], value: int, rng: np.random.Generator
) -> Labels:
    """Labels, shape (K,), in which a class is kept in PIECES pieces, SHARE of the tissue together.

    A piece is what of the class is nearest to a random position of it; the rest is unlabelled. ``places`` has
    shape (K, 2).
    """
    mine = np.flatnonzero(labels == value)
    others = np.count_nonzero((labels != UNLABELLED) & (labels != BACKGROUND)) - len(mine)
    size = max(1, round(others * SHARE / (1 - SHARE) / PIECES))
    kept = np.zeros(len(mine), np.bool_)
    for seed in places[mine[rng.permutation(len(mine))[:PIECES]]]:
        distance = ((places[mine] - seed) ** 2).sum(axis=1).astype(np.float64)
        distance[kept] = np.inf
        kept[np.argsort(distance, kind="stable")[:size]] = True
    result = labels.copy()
    result[mine[~kept]] = UNLABELLED
    return result


def scored(study: Study) -> list[dict[str, Any]]:
    """A row for each method, calibrated on all labels where it was trained on them, and on thinned ones."""
    held_out = np.load(study.folder / "held_out.npz")
    classes = read_config(study.protocol.config).classes
    share = np.bincount(held_out["labels"], minlength=len(classes)).astype(np.float64)
    tissue = share.sum() - share[BACKGROUND] - share[study.thinned]
    rows = []
    for thin in (True,) if study.patches else (False, True):
        weights = np.ones(len(classes))
        if thin:
            weights[study.thinned] = tissue * SHARE / (1 - SHARE) / share[study.thinned]
        counts = cross_fitted(study, held_out, thin=thin)
        weighted = {name: each * weights[:, None] for name, each in counts.items()}
        about = {
            "section": study.section,
            "thinned": classes[study.thinned] if thin else "",
            "trained_on": "thinned labels" if study.patches else "all labels",
        }
        rows += [{**about, **row} for row in compared(weighted, classes)]
    for row in rows:
        print(row, flush=True)
    return rows


def cross_fitted(study: Study, held_out: Any, *, thin: bool) -> dict[str, NDArray[np.float64]]:
    """Confusion of each method in each block, shape (B, C, C), calibrated on other blocks."""
    labels, places = held_out["labels"], held_out["places"]
    numbers, blocks = np.unique(held_out["blocks"], return_inverse=True)
    classes, rng = len(np.unique(labels)), np.random.default_rng(2)
    networks = np.stack([np.load(p) for p in sorted(study.folder.glob("p[0-9]*.npy"))])
    forests = {n: np.load(p) for n in FORESTS if (p := study.folder / f"{n}.npy").exists()}
    counts = {n: np.zeros((len(numbers), classes, classes)) for n in ("networks", *forests)}
    for fit in halves(labels, blocks):
        known = labels.copy()
        known[~fit] = UNLABELLED
        if thin:
            known[fit] = thinned(labels[fit], places[fit], study.thinned, rng)
        at = known != UNLABELLED
        fusion = choose_fusion(networks[:, at], labels[at], blocks[at])
        predicted = {"networks": fusion(networks[:, ~fit])}
        for name, forest in forests.items():
            predicted[name] = forest_calibration(forest[at], labels[at], blocks[at])(forest[~fit])
        for name, probabilities in predicted.items():
            where = blocks[~fit], labels[~fit], probabilities.argmax(axis=1)
            np.add.at(counts[name], where, 1)
    return counts


def halves(labels: Labels, blocks: NDArray[np.intp]) -> Iterator[NDArray[np.bool_]]:
    """Halves of the blocks, as masks of shape (K,), each followed by its complement.

    Halves of which one lacks a class are left out.
    """
    rng, numbers = np.random.default_rng(2), np.unique(blocks)
    for _ in range(FOLDS):
        half = np.isin(blocks, rng.permutation(numbers)[: len(numbers) // 2])
        if len(np.unique(labels[half])) == len(np.unique(labels[~half])):
            yield from (half, ~half)


def compared(
    counts: dict[str, NDArray[np.float64]], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Dice of each method; of the networks also the difference to the better forest, with its interval."""
    dice = {name: dice_by_class(each.sum(axis=0)) for name, each in counts.items()}
    rows = [
        {"method": name, "mean": round(float(d.mean()), 4),
         "dice": dict(zip(classes, d.round(4).tolist(), strict=True))}
        for name, d in dice.items()
    ]  # fmt: skip
    better = max((n for n in counts if n in FORESTS), key=lambda name: float(dice[name].mean()))
    blocks = len(counts["networks"])
    drawn = np.random.default_rng(3).integers(blocks, size=(DRAWS, blocks))
    differences = [
        dice_by_class(counts["networks"][d].sum(axis=0)).mean()
        - dice_by_class(counts[better][d].sum(axis=0)).mean()
        for d in drawn
    ]
    low, high = np.nanpercentile(differences, [2.5, 97.5])
    rows[0] |= {
        "above_better_forest": round(float(dice["networks"].mean() - dice[better].mean()), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
    }
    return rows


def dice_by_class(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dice of each class, shape (C,), of a confusion matrix, which may be weighted."""
    with np.errstate(invalid="ignore"):  # blocks without a class
        return np.asarray(2 * np.diag(counts) / (counts.sum(axis=0) + counts.sum(axis=1)))


if __name__ == "__main__":
    sys.exit(main())
