"""Which number of clusters a nuclei image can tell apart: Dice of each cluster on held-out blocks.

    MORPHINFER_DATA=/path/to/sections python training/research/clusters.py [--counts 4 6 8 12]

For each number, `morphinfer regions --cluster` makes a reference of pancreas_top, or of the section that
--slide and --spots name, and one network is trained on it (about 2 minutes on two cores). Sections that
are kept for a test are not read. Writes results/DATE-clusters.json and docs/clusters.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from morphinfer.geometry import Window
from morphinfer.images import open_labels
from morphinfer_training.config import parse_config
from morphinfer_training.learning import TrainingJob, silent
from morphinfer_training.learning.validation import dice_of
from morphinfer_training.train import load_data
from protocol import ROOT, WORK, morphinfer, prepare, slide, table, write_results

SECTION = "pancreas_top"
PATCH_PX = 160


def main() -> int:
    """Make references, train, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[4, 6, 8, 12], metavar="K")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--slide", type=Path, help="another section")
    parser.add_argument("--spots", type=Path, help="its spots")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "clusters.png", help="picture")
    options = parser.parse_args()
    if not options.slide and (reason := prepare([SECTION])):
        print(reason)
        return 0
    shown, spots = options.slide or slide(SECTION), options.spots or table(SECTION)
    WORK.mkdir(parents=True, exist_ok=True)
    references = [made(shown, spots, count) for count in options.counts]
    rows = [row for path in references for row in measured(shown, path, options.steps)]
    if not options.slide:
        write_results("clusters", rows, patch_px=PATCH_PX, steps=options.steps)
    draw(options.out, references, rows)
    print(markdown(rows))
    return 0


def made(shown: Path, spots: Path, count: int) -> Path:
    """The reference with ``count`` clusters, in runs/accuracy."""
    path = WORK / f"{shown.stem}_clusters_{count}.zarr"
    if not path.exists():
        morphinfer("regions", str(shown), str(spots), "--cluster", str(count), "--out", str(path))
    return path


def measured(shown: Path, reference: Path, steps: int) -> list[dict[str, Any]]:
    """A row for each class of a reference."""
    labels = open_labels(reference)
    config = parse_config({
        "name": reference.stem, "classes": [c.name for c in labels.classes],
        "patch_sizes_px": [PATCH_PX], "training": {"steps": steps, "evaluate_every": 100},
        "sections": [{"slide": str(shown), "reference": str(reference)}],
    }, reference.name)  # fmt: skip
    data = load_data(config, Path())
    run = WORK / f"{reference.stem}.run"
    (run / f"p{PATCH_PX}").mkdir(parents=True, exist_ok=True)
    job = TrainingJob(config, data.sections, data.splits, run, torch.device("cpu"))
    scorer = job.scorer()
    fitted = job.fit(PATCH_PX, scorer, resume=True, progress=silent)
    genes = labels.record["genes"]
    return [
        {"clusters": labels.record["clusters"]["count"], "class": name, "colour": each.colour,
         "genes": genes.get(name, []), **figures}
        for each, (name, figures) in zip(
            labels.classes,
            by_class(config.classes, scorer.labels, fitted.probabilities.argmax(axis=1)).items(),
            strict=True,
        )
    ]  # fmt: skip


def by_class(
    names: Sequence[str], truth: NDArray[np.uint8], predicted: NDArray[np.integer[Any]]
) -> dict[str, dict[str, Any]]:
    """Share of the held-out positions and Dice of each class, and what most of its errors are called.

    A class that is predicted at random has its share as Dice.
    """
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    dice = dice_of(truth, predicted, len(names))
    missed = counts * (1 - np.eye(len(names), dtype=np.int64))
    return {
        name: {
            "share": round(float(row.sum() / len(truth)), 4),
            "dice": None if np.isnan(value) else round(float(value), 4),
            "taken_for": names[int(wrong.argmax())] if wrong.any() else "",
        }
        for name, row, value, wrong in zip(names, counts, dice, missed, strict=True)
    }


def draw(path: Path, references: Sequence[Path], rows: Sequence[dict[str, Any]]) -> None:
    """A line for each number of clusters: the map of the reference, and Dice of each class."""
    figure = Figure(figsize=(11, 2.6 * len(references)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(references), 2, squeeze=False, width_ratios=(3, 2))
    for (left, right), reference in zip(panels, references, strict=True):
        labels = open_labels(reference)
        of = [r for r in rows if r["clusters"] == labels.record["clusters"]["count"]]
        values = labels.read(Window(0, 0, *labels.image.shape))
        step = max(1, max(values.shape) // 1500)
        colours = np.full((256, 3), 255, np.uint8)  # unlabelled is white
        for value, row in enumerate(of):
            colours[value] = list(bytes.fromhex(row["colour"][1:]))
        left.imshow(colours[values[::step, ::step]], interpolation="nearest")
        left.set(xticks=[], yticks=[], title=f"{of[0]['clusters']} clusters")
        names, dice = [r["class"] for r in of], [r["dice"] or 0.0 for r in of]
        right.barh(names, dice, color=[r["colour"] for r in of])
        right.scatter([r["share"] for r in of], names, marker="|", color="red", label="by chance")
        right.set(xlim=(0, 1), xlabel="Dice on held-out blocks")
        right.invert_yaxis()
        if reference == references[0]:
            right.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of docs/methods.md."""
    lines = [
        "| clusters | class | share | Dice | errors mostly |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        dice = "" if row["dice"] is None else f"{row['dice']:.3f}"
        lines.append(
            f"| {row['clusters']} | {row['class']} | {row['share']:.3f} | {dice} | {row['taken_for']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
