"""The accuracy of the shipped sets, as training/PROTOCOL.md tells; with --train they are made anew.

    MORPHINFER_DATA=/path/to/sections python benchmarks/accuracy.py [hippocampus] [septum] [--train]

For each set: every network alone, their plain mean and their weighted fusion, and the baselines,
trained and scored on the same cells; on the held-out cells of the training sections and on the section
of another animal that was kept out of every choice. The outcome is compared with the set's
figures.json, which the README and the card quote; --train writes that file and the cards. A section
that is not there is a reason to skip, exit code 0.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accuracy_figures import Result, figures, print_figures, write_picture
from baselines import BASELINES
from morphinfer.geometry import TileGrid
from morphinfer.networks.fusion import fuse
from morphinfer.networks.predictor import DensePredictor
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import ModelFile, Session, load_models
from morphinfer.networks.uncertainty import normalised_entropy
from morphinfer_training.config import SectionConfig, TrainConfig, read_config
from morphinfer_training.learning.patches import reflected_tile
from morphinfer_training.learning.sections import Section, load_section
from morphinfer_training.publishing.model_card import write_cards
from morphinfer_training.train import Data, load_data
from protocol import ROOT, WORK, data_folder, morphinfer, reference, skip_reason, slide

TILE_CELLS = 64


@dataclass(frozen=True, slots=True)
class ModelSetPlan:
    """A shipped set with the section that is kept for its test."""

    name: str
    """Of the set in models/, and of its configuration in training/."""
    trained_on: tuple[str, ...]
    """Sections that its configuration names."""
    test: str
    """The independent section."""
    test_words: tuple[str, ...]
    """Options of 'morphinfer regions' for the reference of the independent section."""

    @property
    def folder(self) -> Path:
        """Where the set stands."""
        return ROOT / "models" / self.name

    @property
    def config(self) -> Path:
        """Its configuration."""
        return ROOT / "training" / f"{self.name}.toml"


SETS = (
    ModelSetPlan(
        "hippocampus", ("ca1", "septum_1", "midbrain_nuclei"), "hippocampus_merfish",
        ("--class", "principal neurons=Slc17a7"),
    ),
    ModelSetPlan(
        "septum", ("septum_1",), "septum_3",
        ("--scale", "nuclei", "--between", "background", "--roi", "near-spots:30", "--cell", "1.3",
         "--class", "oligodendrocytes=Plp1",
         "--class", "neurons=Gad1,Lhx6,Rgs4,Pcp4,Snca,Cnr1,Cplx2,Penk,Pde1a"),
    ),
)  # fmt: skip


def main() -> int:
    """Train if asked, measure, print, compare or store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help="all by default")
    parser.add_argument("--train", action="store_true", help="train the sets anew first")
    parser.add_argument(
        "--validation-only", action="store_true", help="leave the test section alone"
    )
    told = parser.parse_args()
    os.environ.setdefault("MORPHINFER_DATA", str(data_folder()))
    os.environ["MORPHINFER_SECTIONS"] = str(WORK)
    wrong = 0
    for plan in (p for p in SETS if not told.sets or p.name in told.sets):
        reason = skip_reason([*plan.trained_on, plan.test])
        if reason:
            print(f"{plan.name}: {reason}")
            continue
        for name in plan.trained_on:
            slide("midbrain_corner" if name == "midbrain_nuclei" else name)
        if told.train:
            morphinfer("train", str(plan.config), "--out", str(plan.folder), "--overwrite")
        results = measure(plan, test=not told.validation_only)
        for result in results:
            print_figures(result)
        if told.validation_only:
            continue
        if plan.name == "hippocampus":
            write_picture(ROOT / "docs" / "hippocampus.png", results[-1])
        wrong += settle(plan, [figures(r) for r in results], store=told.train)
    return int(wrong > 0)


