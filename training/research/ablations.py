"""One change at a time, scored on validation: what helps by more than the noise.

    MORPHINFER_DATA=/path/to/sections python training/research/ablations.py [NAME ...] [--workers 2]

Trains the variants of `variants.py` (all, or those named), each in a process of one thread, and
scores them by the figures of `validation_figures.py`. Results in runs/accuracy/ablations are reused. At
the end results/DATE-ablations.json is written from all that exist.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cost import multiply_adds_per_pixel
from faint import SLIDE, faint_section
from morphinfer.images import open_slide
from morphinfer_training.config import TrainConfig, parse_config
from morphinfer_training.learning import (
    Fitted,
    Fusion,
    HeldOutScorer,
    Section,
    Split,
    choose_fusion,
    mean_dice,
    reliability,
)
from morphinfer_training.learning.fusion import fuse
from morphinfer_training.learning.loop import fit
from morphinfer_training.learning.patches import TileSampler
from morphinfer_training.references import RegionSettings, make_regions
from morphinfer_training.spots import Spots, read_spots
from morphinfer_training.train import Data, load_data
from pretext import pretrain
from protocol import WORK, prepare, slide, table, write_results
from validation_figures import HeldOut, Predict
from variants import VARIANTS, Variant

DONE = WORK / "ablations"
GENES = (("Neurod6",), ("Plp1",))
PROBE: dict[str, Any] = {
    "classes": ["background", "tissue", "Neurod6", "Plp1"],
    "patch_sizes_px": [64, 128],
    "training": {"steps": 400, "evaluate_every": 100},
    "augmentation": {"gain": 2.0, "gamma": 1.6, "offset": 0.2},
}
CPU = torch.device("cpu")


def main() -> int:
    """Train the variants without a result, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="variants; all by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", action="store_true", help="train NAME in this process")
    options = parser.parse_args()
    if reason := prepare(["ca1", "septum_1", "midbrain_corner", SLIDE]):
        print(reason)
        return 0
    DONE.mkdir(parents=True, exist_ok=True)
    by_name = {v.name: v for v in VARIANTS}
    if options.one:
        measure(by_name[options.names[0]])
        return 0
    prepare_references()
    names = [n for n in options.names or by_name if not (DONE / f"{n}.json").exists()]
    failed = run_all(names, options.workers)
    files = [DONE / f"{v.name}.json" for v in VARIANTS]
    rows = [json.loads(p.read_text(encoding="utf-8")) for p in files if p.exists()]
    write_results("ablations", rows)
    print(markdown(rows))
    return int(bool(failed))


