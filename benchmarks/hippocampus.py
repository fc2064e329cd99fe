"""Measure the shipped set 'hippocampus' on its independent test section; with --train make it anew.

    MORPHINFER_DATA=/path/to/sections python benchmarks/hippocampus.py [--train]

Runs the commands that a user would type (they are printed), in runs/hippocampus, and compares the
outcome with models/hippocampus/figures.json, the measurement that the README quotes. With --train
the set is trained first and figures.json is written anew. Skips with a reason, exit code 0, where
the sections are not there.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from morphinfer.grid import Window
from morphinfer.labels import open_labels

ROOT = Path(__file__).parents[1]
WORK = ROOT / "runs" / "hippocampus"
MODELS = ROOT / "models" / "hippocampus"
FIGURES = MODELS / "figures.json"
PIXEL_SIZE_UM = {"ca1": 0.325, "septum_1": 0.30, "hippocampus_merfish": 0.1086}
TEST_SECTION = "hippocampus_merfish"
GENE_A = "Neurod6"
TEST_GENE_A = "Slc17a7"
HEADING = "## On an independent section"


def main() -> int:
    """Prepare, perhaps train, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="train the set anew first")
    train = parser.parse_args().train
    data = Path(os.environ.get("MORPHINFER_DATA", ROOT.parent / "shared" / "data"))
    missing = [n for n in PIXEL_SIZE_UM if not (data / n / "nuclei.tif").is_file()]
    if missing:
        print(f"skipped: {', '.join(missing)} not in {data}; set MORPHINFER_DATA")
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    if train:
        prepare("septum_1", data)
        prepare("ca1", data, gene_a=GENE_A, gene_b="Plp1")
        config = str(ROOT / "training" / "hippocampus.toml")
        morphinfer("train", config, "--out", str(MODELS), "--threads", "2", "--overwrite")
    told = measure(data)
    write_picture(ROOT / "docs" / "hippocampus.png")
    if train or not FIGURES.exists():
        FIGURES.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        add_to_card(told)
    return compare(told, json.loads(FIGURES.read_text(encoding="utf-8")))


def prepare(name: str, data: Path, gene_a: str = "", gene_b: str = "") -> None:
    """OME-Zarr and, with genes, the reference of one section."""
    slide = WORK / f"{name}.zarr"
    if not slide.exists():
        size = str(PIXEL_SIZE_UM[name])
        morphinfer("convert", str(data / name / "nuclei.tif"), str(slide), "--pixel-size", size)
    if gene_a:
        genes = ["--gene-a", gene_a, *(["--gene-b", gene_b] if gene_b else [])]
        spots = str(data / name / "spots.parquet")
        out = str(WORK / f"{name}_regions.zarr")
        morphinfer("regions", str(slide), spots, *genes, "--out", out, "--overwrite")


def measure(data: Path) -> dict[str, Any]:
    """Segment the test section and score it against the regions of its own spots."""
    prepare(TEST_SECTION, data, gene_a=TEST_GENE_A)
    slide = WORK / f"{TEST_SECTION}.zarr"
    words = ["segment", str(slide), "--models", str(MODELS), "--json", "--overwrite"]
    words += ["--skip-background", "off"]  # what is measured are the networks
    reference = WORK / f"{TEST_SECTION}_regions.zarr"
    words += ["--reference", str(reference), "--match", f"{TEST_GENE_A}={GENE_A}"]
    printed = morphinfer(*words, "--provider", "cpu")
    told = json.loads(printed)
    kept = ("dice", "iou", "confusion", "pixels_compared", "classes", "class_fractions")
    return {"section": TEST_SECTION, "gene_a": TEST_GENE_A, **{k: told[k] for k in kept}}


def add_to_card(told: dict[str, Any]) -> None:
    """Append the independent section's figures to the model card."""
    card = MODELS / "README.md"
    kept = card.read_text(encoding="utf-8").split(HEADING)[0].rstrip()
    names = told["classes"]
    dice = {**told["dice"]["per_class"], "mean": told["dice"]["mean"]}
    confusion = "\n".join(
        f"| {name} | " + " | ".join(map(str, row)) + " |"
        for name, row in zip(names, told["confusion"], strict=True)
        if sum(row)
    )
    section = f"""{HEADING}

{TEST_SECTION}: another animal, laboratory, method and microscope. Its reference comes from its own
spots of {TEST_GENE_A}, which marks the principal-neuron layer as Neurod6 does, by the default rule of
'morphinfer regions'. No gene of its panel stands for {names[3]}, so that class has no Dice there (n/a),
and cells that are called {names[3]} count as missed tissue. Measured once, after everything was chosen.

| class | {" | ".join(dice)} |
| --- |{" --- |" * len(dice)}
| Dice | {" | ".join(show(v) for v in dice.values())} |

Confusion, in cells of 2.6 micrometres (rows: reference; columns: result):

| reference | {" | ".join(names)} |
| --- |{" --- |" * len(names)}
{confusion}

Made and measured by 'python benchmarks/hippocampus.py --train'; measured again without '--train'.
Training images: Qian et al. 2020 (doi 10.1038/s41592-019-0631-4) and a mouse septum section, for
its background; rebuilt from public viewers, 8 bit. Research use: not for diagnosis.
"""
    card.write_text(f"{kept}\n\n{section}", encoding="utf-8")


def write_picture(path: Path) -> None:
    """The label map (left) beside its reference (right), at one scale; neither shows the nuclei."""
    result, reference = (
        open_labels(WORK / f"{TEST_SECTION}_{name}.zarr") for name in ("labels", "regions")
    )
    times = round(result.image.pixel_size_um / reference.image.pixel_size_um)
    left, right = (
        labels.read(Window(0, 0, *labels.image.shape)).repeat(by, axis=0).repeat(by, axis=1)
        for labels, by in ((result, times), (reference, 1))
    )
    height, width = np.minimum(left.shape, right.shape)
    colours = [tuple(bytes.fromhex(c.colour.removeprefix("#"))) for c in result.classes]
    palette = np.array(colours, np.uint8)
    gap = np.full((height, 6, 3), 255, np.uint8)
    joined = np.concatenate(
        [palette[left[:height, :width]], gap, palette[right[:height, :width]]], axis=1
    )
    path.write_bytes(imagecodecs.png_encode(joined.repeat(2, axis=0).repeat(2, axis=1)))


def compare(told: dict[str, Any], stored: dict[str, Any]) -> int:
    """Print Dice a class beside what is stored; 1 where a figure does not come out again."""
    ours, theirs = (
        {**{k: show(v) for k, v in d["dice"]["per_class"].items()}, "mean": show(d["dice"]["mean"])}
        for d in (told, stored)
    )
    print(f"\n{'class':12} {'Dice':>7} {'stored':>7}")
    for name, value in ours.items():
        print(f"{name:12} {value:>7} {theirs.get(name, 'missing'):>7}")
    print("confusion (rows: reference)")
    for name, row in zip(told["classes"], told["confusion"], strict=False):
        print(f"{name:12} " + " ".join(f"{n:8d}" for n in row))
    same = ours == theirs
    print("as stored" if same else "differs from models/hippocampus/figures.json")
    return int(not same)


def show(dice: float | None) -> str:
    """Dice as the README quotes it."""
    return "n/a" if dice is None else f"{dice:.2f}"


def morphinfer(*words: str) -> str:
    """Run a command as a user would, and return what it prints."""
    print("$ morphinfer " + shlex.join(words), file=sys.stderr)
    command = [sys.executable, "-m", "morphinfer", *words]
    environment = {**os.environ, "MORPHINFER_SECTIONS": str(WORK)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
