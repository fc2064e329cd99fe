"""Dice of the baselines, and of the networks beside them, on held-out cells and on other sections.

    python benchmarks/baseline_table.py CONFIG.toml [--on SLIDE.zarr REFERENCE.zarr]... [--models SET]
        [--match THEIRS=OURS]...

The baselines are trained on the sections of a training configuration. The first table is of its
held-out cells; the networks' line there is what the set's card tells, left out unless its training
had as many cells of each class, and held out as many, of the same slides. One table follows for each
section named by --on, which is segmented, written and evaluated as by `morphinfer segment --reference`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from baselines import BASELINES, Predictor
from morphinfer import Options, evaluate, segment
from morphinfer.cli.matching import match_option
from morphinfer.geometry import Window
from morphinfer.images.labels import create_labels, open_labels
from morphinfer.images.slide import open_slide
from morphinfer.networks.session import load_models
from morphinfer.scoring.metrics import Scores
from morphinfer.tiles.tiling import read_model_image
from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.learning.validation import dice_of
from morphinfer_training.train import Data, load_data

Dice = dict[str, float | None]
"""Dice of each class by name, None where it is undefined; the mean is under MEAN."""
MEAN = "mean"
NETWORKS = "networks"


def measure(
    config: TrainConfig,
    folder: Path,
    others: Sequence[tuple[str, str]],
    models: str,
    match: Mapping[str, str],
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
    match : Mapping
        Our name for a class name of a reference.
    """
    data = load_data(config, folder)
    predictors = [make(data.sections, data.splits, config) for make in BASELINES]
    told = {"held out": {p.name: held_out(p, data, config) for p in predictors}}
    if models and (networks := card_dice(models, data)):
        told["held out"][NETWORKS] = networks
    for slide, reference in others:
        name = "/".join(Path(slide).parts[-2:])
        told[name] = {p.name: by_class(on(p, slide, reference, config, match)) for p in predictors}
        if models:
            told[name][NETWORKS] = by_class(on_networks(models, slide, reference, match))
    return told


def held_out(predictor: Predictor, data: Data, config: TrainConfig) -> Dice:
    """Dice over the held-out cells of all sections."""
    pairs = list(zip(data.sections, data.splits, strict=True))
    labels = np.concatenate([section.labels[split.validation] for section, split in pairs])
    found = [predictor(section.image)[split.validation] for section, split in pairs]
    dice = dice_of(labels, np.concatenate(found), len(config.classes))
    told = [None if np.isnan(d) else float(d) for d in dice]
    return {**dict(zip(config.classes, told, strict=True)), MEAN: float(np.nanmean(dice))}


def on(
    predictor: Predictor, slide: str, reference: str, config: TrainConfig, match: Mapping[str, str]
) -> Scores:
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
        return score(out, reference, match)


def on_networks(models: str, slide: str, reference: str, match: Mapping[str, str]) -> Scores:
    """Scores of a model set on a section."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "labels.zarr"
        segment(slide, models=models, out=out, options=Options(skip_background="off"))
        return score(out, reference, match)


def score(labels: Path, reference: str, match: Mapping[str, str]) -> Scores:
    """Scores of a label image; names of ``match`` that this reference lacks are left out."""
    opened = open_labels(reference)
    names = {c.name for c in opened.classes}
    return evaluate(labels, opened, match={k: v for k, v in match.items() if k in names})


def by_class(scores: Scores) -> Dice:
    """Dice by the name of its class."""
    return {**dict(zip(scores.class_names, scores.dice, strict=True)), MEAN: scores.mean_dice}


def card_dice(models: str, data: Data) -> Dice | None:
    """Dice that the card of a model set tells, if it is of the same slides and counts of cells."""
    card = load_models(models).files[0].path.with_name("card.json")
    if not card.is_file():
        return None
    provenance = json.loads(card.read_text(encoding="utf-8"))["provenance"]
    theirs = [
        (
            told["identity"],
            told["held_out_cells"],
            sorted(n for n in told["trained_cells"].values() if n),
        )
        for told in provenance["sections"]
    ]
    if theirs != [counts_of(*pair) for pair in zip(data.sections, data.splits, strict=True)]:
        return None
    fused = provenance["validation"]["fused"]
    return {**fused["per_class"], MEAN: fused["mean"]}


def counts_of(section: Section, split: Split) -> tuple[str, int, list[int]]:
    """What tells that a set was trained on the same cells: another reference has other counts."""
    trained = np.unique(section.labels[split.train], return_counts=True)[1]
    return section.identity, int(split.validation.sum()), sorted(trained.tolist())


def table(title: str, rows: dict[str, Dice]) -> Table:
    """One section for people; the last column is how far each mean lies below that of the last row."""
    means = [dice[MEAN] or 0.0 for dice in rows.values()]
    names = list(next(iter(rows.values())))  # a card tells its classes in another order
    shown = Table("Dice", *names, "behind", title=title)
    for (row, dice), mean in zip(rows.items(), means, strict=True):
        values = [dice.get(name) for name in names]
        told = ["n/a" if value is None else f"{value:.3f}" for value in values]
        shown.add_row(row, *told, f"{means[-1] - mean:.3f}")
    return shown


@click.command()
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--on", "others", nargs=2, multiple=True, metavar="SLIDE.zarr REFERENCE.zarr")
@click.option("--models", default="", help="Model set to show beside the baselines.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
@match_option
def main(
    config: Path,
    others: tuple[tuple[str, str], ...],
    models: str,
    out: Path | None,
    match: dict[str, str] | None,
) -> None:
    """Train the baselines of CONFIG.toml and print what they reach."""
    told = measure(read_config(config), config.parent, others, models, match or {})
    if out is not None:
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for name, rows in told.items():
        Console(width=110).print(table(name, rows))


if __name__ == "__main__":
    main()
