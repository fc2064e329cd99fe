"""Checkpoints: tensors and plain values, written at once, read without executing anything."""

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

FORMAT = 2
"""Of checkpoints; another one holds other networks. The first had networks that saw brightness."""


@dataclass(frozen=True, slots=True)
class Row:
    """One evaluation."""

    step: int
    """Steps done."""
    loss: float
    """Mean training loss since the last evaluation."""
    learning_rate: float
    """Of the last step."""
    seconds: float
    """Time spent on training and evaluation so far."""
    mean_dice: float
    """Mean Dice of the held-out cells."""
    dice: tuple[float, ...]
    """Dice of each class; NaN where undefined."""


@dataclass(slots=True)
class TrainingState:
    """Everything that a run needs to continue exactly."""

    step: int
    """Steps done."""
    finished: bool
    """Whether the run has come to its end."""
    network: dict[str, Tensor]
    """Weights that are trained."""
    average: dict[str, Tensor]
    """Their moving average."""
    best: dict[str, Tensor]
    """The average when the mean Dice was highest."""
    optimiser: dict[str, Any]
    """State of AdamW."""
    history: list[Row]
    """All evaluations so far."""


def save_checkpoint(path: Path, state: TrainingState, config: TrainConfig) -> None:
    """Write a checkpoint; a run that is killed meanwhile leaves the one before."""
    plain = {name: getattr(state, name) for name in TrainingState.__slots__}
    plain["history"] = [asdict(row) for row in state.history]
    with staged(path, overwrite=True) as partial:
        torch.save({"format": FORMAT, "config": config.plain(), "state": plain}, partial)


def load_checkpoint(path: Path, config: TrainConfig, device: torch.device) -> TrainingState:
    """Read a checkpoint of a run of the same configuration, but for the words of its card.

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
            f"{path}: no checkpoint of ours ({type(problem).__name__}); remove {path.parent} and train again"
        ) from problem
    if stored.get("format") != FORMAT:
        raise ConfigError(
            f"{path}: a checkpoint of another version of morphinfer, whose networks differ; continue "
            f"it there, or start again with `overwrite=True`"
        )
    ours = config.plain()
    differ = [key for key in ours if key != "card" and ours[key] != other.get(key)]
    if differ:
        raise ConfigError(
            f"{path}: made with another configuration ({', '.join(differ)} differ); restore it, or "
            f"start again with `overwrite=True`"
        )
    return state


def write_log(path: Path, history: list[Row], classes: tuple[str, ...]) -> None:
    """Write all evaluations of a run as CSV."""
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