def settle(plan: ModelSetPlan, found: list[dict[str, Any]], *, store: bool) -> bool:
    """Store the figures, or compare them with those that are stored; whether they differ."""
    path = plan.folder / "figures.json"
    if store or not path.exists():
        path.write_text(json.dumps({"sections": found}, indent=1) + "\n", encoding="utf-8")
        write_cards(plan.folder)
        return False
    stored = json.loads(path.read_text(encoding="utf-8"))["sections"]
    means = [
        {m["name"]: round(m["dice"]["mean"], 2) for m in s["methods"]} for s in (*found, *stored)
    ]
    half = len(found)
    same = means[:half] == means[half : 2 * half]
    print("as stored" if same else f"differs from {path.relative_to(ROOT)}")
    return not same


def measure(plan: ModelSetPlan, *, test: bool) -> list[Result]:
    """All methods on the held-out cells and, if asked, on the independent section."""
    config = read_config(plan.config)
    made = WORK / "references" / plan.name
    made.mkdir(parents=True, exist_ok=True)
    data = load_data(config, plan.config.parent, made)
    baselines = [make(data.sections, data.splits, config) for make in BASELINES]
    pairs = [p for p in zip(data.sections, data.splits, strict=True) if p[1].validation.any()]
    judged = Data([section for section, _ in pairs], [split for _, split in pairs])
    shown = [("held-out cells", judged, [s.validation for s in judged.splits], False)]
    if test:
        other = independent(plan, config)
        everywhere = [np.ones(other.labels.shape, bool)]
        shown.append((plan.test, Data([other], []), everywhere, True))
    results = []
    for name, of, masks, is_independent in shown:
        methods: dict[str, list[NDArray[np.uint8]]] = {}
        uncertainty = []
        for section in of.sections:
            told, entropy = network_outputs(plan.folder, section, config)
            uncertainty.append(entropy)
            for method, labels in told.items():
                methods.setdefault(method, []).append(labels)
            for baseline in baselines:
                methods.setdefault(baseline.name, []).append(baseline(section.image))
        labels = [s.labels for s in of.sections]
        lacking = set.intersection(*(set(s.unnamed) for s in of.sections))
        named = [k for k in range(len(config.classes)) if k not in lacking]
        results.append(
            Result(name, is_independent, config, labels, masks, methods, uncertainty, named)
        )
    return results


def independent(plan: ModelSetPlan, config: TrainConfig) -> Section:
    """The independent section with its own reference."""
    made = reference(plan.test, *plan.test_words)
    told = SectionConfig(slide=str(slide(plan.test)), reference=str(made))
    return load_section(told, config, WORK)


def network_labels(
    folder: Path, section: Section, config: TrainConfig
) -> dict[str, NDArray[np.uint8]]:
    """Labels of every network alone, of their plain mean and of their fusion."""
    return network_outputs(folder, section, config)[0]


def network_outputs(
    folder: Path, section: Section, config: TrainConfig
) -> tuple[dict[str, NDArray[np.uint8]], NDArray[np.uint8]]:
    """What `network_labels` gives, and the uncertainty of the fusion."""
    models = load_models(folder)
    maps = [probability_map(file, section, config) for file in models.files]
    names = [file.card.network for file in models.files]
    told = {n: m.argmax(axis=0).astype(np.uint8) for n, m in zip(names, maps, strict=True)}
    told["mean"] = fuse(maps, [1.0] * len(maps)).labels
    fused = fuse(maps, [f.card.fusion_weight for f in models.files])
    told["fused"] = fused.labels
    return told, normalised_entropy(fused.total)


def probability_map(file: ModelFile, section: Section, config: TrainConfig) -> NDArray[np.float32]:
    """Probabilities of one network for all cells of a section, shape (C, M, N)."""
    predictor = DensePredictor([Session(file, ProviderChoice("cpu", "the protocol"))])
    found = np.empty((len(config.classes), *section.labels.shape), np.float32)
    patch, stride = file.card.patch_size_px, config.stride_px
    for band in TileGrid(*section.labels.shape, TILE_CELLS).bands():
        for window in band:
            tile = reflected_tile(section.image, window, patch, stride)
            cells = (window.height, window.width)
            found[(slice(None), *window.slices)] = predictor.predict(tile, cells)[0]
    return found


if __name__ == "__main__":
    sys.exit(main())
