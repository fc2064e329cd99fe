"""Checkpoints: tensors and plain values, written atomically and read without executing code."""

from __future__ import annotations

import math
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from morphinfer.errors import ConfigError
from morphinfer.images import staged
from morphinfer_training.config import TrainConfig

FORMAT = 4
"""Version of checkpoints; it changes with the networks and the split. Networks of version 1 saw brightness,
version 2 may have held out other blocks, and up to version 3 the best weights were kept."""


@dataclass(frozen=True, slots=True)
class Row:
    """One evaluation."""

    step: int
    """Steps done."""
    loss: float
    """Mean training loss since the last evaluation."""
    learning_rate: float
    """Learning rate of the last step."""
    seconds: float
    """Time spent on training and evaluation so far."""
    mean_dice: float
    """Mean Dice on the held-out positions after calibration."""
    dice: tuple[float, ...]
    """Dice of each class; NaN if undefined."""


@dataclass(slots=True)
class TrainingState:
    """State from which a run continues exactly."""

    step: int
    """Steps done."""
    finished: bool
    """Whether the run is complete."""
    network: dict[str, Tensor]
    """Weights that are trained."""
    average: dict[str, Tensor]
    """Their moving average."""
    optimiser: dict[str, Any]
    """State of AdamW."""
    history: list[Row]
    """All evaluations so far."""


def save_checkpoint(path: Path, state: TrainingState, config: TrainConfig) -> None:
    """Write a checkpoint; if the run is killed meanwhile, the previous one is kept."""
    plain = {name: getattr(state, name) for name in TrainingState.__slots__}
    plain["history"] = [asdict(row) for row in state.history]
    with staged(path, overwrite=True) as partial:
        torch.save({"format": FORMAT, "config": config.plain(), "state": plain}, partial)


def load_checkpoint(path: Path, config: TrainConfig, device: torch.device) -> TrainingState:
    """Checkpoint of a run with the same configuration; only the texts of the card may differ.

    Parameters
    ----------
    path : Path
        Checkpoint file.
    config : TrainConfig
        Configuration of the run to continue.
    device : torch.device
        Where the tensors are loaded.

    Raises
    ------
    ConfigError
        The file is damaged or of another version, or the run had another configuration.
    """
    try:
        stored = torch.load(path, map_location=device, weights_only=True)
        other, plain = stored["config"], stored["state"]
        plain["history"] = [_row(row) for row in plain["history"]]
        state = TrainingState(**plain)
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, EOFError,
            pickle.UnpicklingError) as problem:  # fmt: skip
        raise ConfigError(
            f"{path}: not a checkpoint, or damaged ({type(problem).__name__}); remove {path.parent} and "
            f"train again"
        ) from problem
    if stored.get("format") != FORMAT:
        raise ConfigError(
            f"{path}: written by a version of morphinfer with other networks or held-out blocks; continue "
            f"with that version, or start again with `overwrite=True`"
        )
    current = config.plain()
    keys = sorted({*current, *other} - {"card"})
    changed = [key for key in keys if current.get(key) != other.get(key)]
    if changed:
        raise ConfigError(
            f"{path}: written with another configuration (changed: {', '.join(changed)}); restore it, "
            f"or start again with `overwrite=True`"
        )
    return state


def write_log(path: Path, history: list[Row], classes: tuple[str, ...]) -> None:
    """Write all evaluations of a run as CSV, with a column of Dice for each class."""
    head = ["step", "loss", "learning_rate", "seconds", "mean_dice"]
    names = [f"dice_{name}".replace(",", " ").replace('"', "") for name in classes]
    lines = [",".join([*head, *names])]
    for row in history:
        values = [row.step, row.loss, row.learning_rate, row.seconds, row.mean_dice, *row.dice]
        lines.append(",".join("" if math.isnan(v) else f"{v:.6g}" for v in values))
    with staged(path, overwrite=True) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(plain: dict[str, Any]) -> Row:
    return Row(**{**plain, "dice": tuple(plain["dice"])})
