"""What a slide that was never trained on says of variation in training and of slides without transcripts.

    MORPHINFER_DATA=/path/to/sections python benchmarks/unseen_slide.py [NAME ...]

Held-out blocks of one slide reward what only that slide shows. septum_1 is another slide: its
image tells background from tissue, and its transcripts say that it holds no principal neurons (20 of
45,000 expected reads are of Neurod6). Each variant trains two networks on ca1 and a corner of
midbrain_nuclei, and is judged on septum_1, on the held-out cells of ca1, and on these as simulated
scanners show them. Nothing here looks at a section marked 'test only'. Writes results/DATE-unseen-slide.json.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ablations import CPU, PROBE, Labelling, merged, prepare_references
from machine import describe
from morphinfer.grid import TileGrid
from morphinfer.slide import open_slide
from morphinfer_training.config import TrainConfig, parse_config
from morphinfer_training.expression import BACKGROUND, FIRST_GENE
from morphinfer_training.loop import Fitted, fit
from morphinfer_training.patches import TileSampler, reflected_tile
from morphinfer_training.sections import Section, load_section
from morphinfer_training.train import load_data
from morphinfer_training.validation import Judge, mean_dice
from morphinfer_training.weights import (
    class_factors,
    fuse,
    fusion_weights,
    temperature,
    with_factors,
    with_temperature,
)
from protocol import WORK, skip_reason, slide
from scanners import SCANNERS, scanned

DONE = WORK / "unseen_slide"
UNSEEN = "septum_1"
TILE_CELLS = 64
NONE = {"gain": 1.0, "gamma": 1.0, "offset": 0.0, "illumination": 0.0}
LITTLE = {"gain": 1.1, "gamma": 1.3, "offset": 0.03, "illumination": 0.1}


@dataclass(frozen=True, slots=True)
class Variant:
    """A change of the training."""

    augmentation: dict[str, float]
    """Its variation of intensities."""
    slides: tuple[str, ...] = ("midbrain_corner",)
    """Slides without transcripts."""
    weight: float = 0.3
    """How often these are drawn."""
    more: dict[str, Any] = field(default_factory=dict)
    """Other keys of the configuration."""


VARIANTS = {
    "ca1_alone": Variant(LITTLE, slides=()),
    "no_variation": Variant(NONE),
    "little": Variant(LITTLE),
    "little_floor": Variant({**LITTLE, "floor": 0.08}),
    "little_offset": Variant({**LITTLE, "offset": 0.1}),
    "wide": Variant({"gain": 1.4, "gamma": 1.6, "offset": 0.1, "floor": 0.08, "illumination": 0.3}),
}


def main() -> int:
    """Train what is missing, two processes side by side, then write the table."""
    reason = skip_reason(["ca1", UNSEEN, "midbrain_nuclei"])
    if reason:
        print(reason)
        return 0
    DONE.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2])
        return 0
    prepare_references()
    names = [n for n in sys.argv[1:] or VARIANTS if not (DONE / f"{n}.json").exists()]
    failed = 0
    for pair in zip(names[::2], [*names[1::2], ""], strict=False):
        running = [subprocess.Popen([sys.executable, __file__, "--one", n]) for n in pair if n]
        failed += sum(process.wait() != 0 for process in running)
    write_results()
    return int(failed > 0)


def configuration(name: str) -> TrainConfig:
    """The probe of `ablations.py` with the tiles of the shipped sets and a variant's change."""
    variant = VARIANTS[name]
    sections: list[dict[str, Any]] = [
        {"slide": str(slide("ca1")), "reference": str(Labelling().path)}
    ]
    sections += [
        {"slide": str(slide(s)), "image_only": True, "weight": variant.weight}
        for s in variant.slides
    ]
    table = {
        "training": {"batch": 12, "tile_cells": 12},
        "augmentation": {"rotate": "any", **variant.augmentation},
    }
    return parse_config(
        merged(merged({"name": name, "sections": sections, **PROBE}, table), variant.more), name
    )


