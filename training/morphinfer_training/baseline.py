"""Baselines on the sections of a configuration, beside the networks that were trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from morphinfer.errors import ModelError
from morphinfer_training.baselines import (
    FULL_SIZE,
    ForestSize,
    compare,
    figures_json,
    fit_baselines,
    held_out_positions,
    test_part,
)
from morphinfer_training.config import TrainConfig
from morphinfer_training.publishing import CARD, load_exported_set, store_figures
from morphinfer_training.train import REFERENCES, Data, load_data

FREE = ("training", "card", "name", "brightness")
"""Keys of a configuration that do not change which positions are held out, nor their images."""


def measure_baselines(
    config: TrainConfig,
    models: str | Path | None = None,
    *,
    folder: str | Path = ".",
    size: ForestSize = FULL_SIZE,
) -> list[dict[str, Any]]:
    """Train the baselines at the training positions and score them where the networks are scored.

    That is at the held-out positions, and on the test part if there is one.

    With a model set, its networks are scored at the same positions, and the figures are written into
    its figures.json, card.json and README.md.

    Parameters
    ----------
    config : TrainConfig
        Training configuration.
    models : str or Path, optional
        Folder of the model set that `train` made of this configuration.
    folder : str or Path
        Folder to which paths in the configuration are relative: that of its TOML file.
    size : ForestSize
        How large the forests are.

    Returns
    -------
    list of dict
        Dice, intervals and confusion of every method, by scored part; see `figures_json`.

    Raises
    ------
    ModelError
        There is no such set, or it was trained by another configuration or on other slides.
    ConfigError, SlideError, SpotsError, AlignmentError
        A section cannot be used.
    OutputError
        The folder of the set cannot be written.
    """
    target = None if models is None else Path(models)
    card = {} if target is None else _checked_card(target, config)
    with TemporaryDirectory() as temporary:
        run = Path(temporary) if target is None else target.with_name(target.name + ".run")
        kept = run / REFERENCES
        references = kept if kept.is_dir() else Path(temporary)
        data = load_data(config, Path(folder), references, reuse=True)
    if target is not None:
        _check_slides(target, card, data)
    baselines = fit_baselines(data.sections, data.splits, config, size)
    scored = [held_out_positions(data.sections, data.splits)]
    if part := test_part(data.sections, data.splits):
        scored.append(part)
    measured = [figures_json(compare(each, baselines, config, target)) for each in scored]
    if target is not None:
        store_figures(target, measured)
    return measured


def _checked_card(folder: Path, config: TrainConfig) -> Mapping[str, Any]:
    """Provenance of a set that this configuration made."""
    if not (folder / CARD).is_file():
        raise ModelError(
            f"{folder}: not the folder of a model set, which contains {CARD}; name the folder that "
            f"'morphinfer train' wrote"
        )
    provenance = load_exported_set(folder).card.provenance
    of_set, here = provenance["config"], config.plain()
    differing = [
        key for key in of_set if key in here and key not in FREE and of_set[key] != here[key]
    ]
    if differing:
        raise ModelError(
            f"{folder}: it was trained with another configuration ({', '.join(differing)} "
            f"differ), so its networks may know the held-out positions; name the set that was "
            f"trained with this one, or train it again"
        )
    return provenance


def _check_slides(folder: Path, provenance: Mapping[str, Any], data: Data) -> None:
    for stated, section in zip(provenance["sections"], data.sections, strict=True):
        if stated["identity"] != section.identity:
            raise ModelError(
                f"{folder}: it was trained on another slide than {section.name}, whose metadata "
                f"changed since; train it again"
            )
