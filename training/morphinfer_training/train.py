"""Training from end to end: sections, networks, fusion weights, model set."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from morphinfer.errors import OutputError
from morphinfer.images import check_target, remove
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import (
    Fitted,
    Fusion,
    Judge,
    Progress,
    Row,
    Section,
    Split,
    Work,
    check_split,
    choose_fusion,
    draw_curves,
    fit_side_by_side,
    gap_cells,
    load_section,
    mean_dice,
    network_name,
    pick_device,
    reference_names,
    reliability,
    silent,
    split_section,
    taught,
)
from morphinfer_training.publishing import SetFacts, publish_set

REFERENCES = "references"
"""Folder in that of the run for the references that were made of spots."""


@dataclass(frozen=True, slots=True)
class Data:
    """Sections with their splits."""

    sections: list[Section]
    """Images and classes."""
    splits: list[Split]
    """Which cells are trained on and which are held out."""


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    folder: str | Path = ".",
    date: str = "",
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    jobs: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train the networks of a configuration and publish them as a model set.

    Checkpoints, logs, curves and the references that were made of spots stand in the folder
    ``<out>.run`` beside the set.

    Parameters
    ----------
    config : TrainConfig
        What to train and how.
    out : str or Path
        Folder of the model set.
    folder : str or Path
        What paths in the configuration are relative to: the folder of its TOML file.
    date : str
        Date for the model card; not taken from the clock, so that sets can be made again.
    resume : bool
        Continue the run in ``<out>.run``.
    overwrite : bool
        Replace a model set that stands there, and start anew unless ``resume``.
    device : {'auto', 'cpu', 'cuda'}
        Where to compute.
    jobs : int
        Networks trained side by side, each in a process of its own with its share of the threads. A
        script that asks for more than 1 needs the guard ``if __name__ == "__main__"``.
    progress : Progress
        Told after every step.

    Returns
    -------
    dict
        The content of the set's card.json.

    Raises
    ------
    OutputError
        The set or the run exists already.
    ConfigError, SlideError, SpotsError, AlignmentError
        A section cannot be used, or the checkpoint is of another configuration.
    ExportError
        An exported network does not reproduce the trained one.
    """
    out = Path(out)
    check_target(out, overwrite=overwrite, folder=True)
    chosen = pick_device(device)
    data, run = prepare(config, out, Path(folder), resume=resume, overwrite=overwrite)
    work = Work(config, data.sections, data.splits, run, chosen)
    judge = work.judge()
    for patch in config.patch_sizes_px:
        (run / network_name(patch)).mkdir(exist_ok=True)
    if jobs > 1:
        fit_side_by_side(work, resume=resume, progress=progress, jobs=jobs)
    networks = []
    with torch.random.fork_rng():
        for patch in config.patch_sizes_px:
            fitted = work.fit(patch, judge, resume=resume or jobs > 1, progress=progress)
            networks.append(fitted)
            curves = {network_name(n.patch_size_px): n.history for n in networks}
            draw_curves(run / "curves.png", curves)
    found = np.stack([n.probabilities for n in networks])  # (M, K, C)
    fusion = choose_fusion(judge.merged(found), judge.labels)
    adjust(networks, fusion)
    ready, fused = fusion.ready(found), fusion(found)
    scores = validation_figures(config, judge, ready, fused)
    scores["class_factors"] = [round(float(f), 4) for f in fusion.factors]
    scores["temperatures"] = [round(c.temperature, 4) for c in fusion.calibrations]
    scores["biases"] = [[round(float(b), 4) for b in c.bias] for c in fusion.calibrations]
    scores["calibration_error"] = round(reliability(judge.merged(fused), judge.labels)[1], 4)
    facts = provenance_of(config, data, scores, date, chosen)
    facts["history"] = {network_name(n.patch_size_px): told_history(n.history) for n in networks}
    told = SetFacts(config, tuple(round(float(w), 4) for w in fusion.weights), facts)
    return publish_set(out, networks, told, overwrite=overwrite)


def adjust(networks: list[Fitted], fusion: Fusion) -> None:
    """Put the calibrations into the last weights of the networks."""
    for fitted, told in zip(networks, fusion.calibrations, strict=True):
        network = fitted.network
        with torch.no_grad():
            network.head.weight.div_(told.temperature)
            network.bias.div_(told.temperature).add_(torch.from_numpy(told.bias).to(network.bias))


