"""Training of a model set: sections, networks, fusion and publication."""

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
    HeldOutScorer,
    Progress,
    Row,
    Section,
    Split,
    TrainingJob,
    check_split,
    choose_fusion,
    draw_curves,
    fit_side_by_side,
    gap_positions,
    load_section,
    mean_dice,
    network_name,
    pick_device,
    reference_names,
    reliability,
    silent,
    split_section,
    train_on_all,
)
from morphinfer_training.publishing import SetFacts, publish_set

REFERENCES = "references"
"""Subfolder of a run with the references that were made of spots."""


@dataclass(frozen=True, slots=True)
class Data:
    """Sections with their splits."""

    sections: list[Section]
    """Images and classes."""
    splits: list[Split]
    """Positions of each section for training and held out."""


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

    Checkpoints, logs, curves and the references that were made of spots are in the folder
    ``<out>.run`` beside the set.

    Parameters
    ----------
    config : TrainConfig
        Training configuration.
    out : str or Path
        Folder of the model set.
    folder : str or Path
        Folder to which paths in the configuration are relative: that of its TOML file.
    date : str
        Date for the model card; not taken from the clock, so that the same set can be trained again.
    resume : bool
        Continue the run in ``<out>.run``.
    overwrite : bool
        Replace an existing model set, and an existing run unless ``resume``.
    device : {'auto', 'cpu', 'cuda'}
        Where to compute.
    jobs : int
        Networks trained at a time, each in its own process with its share of the threads. With more
        than 1, a script needs the guard ``if __name__ == "__main__"``.
    progress : Progress
        Called after every step.

    Returns
    -------
    dict
        Content of the card.json of the set.

    Raises
    ------
    OutputError
        The set or the run exists.
    ConfigError, SlideError, SpotsError, AlignmentError
        A section cannot be used, or the checkpoint is of another configuration.
    ExportError
        An exported network does not reproduce the trained one.
    """
    out = Path(out)
    check_target(out, overwrite=overwrite, folder=True)
    torch_device = pick_device(device)
    data, run = prepare(config, out, Path(folder), resume=resume, overwrite=overwrite)
    job = TrainingJob(config, data.sections, data.splits, run, torch_device)
    scorer = job.scorer()
    for patch in config.patch_sizes_px:
        (run / network_name(patch)).mkdir(exist_ok=True)
    if jobs > 1:
        fit_side_by_side(job, resume=resume, progress=progress, jobs=jobs)
    networks = []
    with torch.random.fork_rng():
        for patch in config.patch_sizes_px:
            networks.append(job.fit(patch, scorer, resume=resume or jobs > 1, progress=progress))
            curves = {network_name(n.patch_size_px): n.history for n in networks}
            draw_curves(run / "curves.png", curves)
    probabilities = np.stack([n.probabilities for n in networks])  # (M, K, C)
    fusion = choose_fusion(scorer.merged(probabilities), scorer.labels)
    calibrate_networks(networks, fusion)
    scores = validation_scores(config, scorer, probabilities, fusion)
    provenance = training_provenance(config, data, scores, date, torch_device)
    provenance["history"] = {
        network_name(n.patch_size_px): rounded_history(n.history) for n in networks
    }
    facts = SetFacts(config, tuple(round(float(w), 4) for w in fusion.weights), provenance)
    return publish_set(out, networks, facts, overwrite=overwrite)


def calibrate_networks(networks: list[Fitted], fusion: Fusion) -> None:
    """Apply the calibrations to the last weights of the networks, in place."""
    for fitted, calibration in zip(networks, fusion.calibrations, strict=True):
        head, bias = fitted.network.head, fitted.network.bias
        with torch.no_grad():
            head.weight.div_(calibration.temperature)
            bias.div_(calibration.temperature).add_(torch.from_numpy(calibration.bias).to(bias))


def prepare(
    config: TrainConfig, out: Path, folder: Path, *, resume: bool, overwrite: bool
) -> tuple[Data, Path]:
    """Load the sections and create the folder of the run, which contains only references if it is new.

    An existing run is removed only after all sections have been loaded.

    Returns
    -------
    data : Data
        Sections and splits.
    run : Path
        Folder of the run, ``<out>.run``.

    Raises
    ------
    OutputError
        The run exists and is neither resumed nor overwritten.
    ConfigError, SlideError, SpotsError, AlignmentError
        A section cannot be used.
    """
    run = out.with_name(out.name + ".run")
    if run.exists() and not resume and not overwrite:
        raise OutputError(
            f"{run}: a run exists; continue it with `resume=True`, or start again with "
            f"`overwrite=True`"
        )
    references = run / REFERENCES
    if resume:
        references.mkdir(parents=True, exist_ok=True)
        return load_data(config, folder, references, reuse=True), run
    with TemporaryDirectory() as new_references:
        data = load_data(config, folder, Path(new_references))
        if run.exists():
            remove(run)
        part = run / (REFERENCES + ".part")
        copytree(new_references, part)
        part.rename(references)  # an incomplete reference would be read as background on resuming
    return data, run


def load_data(
    config: TrainConfig, folder: Path, references: Path | None = None, *, reuse: bool = False
) -> Data:
    """Load all sections and split them.

    Nothing is held out of a section without transcripts: the frequency of its classes, on which steps,
    factors and weights depend, is unknown.

    Parameters
    ----------
    config : TrainConfig
        The sections, and how they are split.
    folder : Path
        Folder to which their paths are relative.
    references : Path, optional
        Folder for the references that are made of spots; needed if a section names spots.
    reuse : bool
        Use existing references of the same slide, spots, genes, settings and version.

    Raises
    ------
    ConfigError, SlideError, SpotsError, AlignmentError
        A section cannot be used, or a class has no position to train on.
    """
    paths = [references and references / name for name in reference_names(config.sections)]
    sections = [
        load_section(each, config, folder, path, reuse=reuse)
        for each, path in zip(config.sections, paths, strict=True)
    ]
    labels = [section.labels for section in sections]
    splits = [
        train_on_all(known) if each.image_only else split_section(known, config, i)
        for i, (each, known) in enumerate(zip(config.sections, labels, strict=True))
    ]
    check_split(labels, splits, config)
    return Data(sections, splits)


def validation_scores(
    config: TrainConfig,
    scorer: HeldOutScorer,
    probabilities: NDArray[np.float32],
    fusion: Fusion,
) -> dict[str, Any]:
    """Scores of the calibrated networks and of their fusion on the held-out positions, as JSON types.

    Parameters
    ----------
    config : TrainConfig
        Names of networks and classes.
    scorer : HeldOutScorer
        The held-out positions.
    probabilities : ndarray of float32, shape (M, K, C)
        Uncalibrated probabilities of M networks at K held-out positions.
    fusion : Fusion
        Calibrations, weights and class factors.
    """

    def rounded(dice: NDArray[np.float64]) -> dict[str, Any]:
        values = [None if np.isnan(d) else round(float(d), 4) for d in dice]
        return {
            "mean": round(mean_dice(dice), 4),
            "per_class": dict(zip(config.classes, values, strict=True)),
        }

    names = map(network_name, config.patch_sizes_px)
    calibrated, fused = fusion.calibrated(probabilities), fusion(probabilities)
    return {
        "networks": {n: rounded(scorer.dice(p)) for n, p in zip(names, calibrated, strict=True)},
        "fused": rounded(scorer.dice(fused)),
        "cells": len(scorer.labels),
        "class_factors": [round(float(f), 4) for f in fusion.factors],
        "temperatures": [round(c.temperature, 4) for c in fusion.calibrations],
        "biases": [[round(float(b), 4) for b in c.bias] for c in fusion.calibrations],
        "calibration_error": round(reliability(scorer.merged(fused), scorer.labels)[1], 4),
    }


def training_provenance(
    config: TrainConfig, data: Data, scores: dict[str, Any], date: str, device: torch.device
) -> dict[str, Any]:
    """Description of the training in every file of a set, as JSON types.

    It contains no path but those of the configuration, where environment variables are not expanded.

    Parameters
    ----------
    config : TrainConfig
        Training configuration.
    data : Data
        Sections and splits.
    scores : dict
        Result of `validation_scores`.
    date : str
        Date of the training.
    device : torch.device
        Where it was computed.
    """
    validation = config.validation
    gap_um = gap_positions(config) * config.stride_px * config.pixel_size_um
    held_out = (
        f"the {validation.side} part"
        if validation.side
        else f"blocks of {validation.block_um:g} micrometres"
    )
    return {
        "date": date,
        "config": config.plain(),
        "sections": [
            _section_facts(section, split, config)
            for section, split in zip(data.sections, data.splits, strict=True)
        ],
        "protocol": f"{held_out} of each section with transcripts held out ({validation.fraction:.0%}), "
        f"with a gap of {gap_um:.0f} micrometres that was neither trained on nor scored.",
        "validation": scores,
        "versions": {
            "morphinfer": version("morphinfer"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": device.type,
    }


def rounded_history(history: list[Row]) -> dict[str, list[float]]:
    """Learning curve of a network, rounded, as JSON types."""
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
