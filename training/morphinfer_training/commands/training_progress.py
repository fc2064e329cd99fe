"""Progress of ``morphinfer train``: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from morphinfer.cli.console import Verbosity, echo
from morphinfer.cli.progress import Clock, ProgressKind
from morphinfer_training.commands.pace import Pace
from morphinfer_training.learning import network_names

if TYPE_CHECKING:
    from morphinfer_training.config import TrainConfig
    from morphinfer_training.learning import Progress, StepReport

LINES_APART_S = 30.0
"""Least time between two lines."""


def scores(report: StepReport) -> str:
    """Loss and Dice of a network, in words."""
    loss = [] if report.loss is None else [f"loss {report.loss:.3f}"]
    if report.dice is None or report.best is None:
        return "".join(loss)
    return ", ".join([*loss, f"Dice {report.dice:.3f} (best {report.best:.3f})"])


@contextmanager
def training_progress(
    config: TrainConfig,
    jobs: int,
    kind: ProgressKind,
    verbosity: Verbosity,
    clock: Clock = perf_counter,
) -> Iterator[Progress]:
    """Yield a callback that shows the progress of a training on stderr.

    Parameters
    ----------
    config : TrainConfig
        The training.
    jobs : int
        Networks trained at a time.
    kind : {'auto', 'bar', 'lines', 'json', 'none'}
        As the option --progress.
    verbosity : Verbosity
        Quiet shows nothing with 'auto'; verbose adds a line for every evaluation.
    clock : callable
        Returns seconds.
    """
    if kind == "auto":
        shown: ProgressKind = "bar" if sys.stderr.isatty() else "lines"
        kind = "none" if verbosity == Verbosity.QUIET else shown
    pace = Pace(config, jobs, clock)
    if kind == "bar":
        with _bars(pace, config, verbosity) as show:
            yield show
    elif kind == "none":
        yield lambda report: None
    else:
        yield _lines(pace, clock, verbosity, as_json=kind == "json")


def _lines(pace: Pace, clock: Clock, verbosity: Verbosity, *, as_json: bool) -> Progress:
    printed = math.nan

    def show(report: StepReport) -> None:
        nonlocal printed
        printed = clock() if math.isnan(printed) else printed
        evaluated = pace.add(report) and verbosity == Verbosity.VERBOSE
        if report.finished or evaluated or clock() - printed >= LINES_APART_S:
            printed = clock()
            echo(_json(pace, report) if as_json else _line(pace, report), err=True)

    return show


def _line(pace: Pace, report: StepReport) -> str:
    """What a network has reached, and what is left of the training."""
    steps = f"{report.step} of {pace.steps} steps"
    if report.finished:
        early = ", stopped early" if report.step < pace.steps else ""
        steps = f"trained after {steps}{early}"
    parts = [f"{report.network}: {steps}", scores(report)]
    parts += [f"{pace.trained} of {pace.networks} networks trained", pace.left()]
    return "; ".join(part for part in parts if part)


def _json(pace: Pace, report: StepReport) -> str:
    seconds = pace.seconds_left()
    content = {
        "event": "progress",
        "network": report.network,
        "step": report.step,
        "steps": pace.steps,
        "loss": report.loss,
        "dice": report.dice,
        "best_dice": report.best,
        "finished": report.finished,
        "networks_trained": pace.trained,
        "seconds_left": None if seconds is None else round(seconds, 1),
    }
    return json.dumps(content, allow_nan=False)


@contextmanager
def _bars(pace: Pace, config: TrainConfig, verbosity: Verbosity) -> Iterator[Progress]:
    """A bar for each network, and one for all with the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}", markup=False),
    )
    bars = Bars(*columns, console=Console(stderr=True))
    names = network_names(config)
    tasks = {n: bars.add_task(n, total=pace.steps, start=False, status="") for n in names}
    networks = bars.add_task("networks", total=len(names), status="")

    def show(report: StepReport) -> None:
        bars.start()
        if pace.add(report) and verbosity == Verbosity.VERBOSE:
            bars.console.print(_line(pace, report), highlight=False)
        task = tasks[report.network]
        bars.start_task(task)
        total = report.step if report.finished else pace.steps
        bars.update(task, completed=report.step, total=total, status=scores(report))
        bars.update(networks, completed=pace.trained, status=pace.left())

    try:
        yield show
    finally:
        if bars.live.is_started:
            bars.stop()
