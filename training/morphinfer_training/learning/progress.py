"""What a training reports after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepReport:
    """State of one network after a step.

    Both Dice are means over the classes at the held-out positions, before calibration.
    """

    network: str
    """Name of the network."""
    step: int
    """Steps done."""
    loss: float | None
    """Loss of the last step; None if a finished network was resumed."""
    dice: float | None
    """Dice of the latest evaluation; None before the first."""
    best: float | None
    """Highest Dice so far, that of the weights that are kept."""
    finished: bool
    """Whether the network is trained: by all its steps, or stopped early."""


Progress = Callable[[StepReport], None]
"""Function that is called after every step of every network."""


def silent(report: StepReport) -> None:
    """Report nothing."""
