"""One change at a time, each one number on validation: what helps, by more than the noise.

    MORPHINFER_DATA=/path/to/sections python benchmarks/ablations.py [NAME ...] [--workers 2]

Trains the variants of `variants.py` (all, or those named), two processes of one thread side by side,
and scores each on the held-out cells of the training sections: as scanned, as the simulated
scanners of `scanners.py` show them, where the normalisation misjudged the slide, and where everything
is off at once; and by `faint.py`, on another slide. What is done
stands in runs/accuracy/ablations and is not done again. At the end results/DATE-ablations.json is
written from all that is there.
"""

from __future__ import annotations

import argparse
import datetime
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

from faint import CONTRASTS, faded, kept_and_found, unseen_section
from machine import describe
from morphinfer.images.slide import open_slide
from morphinfer_training.config import TrainConfig, parse_config
from morphinfer_training.learning.calibration import choose_fusion, fuse, reliability
from morphinfer_training.learning.loop import Fitted, fit
from morphinfer_training.learning.nets import multiply_adds_per_pixel
from morphinfer_training.learning.patches import TileSampler
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.learning.validation import Judge, mean_dice
from morphinfer_training.references.make import make_regions
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.spots import Spots, read_spots
from morphinfer_training.train import Data, load_data
from pretext import pretrain
from protocol import WORK, skip_reason, slide, table
from scanners import COMPOUND, MISJUDGED, SCANNERS, compound, misjudged, scanned
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
    """Train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="variants; all by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", action="store_true", help="train NAME in this process")
    told = parser.parse_args()
    reason = skip_reason(["ca1", "septum_1", "midbrain_nuclei"])
    if reason:
        print(reason)
        return 0
    DONE.mkdir(parents=True, exist_ok=True)
    by_name = {v.name: v for v in VARIANTS}
    if told.one:
        measure(by_name[told.names[0]])
        return 0
    prepare_references()
    wanted = [n for n in told.names or by_name if not (DONE / f"{n}.json").exists()]
    failed = run_all(wanted, told.workers)
    write_results()
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
    """How training regions are spoilt."""

    keep: float = 1.0
    shift_um: float = 0.0
    border_um: float = 0.0

    @property
    def path(self) -> Path:
        """Where the reference stands."""
        return WORK / f"ca1_{self.keep:g}_{self.shift_um:g}_{self.border_um:g}.zarr"


def prepare_references() -> None:
    """All training references of ca1."""
    for told in {Labelling(v.keep, v.shift_um, v.border_um) for v in VARIANTS} | {Labelling()}:
        if told.path.exists():
            continue
        section = open_slide(slide("ca1"))
        spots = read_spots(table("ca1"), pixel_size_um=section.pixel_size_um)
        settings = RegionSettings(border_um=told.border_um, check_registration=False)
        make_regions(section, spoilt(spots, told, section.pixel_size_um, section.shape), GENES,
                     told.path, settings=settings)  # fmt: skip


def spoilt(spots: Spots, told: Labelling, pixel_size_um: float, shape: tuple[int, int]) -> Spots:
    """Spots of which a share is left, shifted down and to the right; none leaves the slide."""
    kept = np.random.default_rng(1).random(len(spots)) < told.keep
    step = told.shift_um / pixel_size_um / np.sqrt(2)
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
    table = {"name": variant.name, "sections": sections, **PROBE}
    return parse_config(merged(table, variant.change), variant.name)


def merged(table: dict[str, Any], change: Any) -> dict[str, Any]:
    """A table with the keys of another, tables within it likewise."""
    inner = {
        k: merged(table.get(k, {}), v) if isinstance(v, dict) else v for k, v in change.items()
    }
    return {**table, **inner}


def measure(variant: Variant) -> None:
    """Train a variant and write its figures."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    labelling = Labelling(variant.keep, variant.shift_um, variant.border_um)
    config = configuration(variant, labelling)
    truth = load_data(configuration(variant, Labelling()), Path())
    spoilt_data = load_data(config, Path()) if labelling != Labelling() else truth
    same = replace(variant, sections=Variant("", "").sections)
    held = truth if same == variant else load_data(configuration(same, Labelling()), Path())
    networks = train(variant, config, Data(spoilt_data.sections, truth.splits), held)
    seconds = time.perf_counter() - started
    figures = judge(configuration(same, Labelling()), held, networks)
    told = {**asdict(variant), "train_seconds": seconds, **figures}
    told["multiply_adds_per_pixel"] = multiply_adds_per_pixel(config.channels, len(config.classes))
    (DONE / f"{variant.name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"{variant.name:22} {told['fused']['mean']:.3f} {told['scanners_mean']:.3f}", flush=True)


def train(variant: Variant, config: TrainConfig, data: Data, held_out: Data) -> list[Fitted]:
    """The networks; every variant is judged on the held-out cells of the same sections."""
    held = Judge(held_out.sections, held_out.splits, config, CPU)
    networks = []
    for patch in config.patch_sizes_px:
        folder = WORK / "ablations.run" / variant.name / str(patch)
        folder.mkdir(parents=True, exist_ok=True)
        sampler = TileSampler(data.sections, data.splits, config, patch, CPU)
        begin = pretrain(config, patch) if variant.pretext else None
        networks.append(fit(config, patch, sampler, held, folder, device=CPU, weights=begin))
    return networks


def judge(config: TrainConfig, data: Data, networks: list[Fitted]) -> dict[str, Any]:
    """Figures on the held-out cells, and on the same as simulated scanners show them."""
    held = Judge(data.sections, data.splits, config, CPU)
    raw = np.stack([n.probabilities for n in networks])
    fusion = choose_fusion(raw, held.labels)

    def figure(shown: Judge, probabilities: Any) -> dict[str, Any]:
        dice = shown.dice(probabilities)
        return {"mean": mean_dice(dice), "per_class": dict(zip(config.classes, dice, strict=True))}

    def fused(shown: Judge) -> NDArray[np.float32]:
        return fusion(np.stack([shown.probabilities(n.network, n.patch_size_px) for n in networks]))

    def seen(pairs: list[tuple[Section, Split]]) -> dict[str, Any]:
        shown = Judge([p[0] for p in pairs], [p[1] for p in pairs], config, CPU)
        return figure(shown, fused(shown))

    told = zip(config.sections, data.sections, data.splits, strict=True)
    judged = [(open_slide(c.slide), s, to) for c, s, to in told if to.validation.any()]
    slides, pairs = [s for s, *_ in judged], [(s, to) for _, s, to in judged]
    scanners = {
        name: seen([scanned(s, *of, config, name) for s, of in zip(slides, pairs, strict=True)])
        for name in SCANNERS
    }
    wrong = {
        f"x {gain:g} {offset:+g}": seen(
            [(misjudged(s, config, gain, offset), to) for s, to in pairs]
        )
        for gain, offset in MISJUDGED
    }
    all_at_once = {
        str(seed): seen([(compound(s, config, seed), to) for s, to in pairs]) for seed in COMPOUND
    }
    other = unseen_section(config)
    everywhere = Split(np.zeros(other.labels.shape, bool), np.ones(other.labels.shape, bool))
    faint = {}
    for contrast in CONTRASTS:
        shown = Judge([faded(other, contrast)], [everywhere], config, CPU)
        labels = fused(shown).argmax(axis=1).astype(np.uint8)
        faint[f"x {contrast:g}"] = kept_and_found(shown.labels, labels)
    return {
        "fused": figure(held, fusion(raw)),
        "plain_mean": figure(held, fusion.ready(raw).mean(axis=0)),
        "networks": {n.patch_size_px: figure(held, p)
                     for n, p in zip(networks, fusion.ready(raw), strict=True)},
        "scanners": scanners,
        "scanners_mean": float(np.mean([s["mean"] for s in scanners.values()])),
        "misjudged": wrong,
        "misjudged_mean": float(np.mean([s["mean"] for s in wrong.values()])),
        "compound": all_at_once,
        "compound_mean": float(np.mean([s["mean"] for s in all_at_once.values()])),
        "faint": faint,
        "faint_mean": float(np.mean(list(faint.values()))),
        "weights": fusion.weights.tolist(), "factors": fusion.factors.tolist(),
        "temperatures": [c.temperature for c in fusion.calibrations],
        "biases": [c.bias.tolist() for c in fusion.calibrations],
        "calibration_error": reliability(fusion(raw), held.labels)[1],
        "calibration_error_uncalibrated": reliability(fuse(raw, fusion.weights), held.labels)[1],
        "reliability": reliability(fusion(raw), held.labels)[0].tolist(),
    }  # fmt: skip


def write_results() -> None:
    """The table of all variants that are done."""
    found = [DONE / f"{v.name}.json" for v in VARIANTS]
    rows = [json.loads(p.read_text(encoding="utf-8")) for p in found if p.exists()]
    told = {"machine": describe(), "variants": rows}
    out = Path(__file__).parent / "results" / f"{datetime.date.today().isoformat()}-ablations.json"
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(markdown(rows))


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of training/PROTOCOL.md."""
    lines = [
        "| question | variant | held-out cells | simulated scanners | misjudged | compound | faint |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        means = (
            row["fused"]["mean"],
            *(row[f"{k}_mean"] for k in ("scanners", "misjudged", "compound", "faint")),
        )
        figures = " | ".join(f"{mean:.3f}" for mean in means)
        lines.append(f"| {row['question']} | {row['name']} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