def run_all(names: list[str], workers: int) -> list[str]:
    """Each variant in a process of its own; returns those that failed."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed = []
    for name in [*names, *[""] * workers]:
        while len(running) >= workers or (not name and running):
            for other, process in list(running.items()):
                if process.poll() is not None:
                    failed += [other] if process.returncode else []
                    del running[other]
            time.sleep(0.5)
        if name:
            running[name] = subprocess.Popen([sys.executable, __file__, name, "--one"])
    return failed


@dataclass(frozen=True, slots=True)
class Labelling:
    """How the training regions are degraded."""

    keep: float = 1.0
    shift_um: float = 0.0
    border_um: float = 0.0

    @property
    def path(self) -> Path:
        """Path of the reference."""
        return WORK / f"ca1_{self.keep:g}_{self.shift_um:g}_{self.border_um:g}.zarr"


def prepare_references() -> None:
    """Write all training references of ca1 that do not exist."""
    for labelling in {labelling_of(v) for v in VARIANTS} | {Labelling()}:
        if labelling.path.exists():
            continue
        section = open_slide(slide("ca1"))
        spots = read_spots(table("ca1"), pixel_size_um=section.pixel_size_um)
        spots = degraded(spots, labelling, section.pixel_size_um, section.shape)
        settings = RegionSettings(border_um=labelling.border_um, check_registration=False)
        make_regions(section, spots, GENES, labelling.path, settings=settings)


def labelling_of(variant: Variant) -> Labelling:
    """How the training regions of a variant are degraded."""
    return Labelling(variant.keep, variant.shift_um, variant.border_um)


def degraded(
    spots: Spots, labelling: Labelling, pixel_size_um: float, shape: tuple[int, int]
) -> Spots:
    """A share of the spots, shifted down and to the right; those that leave the slide are dropped."""
    kept = np.random.default_rng(1).random(len(spots)) < labelling.keep
    step = labelling.shift_um / pixel_size_um / np.sqrt(2)
    kept &= (spots.row + step < shape[0] - 0.5) & (spots.col + step < shape[1] - 0.5)
    left = spots.where(kept)
    return Spots(left.genes, left.gene, left.row + step, left.col + step, left.weight, left.name)


def configuration(variant: Variant, labelling: Labelling) -> TrainConfig:
    """The probe configuration with the change of a variant."""
    sections = [
        {"slide": str(slide(name)), **({"reference": str(labelling.path)} if name == "ca1"
                                       else {"image_only": True})}
        for name in variant.sections
    ]  # fmt: skip
    probe = {"name": variant.name, "sections": sections, **PROBE}
    return parse_config(merged(probe, variant.change), variant.name)


def merged(table: dict[str, Any], change: Any) -> dict[str, Any]:
    """A table with the keys of another, tables within it likewise."""
    inner = {
        k: merged(table.get(k, {}), v) if isinstance(v, dict) else v for k, v in change.items()
    }
    return {**table, **inner}


def measure(variant: Variant) -> None:
    """Train a variant and write its row."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    labelling = labelling_of(variant)
    config = configuration(variant, labelling)
    clean = load_data(configuration(variant, Labelling()), Path())
    degraded_data = load_data(config, Path()) if labelling != Labelling() else clean
    held_out = held_out_of(configuration(replace(variant, sections=("ca1",)), Labelling()))
    networks = train(variant, config, Data(degraded_data.sections, clean.splits), held_out)
    seconds = time.perf_counter() - started
    row = {
        **asdict(variant),
        **score(held_out, networks),
        "train_seconds": round(seconds),
        "multiply_adds_per_pixel": multiply_adds_per_pixel(config.channels, len(config.classes)),
    }
    (DONE / f"{variant.name}.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
    print(f"{variant.name:22} {row['figures']}", flush=True)


def held_out_of(config: TrainConfig) -> HeldOut:
    """The held-out blocks of ca1, by its clean reference, and the slide of `faint.py`."""
    data = load_data(config, Path())
    shown = open_slide(slide("ca1"))
    return HeldOut(config, shown, data.sections[0], data.splits[0], faint_section(config))


def train(variant: Variant, config: TrainConfig, data: Data, held_out: HeldOut) -> list[Fitted]:
    """The networks; all variants are scored at the same positions."""
    scorer = HeldOutScorer([held_out.section], [held_out.split], config, CPU)
    networks = []
    for patch in config.patch_sizes_px:
        folder = WORK / "ablations.run" / variant.name / str(patch)
        folder.mkdir(parents=True, exist_ok=True)
        sampler = TileSampler(data.sections, data.splits, config, patch, CPU)
        weights = pretrain(config, patch) if variant.pretext else None
        networks.append(fit(config, patch, sampler, scorer, folder, device=CPU, weights=weights))
    return networks


def score(held_out: HeldOut, networks: list[Fitted]) -> dict[str, Any]:
    """Figures of the fusion, and what calibration and weights change at the held-out positions."""
    config = held_out.config
    scorer = HeldOutScorer([held_out.section], [held_out.split], config, CPU)
    raw = np.stack([n.probabilities for n in networks])
    fusion = choose_fusion(raw, scorer.labels, scorer.blocks)

    def errors(probabilities: NDArray[np.float32]) -> float:
        return round(reliability(probabilities, scorer.labels)[1], 6)

    def dice(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        return scorer.dice(probabilities).round(6)

    figures = held_out.figures(predict_with(networks, fusion, config))
    return {
        "figures": {name: round(value, 6) for name, value in figures.items()},
        "per_class": dict(zip(config.classes, dice(fusion(raw)), strict=True)),
        "plain_mean": round(mean_dice(dice(fusion.calibrated(raw).mean(axis=0))), 6),
        "calibration_error": errors(fusion(raw)),
        "calibration_error_uncalibrated": errors(fuse(raw, fusion.weights)),
    }


def predict_with(networks: list[Fitted], fusion: Fusion, config: TrainConfig) -> Predict:
    """The fused labels of networks in memory."""

    def predict(section: Section, split: Split) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        scorer = HeldOutScorer([section], [split], config, CPU)
        each = [scorer.probabilities(n.network, n.patch_size_px) for n in networks]
        labels = fusion(np.stack(each)).argmax(axis=1).astype(np.uint8)
        return scorer.labels, labels

    return predict


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of docs/methods.md."""
    names = ("held-out", "scanners", "misjudged", "compound", "faint")
    lines = [
        "| question | variant | " + " | ".join(names) + " |",
        "| --- | --- |" + " --- |" * len(names),
    ]
    for row in rows:
        figures = " | ".join(f"{row['figures'][name]:.3f}" for name in names)
        lines.append(f"| {row['question']} | {row['name']} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