def prepare(
    config: TrainConfig, out: Path, folder: Path, *, resume: bool, overwrite: bool
) -> tuple[Data, Path]:
    """The sections, and the work folder beside the set, empty but for references unless resumed.

    A run that stands there is removed only after all sections could be used.

    Raises
    ------
    OutputError
        A run stands there and is neither resumed nor overwritten.
    ConfigError, SlideError, SpotsError, AlignmentError
        A section cannot be used.
    """
    run = out.with_name(out.name + ".run")
    if run.exists() and not resume and not overwrite:
        raise OutputError(
            f"{run}: a run exists; continue it with `resume=True`, or start again with "
            f"`overwrite=True`"
        )
    kept = run / REFERENCES
    if resume:
        kept.mkdir(parents=True, exist_ok=True)
        return load_data(config, folder, kept, reuse=True), run
    with TemporaryDirectory() as made:
        data = load_data(config, folder, Path(made))
        if run.exists():
            remove(run)
        part = run / (REFERENCES + ".part")
        copytree(made, part)
        part.rename(kept)  # a reference that is copied by half would be reused as background
    return data, run


def load_data(
    config: TrainConfig, folder: Path, references: Path | None = None, *, reuse: bool = False
) -> Data:
    """Load all sections and split them.

    Of a section without transcripts nothing is held out: it tells nothing of how often the classes
    occur, by which steps, factors and weights are chosen.

    Parameters
    ----------
    config : TrainConfig
        The sections, and how they are split.
    folder : Path
        What their paths are relative to.
    references : Path, optional
        Folder for the references that are made of spots; needed where a section tells spots.
    reuse : bool
        Take those that stand there if they were made of the same with the same settings.
    """
    made = [references and references / name for name in reference_names(config.sections)]
    sections = [
        load_section(told, config, folder, path, reuse=reuse)
        for told, path in zip(config.sections, made, strict=True)
    ]
    labels = [section.labels for section in sections]
    splits = [
        taught(known) if told.image_only else split_section(known, config, i)
        for i, (told, known) in enumerate(zip(config.sections, labels, strict=True))
    ]
    check_split(labels, splits, config)
    return Data(sections, splits)


def validation_figures(
    config: TrainConfig,
    judge: Judge,
    probabilities: NDArray[np.float32],
    fused: NDArray[np.float32],
) -> dict[str, Any]:
    """Dice on the held-out cells of each network and of their fusion; None where undefined."""

    def told(dice: NDArray[np.float64]) -> dict[str, Any]:
        values = [None if np.isnan(d) else round(float(d), 4) for d in dice]
        return {
            "mean": round(mean_dice(dice), 4),
            "per_class": dict(zip(config.classes, values, strict=True)),
        }

    names = map(network_name, config.patch_sizes_px)
    each = {n: told(judge.dice(p)) for n, p in zip(names, probabilities, strict=True)}
    return {"networks": each, "fused": told(judge.dice(fused)), "cells": len(judge.labels)}


def provenance_of(
    config: TrainConfig, data: Data, scores: dict[str, Any], date: str, device: torch.device
) -> dict[str, Any]:
    """What is told of the training in every file of a set; no path but those of the configuration."""
    how = config.validation
    gap_um = gap_cells(config) * config.stride_px * config.pixel_size_um
    what = f"the {how.side} part" if how.side else f"blocks of {how.block_um:g} micrometres"
    return {
        "date": date,
        "config": config.plain(),
        "sections": [
            _section_facts(section, split, config)
            for section, split in zip(data.sections, data.splits, strict=True)
        ],
        "protocol": f"{what} of each section with transcripts held out ({how.fraction:.0%}), with a gap of "
        f"{gap_um:.0f} micrometres that was neither trained on nor scored.",
        "validation": scores,
        "versions": {
            "morphinfer": version("morphinfer"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": device.type,
    }


def told_history(history: list[Row]) -> dict[str, list[float]]:
    """Learning curve of a network, rounded, as model files carry it."""
    return {
        "step": [row.step for row in history],
        "loss": [round(row.loss, 4) for row in history],
        "mean_dice": [round(row.mean_dice, 4) for row in history],
    }


def _section_facts(section: Section, split: Split, config: TrainConfig) -> dict[str, Any]:
    counts = np.bincount(section.labels[split.train], minlength=len(config.classes))
    return {
        "name": section.name,
        "identity": section.identity,
        "synthetic": section.synthetic,
        "trained_cells": dict(zip(config.classes, counts.tolist(), strict=True)),
        "held_out_cells": int(split.validation.sum()),
    }
