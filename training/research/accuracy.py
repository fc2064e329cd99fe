"""Dice of the shipped sets and of the baselines, with intervals; with --train the sets are rebuilt first.

    MORPHINFER_DATA=/path/to/sections python training/research/accuracy.py [SET ...] [--train]

For each set: every network alone, their plain mean and their weighted fusion, and the baselines,
trained and scored at the same positions; on the held-out blocks of the training sections and on the
section, or the part of one, that no choice has used. The result is compared with the set's figures.json,
which docs/results.md and the card quote; --train writes that file and the cards. Sections that are missing
are a reason to skip, exit code 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from morphinfer_training.baselines import (
    FUSED,
    Result,
    ScoredPositions,
    compare,
    figures_json,
    fit_baselines,
    held_out_positions,
    print_figures,
)
from morphinfer_training.config import SectionConfig, TrainConfig, read_config
from morphinfer_training.learning import Section, load_section
from morphinfer_training.publishing import store_figures
from morphinfer_training.train import load_data
from protocol import ROOT, SETS, WORK, SetProtocol, morphinfer, prepare, reference, slide

FOREST = "random forest"
"""Part of the names of the forests."""
PICTURED = {"hippocampus": 4, "pancreas": 1}
"""Sets whose label map of the test section is shown in docs, with the side of a position in pixels."""


def main() -> int:
    """Train if asked, measure, print, compare or store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help="all by default")
    parser.add_argument("--train", action="store_true", help="train the sets first")
    parser.add_argument(
        "--validation-only", action="store_true", help="leave the test section alone"
    )
    options = parser.parse_args()
    differing = 0
    for protocol in (p for p in SETS if not options.sets or p.name in options.sets):
        test = not options.validation_only
        if reason := prepare([*protocol.trained_on, *([protocol.test] if test else [])]):
            print(f"{protocol.name}: {reason}")
            continue
        if options.train:
            out = str(protocol.folder)
            morphinfer("train", str(protocol.config), "--out", out, "--no-baseline", "--overwrite")
        results = measure(protocol, test=test)
        sections = [figures_json(result) for result in results]
        for section in sections:
            print_figures(section)
        if not test:
            continue
        if protocol.name in PICTURED:
            path = ROOT / "docs" / f"{protocol.name}.png"
            write_picture(path, results[-1], PICTURED[protocol.name])
        differing += compare_or_store(protocol, sections, store=options.train)
    return int(differing > 0)


def compare_or_store(protocol: SetProtocol, sections: list[dict[str, Any]], *, store: bool) -> bool:
    """Store the figures, or compare their means with the stored ones; whether they differ.

    A forest is trained again each time, and another processor or version of scikit-learn grows another
    one: its difference is printed and does not count.
    """
    path = protocol.folder / "figures.json"
    if store or not path.exists():
        store_figures(protocol.folder, sections)
        return False
    stored = json.loads(path.read_text(encoding="utf-8"))["sections"]
    before, now = rounded_means(stored), rounded_means(sections)
    differing = [
        key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)
    ]
    for section, method in differing:
        key = section, method
        print(f"{section}, {method}: {now.get(key)}, stored {before.get(key)}")
    differs = any(FOREST not in method for _, method in differing)
    print(f"differs from {path.relative_to(ROOT)}" if differs else "as stored")
    return differs


def write_picture(path: Path, result: Result, scale: int, method: str = FUSED) -> None:
    """The label map of one section, then its reference: beside it, or below where they are wide."""
    colours = [bytes.fromhex(c.colour.removeprefix("#")) for c in result.config.label_classes]
    palette = np.full((256, 3), 255, np.uint8)
    palette[: len(colours)] = [list(c) for c in colours]
    maps = [palette[each[0]] for each in (result.methods[method], result.labels)]
    height, width = maps[0].shape[:2]
    axis = 0 if width > 2 * height else 1
    gap = np.full((12 // scale, width, 3) if axis == 0 else (height, 12 // scale, 3), 255, np.uint8)
    joined = np.concatenate([maps[0], gap, maps[1]], axis=axis)
    path.write_bytes(imagecodecs.png_encode(joined.repeat(scale, axis=0).repeat(scale, axis=1)))


def rounded_means(sections: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Mean Dice to two digits, by section and method."""
    return {
        (section["section"], method["name"]): round(method["dice"]["mean"], 2)
        for section in sections
        for method in section["methods"]
    }


def measure(protocol: SetProtocol, *, test: bool) -> list[Result]:
    """All methods on the held-out positions and, if asked, on the section that is kept for the test."""
    config = read_config(protocol.config)
    references = WORK / "references" / protocol.name
    references.mkdir(parents=True, exist_ok=True)
    data = load_data(config, protocol.config.parent, references)
    baselines = fit_baselines(data.sections, data.splits, config)
    scored = [held_out_positions(data.sections, data.splits)]
    if test:
        other = test_section(protocol, config, references)
        everywhere = np.ones(other.labels.shape, bool)
        scored.append(
            ScoredPositions(
                protocol.test, [other], [everywhere], independent=protocol.other_animal,
                relation=protocol.relation, merge_unnamed=False,
            )
        )  # fmt: skip
    return [compare(each, baselines, config, protocol.folder) for each in scored]


def test_section(protocol: SetProtocol, config: TrainConfig, references: Path) -> Section:
    """The section that is kept for the test, with its reference."""
    trained = references / f"{protocol.trained_on[0]}.zarr"
    like = ("--like", str(trained)) if protocol.like_trained else ()
    labels = reference(protocol.test, *like, *protocol.test_options)
    section = SectionConfig(slide=str(slide(protocol.test)), reference=str(labels))
    return load_section(section, config, WORK)


if __name__ == "__main__":
    sys.exit(main())
