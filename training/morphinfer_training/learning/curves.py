"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from morphinfer.images import staged
from morphinfer_training.learning.checkpoint import Row


def draw_curves(path: Path, histories: Mapping[str, list[Row]]) -> None:
    """Write a PNG with the training loss and the mean Dice of each network by step.

    Parameters
    ----------
    path : Path
        PNG to write; it is replaced if it exists.
    histories : mapping of str to list of Row
        Evaluations by network.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name, history in histories.items():
        steps = [row.step for row in history]
        left.plot(steps, [row.loss for row in history], label=name)
        right.plot(steps, [row.mean_dice for row in history], label=name)
    left.set(xlabel="step", ylabel="training loss")
    right.set(xlabel="step", ylabel="mean Dice, held-out positions", ylim=(0, 1))
    right.legend(loc="lower right")
    with staged(path, overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=120)
