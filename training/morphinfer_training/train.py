"""Training of a model set: sections, networks, fusion and publication."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morphinfer.errors import OutputError
from morphinfer.images import check_target, make_folders, published_by_this_command, staged_together
from morphinfer_training.baselines import compare_with_forest
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import (
    Candidate,
    Fitted,
    Fusion,
    HeldOutScorer,
    Progress,
    Row,
    Section,
    Split,
    TrainingJob,
    check_split,
    choose_candidate,
    choose_fusion,
    configs_by_brightness,
    draw_curves,
    fit_side_by_side,
    has_test_part,
    load_section,
    measure_test_part,
    network_name,
    pick_device,
    reference_names,
    silent,
    split_section,
    train_on_all,
)
from morphinfer_training.publishing import (
    SetFacts,
    publish_set,
    published_card,
    training_provenance,
    validation_scores,
)

logger = logging.getLogger(__name__)

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
    baseline: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train the networks of a configuration and publish them as a model set.

    A test part is measured once, after all choices, and its figures become part of the card.

    Checkpoints, logs, curves and the references that were made of spots are in the folder
    ``<out>.run`` beside the set.

    Parameters
    ----------
    config : TrainConfig
        Training configuration.
    out : str or Path
        Folder of the model set; missing folders above it are made.
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
    baseline : bool
        Compare the networks with a random forest at the held-out positions, for the card; the command does
        so by default.
    progress : Progress
        Called after every step of every network.

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
    make_folders(out.parent)
    check_target(out, overwrite=overwrite, folder=True)
    if published_by_this_command(out):  # which was stopped before it could say so
        return published_card(out)
    torch_device = pick_device(device)
    data, run = prepare(config, out, Path(folder), resume=resume, overwrite=overwrite)
    job = TrainingJob(config, data.sections, data.splits, run, torch_device)
    scorer = job.scorer()
    curves: dict[str, list[Row]] = {}
    candidates = [
        train_candidate(
            replace(job, config=one), scorer, curves, resume=resume, jobs=jobs, progress=progress
        )
        for one in configs_by_brightness(config)
    ]
    chosen, compared = choose_candidate(candidates, scorer, job, Path(folder))
    config, networks, fusion = chosen.config, chosen.networks, chosen.fusion
    scores = validation_scores(config, scorer, chosen.probabilities, fusion)
    if compared:
        scores["brightness"] = compared
    test = None
    if has_test_part(data.splits):
        logger.info("measuring the test part, once")
        test = measure_test_part(
            networks, fusion, data.sections, data.splits, config, torch_device
        )  # fmt: skip
    calibrate_networks(networks, fusion)
    provenance = training_provenance(
        config, data.sections, data.splits, date=date, device=torch_device, scores=scores,
        histories={network_name(n.patch_size_px): n.history for n in networks}, test=test,
    )  # fmt: skip
    figures: tuple[dict[str, Any], ...] = ()
    if baseline:
        predicted = fusion(chosen.probabilities).argmax(axis=-1)
        figures = (compare_with_forest(data.sections, data.splits, config, predicted),)
    facts = SetFacts(config, tuple(round(float(w), 4) for w in fusion.weights), provenance, figures)
    logger.info("exporting the networks and comparing the files with them")
    return publish_set(out, networks, facts, overwrite=overwrite)


def train_candidate(
    job: TrainingJob,
    scorer: HeldOutScorer,
    curves: dict[str, list[Row]],
    *,
    resume: bool,
    jobs: int,
    progress: Progress,
) -> Candidate:
    """Train and calibrate all networks of one kind, and add their evaluations to ``curves``."""
    sizes = job.config.patch_sizes_px
    logger.info("training %d networks, %d at a time", len(sizes), jobs)
    if jobs > 1:
        fit_side_by_side(job, resume=resume, progress=progress, jobs=jobs)
        progress = silent  # below the networks are only read from their checkpoints
    networks = []
    with torch.random.fork_rng():
        for patch in sizes:
            networks.append(job.fit(patch, scorer, resume=resume or jobs > 1, progress=progress))
            curves[network_name(patch, job.config.brightness)] = networks[-1].history
            draw_curves(job.run / "curves.png", curves)
    logger.info("calibrating the networks")
    probabilities = np.stack([n.probabilities for n in networks])  # (M, K, C)
    fusion = choose_fusion(scorer.merged(probabilities), scorer.labels, scorer.blocks)
    return Candidate(job.config, networks, probabilities, fusion)


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
    if not resume and not overwrite and run.exists() and not published_by_this_command(run):
        raise OutputError(
            f"{run}: a run exists; continue it with `resume=True`, or start again with "
            f"`overwrite=True`"
        )
    references = run / REFERENCES
    if resume:
        references.mkdir(parents=True, exist_ok=True)
        return load_data(config, folder, references, reuse=True), run
    with staged_together(run) as (new,):
        references = new / REFERENCES
        references.mkdir(parents=True)
        data = load_data(config, folder, references)
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
        load_section(each, config, folder, path, rois=config.rois(i), reuse=reuse)
        for i, (each, path) in enumerate(zip(config.sections, paths, strict=True))
    ]
    labels = [section.labels for section in sections]
    splits = [
        train_on_all(section.labels)
        if each.image_only
        else split_section(section.labels, config, i, section.parts)
        for i, (each, section) in enumerate(zip(config.sections, sections, strict=True))
    ]
    check_split(labels, splits, config)
    return Data(sections, splits)