def measure(name: str) -> None:
    """Train a variant and write its figures."""
    torch.set_num_threads(1)
    config = configuration(name)
    data = load_data(config, Path())
    judge = Judge(data.sections, data.splits, config, CPU)
    networks = []
    for patch in config.patch_sizes_px:
        folder = WORK / "unseen_slide.run" / name / str(patch)
        folder.mkdir(parents=True, exist_ok=True)
        sampler = TileSampler(data.sections, data.splits, config, patch, CPU)
        networks.append(fit(config, patch, sampler, judge, folder, device=CPU))
    raw = [n.probabilities for n in networks]
    heat = [temperature(judge.merged(p), judge.labels) for p in raw]
    cooled = np.stack([with_temperature(p, t) for p, t in zip(raw, heat, strict=True)])
    factors = class_factors(judge.merged(cooled), judge.labels)
    weights = fusion_weights(judge.merged(with_factors(cooled, factors)), judge.labels)

    def fused(seen: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Fusion of probabilities, shape (K, C) each."""
        pairs = zip(seen, heat, strict=True)
        ready = np.stack([with_temperature(p, t) for p, t in pairs])
        return fuse(with_factors(ready, factors), weights)

    dice = {}
    for scanner in SCANNERS:
        shown = scanned(open_slide(slide("ca1")), data.sections[0], data.splits[0], config, scanner)
        held = Judge([shown[0]], [shown[1]], config, CPU)
        seen = [held.probabilities(n.network, n.patch_size_px) for n in networks]
        dice[scanner] = mean_dice(held.dice(fused(seen)))
    other = {"sections": [{"slide": str(slide(UNSEEN)), "image_only": True}]}
    told = parse_config({**PROBE, "name": name, **other}, name)
    section = load_section(told.sections[0], config, Path())
    found = {
        "name": name,
        "augmentation": VARIANTS[name].augmentation,
        "slides": VARIANTS[name].slides,
        "dice_as_scanned": dice["as scanned"],
        "dice_simulated_scanners": float(np.mean(list(dice.values()))),
        "scanners": dice,
        UNSEEN: shares(section, fused([dense(n, section, config) for n in networks])),
    }
    (DONE / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found), flush=True)


def dense(fitted: Fitted, section: Section, config: TrainConfig) -> NDArray[np.float32]:
    """Probabilities of one network for all cells of a section, row by row, shape (K, C)."""
    found = np.empty((*section.labels.shape, len(config.classes)), np.float32)
    fitted.network.eval()
    with torch.inference_mode():
        for band in TileGrid(*section.labels.shape, TILE_CELLS).bands():
            for window in band:
                tile = reflected_tile(section.image, window, fitted.patch_size_px, config.stride_px)
                logits = fitted.network(torch.from_numpy(tile)[None, None])  # (1, C, m, n)
                found[window.slices] = torch.softmax(logits, dim=1)[0].movedim(0, -1).numpy()
    return found.reshape(-1, len(config.classes))


def shares(section: Section, probabilities: NDArray[np.float32]) -> dict[str, float]:
    """How much of the unseen slide is told rightly."""
    predicted, truth = probabilities.argmax(axis=1), section.labels.ravel()
    outside, inside = predicted[truth == BACKGROUND], predicted[truth != BACKGROUND]
    return {
        "background_found": float((outside == BACKGROUND).mean()),
        "tissue_called_background": float((inside == BACKGROUND).mean()),
        "tissue_called_principal_neurons": float((inside == FIRST_GENE).mean()),
    }


def write_results() -> None:
    """All variants that are done, as a file and as the table of training/PROTOCOL.md."""
    rows = [
        json.loads(p.read_text(encoding="utf-8"))
        for p in (DONE / f"{name}.json" for name in VARIANTS)
        if p.exists()
    ]
    out = (
        Path(__file__).parent / "results" / f"{datetime.date.today().isoformat()}-unseen-slide.json"
    )
    out.write_text(json.dumps({"machine": describe(), "variants": rows}, indent=1) + "\n", "utf-8")
    for row in rows:
        told = [row["dice_as_scanned"], row["dice_simulated_scanners"], *row[UNSEEN].values()]
        print(f"| {row['name']} | " + " | ".join(f"{value:.3f}" for value in told) + " |")


if __name__ == "__main__":
    sys.exit(main())
