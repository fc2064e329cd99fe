"""Dice of the baselines, and of the networks beside them, on held-out cells and on other sections.

    python benchmarks/baseline_table.py CONFIG.toml [--on SLIDE.zarr REFERENCE.zarr]... [--models SET]

The baselines are trained on the sections of a training configuration. The first table is of its held-out
cells; the networks' column there is what the set's card tells, if it was trained on the same. One
table follows for each section named by --on, which is segmented, written and evaluated as by
`morphinfer segment --reference`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from baselines import BASELINES, Predictor
from morphinfer import Options, evaluate, segment
from morphinfer.grid import Window
from morphinfer.labels import create_labels
from morphinfer.metrics import Scores
from morphinfer.session import load_models
from morphinfer.slide import open_slide
from morphinfer.tiling import read_model_image
from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.sections import Section
from morphinfer_training.split import Split
from morphinfer_training.train import Data, load_data
from morphinfer_training.validation import dice_of

Dice = dict[str, float | None]
"""Dice of each class by name, None where it is undefined; the mean is under MEAN."""
MEAN = "mean"
NETWORKS = "networks"


def measure(
    config: TrainConfig, folder: Path, others: Sequence[tuple[str, str]], models: str
) -> dict[str, dict[str, Dice]]:
    """Dice by section ('held out' for the cells of the configuration's) and predictor.

    Parameters
    ----------
    config : TrainConfig
        What the baselines are trained on.
    folder : Path
        What its paths are relative to.
    others : sequence of (slide, reference)
        Further sections.
    models : str
        Model set that is shown beside them; none where empty.
    """
    data = load_data(config, folder)
    predictors = [make(data.sections, data.splits, config) for make in BASELINES]
    told = {"held out": {p.name: held_out(p, data, config) for p in predictors}}
    networks = card_dice(models) if models else None
    if networks:
        told["held out"][NETWORKS] = networks
    for slide, reference in others:
        name = Path(slide).name
        told[name] = {p.name: by_class(on(p, slide, reference, config)) for p in predictors}
        if models:
            told[name][NETWORKS] = by_class(on_networks(models, slide, reference))
    return told


def held_out(predictor: Predictor, data: Data, config: TrainConfig) -> Dice:
    """Dice over the held-out cells of all sections."""
    pairs = list(zip(data.sections, data.splits, strict=True))
    labels = np.concatenate([section.labels[split.validation] for section, split in pairs])
    found = [predicted(predictor, section, split) for section, split in pairs]
    dice = dice_of(labels, np.concatenate(found), len(config.classes))
    told = [None if np.isnan(d) else float(d) for d in dice]
    return {**dict(zip(config.classes, told, strict=True)), MEAN: float(np.nanmean(dice))}


def predicted(predictor: Predictor, section: Section, split: Split) -> np.ndarray[Any, Any]:
    """Classes of the held-out cells of one section, shape (K,)."""
    return predictor(section.image)[split.validation]


def on(predictor: Predictor, slide: str, reference: str, config: TrainConfig) -> Scores:
    """Scores of a baseline on a section, by way of a label image as `segment` writes it."""
    opened = open_slide(slide)
    labels = predictor(read_model_image(opened, config.pixel_size_um, config.normalisation))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "labels.zarr"
        with create_labels(
            out, shape=(labels.shape[0], labels.shape[1]), corner_um=opened.corner_um,
            pixel_size_um=config.stride_px * config.pixel_size_um, classes=config.label_classes,
        ) as writer:  # fmt: skip
            writer.write(Window(0, 0, *labels.shape), labels)
        return evaluate(out, reference)


def on_networks(models: str, slide: str, reference: str) -> Scores:
    """Scores of a model set on a section."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "labels.zarr"
        segment(slide, models=models, out=out, options=Options(skip_background="off"))
        return evaluate(out, reference)


def by_class(scores: Scores) -> Dice:
    """Dice by the name of its class."""
    return {**dict(zip(scores.class_names, scores.dice, strict=True)), MEAN: scores.mean_dice}


def card_dice(models: str) -> Dice | None:
    """Dice on held-out cells that the card of a model set tells, if it does."""
    card = load_models(models).files[0].path.with_name("card.json")
    if not card.is_file():
        return None
    fused = json.loads(card.read_text(encoding="utf-8"))["provenance"]["validation"]["fused"]
    return {**fused["per_class"], MEAN: fused["mean"]}


def table(title: str, rows: dict[str, Dice]) -> Table:
    """One section for people; the last column is how far the last row's mean lies above each."""
    last = list(rows.values())[-1][MEAN]
    shown = Table("Dice", *next(iter(rows.values())), "behind", title=title)
    for name, dice in rows.items():
        behind = f"{last - dice[MEAN]:.2f}" if last is not None and dice[MEAN] is not None else ""
        shown.add_row(name, *("n/a" if d is None else f"{d:.3f}" for d in dice.values()), behind)
    return shown


@click.command()
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--on", "others", nargs=2, multiple=True, metavar="SLIDE.zarr REFERENCE.zarr")
@click.option("--models", default="", help="Model set to show beside the baselines.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(config: Path, others: tuple[tuple[str, str], ...], models: str, out: Path | None) -> None:
    """Train the baselines of CONFIG.toml and print what they reach."""
    told = measure(read_config(config), config.parent, others, models)
    if out is not None:
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for name, rows in told.items():
        Console(width=110).print(table(name, rows))


if __name__ == "__main__":
    main()
