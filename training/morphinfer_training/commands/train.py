"""``morphinfer train``: a model set out of sections with references."""

from __future__ import annotations

import datetime
import importlib.util
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.console import Verbosity, print_json, say, verbosity_options
from morphinfer.errors import MorphinferError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from morphinfer_training.config import TrainConfig
    from morphinfer_training.learning import Progress


@click.command()
@click.argument("config", type=click.Path())
@click.option("--out", required=True, type=click.Path(), metavar="SETFOLDER",
              help="Folder of the model set to write.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue the run in SETFOLDER.run.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
              show_default=True, help="Where to compute.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), metavar="N",
              help="CPU threads.  [default: all cores]")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Networks trained side by side, about 1.5 GB each.  [default: one per thread; "
                   "one on a graphics card]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N",
              help="Steps of each network; overrides the configuration.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace the set and the run that stand there.")
@verbosity_options
def train(
    config: str, out: str, resume: bool, device: str, threads: int | None, jobs: int | None,
    steps: int | None, as_json: bool, overwrite: bool, verbosity: Verbosity,
) -> None:  # fmt: skip
    """Train the networks that CONFIG.toml describes and write them as ONNX files.

    Checkpoints, log.csv of each network and curves.png are kept in SETFOLDER.run.
    """
    need_torch()
    import torch

    from morphinfer_training.config import read_config
    from morphinfer_training.learning import keep_freed_memory, pick_device
    from morphinfer_training.train import train as run

    keep_freed_memory()
    told = read_config(config)
    if steps is not None:
        told = replace(told, training=replace(told.training, steps=steps))
    if threads is not None:
        torch.set_num_threads(threads)
    if jobs is None:
        jobs = torch.get_num_threads() if pick_device(device).type == "cpu" else 1
    jobs = min(jobs, len(told.patch_sizes_px))
    with told_warnings(verbosity), progress_bars(told, verbosity) as progress:
        summary = run(
            told,
            out,
            folder=Path(config).parent,
            date=datetime.date.today().isoformat(),
            resume=resume,
            overwrite=overwrite,
            device=device,
            jobs=jobs,
            progress=progress,
        )
    if as_json:
        print_json(summary)
    else:
        print_summary(summary, out)


@contextmanager
def told_warnings(verbosity: Verbosity) -> Iterator[None]:
    """Warnings about the sections as lines on stderr, without the place in our code."""

    def tell(message: Warning | str, *place: object, **more: object) -> None:
        say(verbosity, f"morphinfer: warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell
        yield


def need_torch() -> None:
    """Refuse to go on where the training extra is not installed."""
    for name in ("torch", "onnx", "scipy", "matplotlib"):
        if importlib.util.find_spec(name) is None:
            raise MorphinferError(
                f"morphinfer train needs {name}, which is not installed: "
                f"pip install 'morphinfer[train]'"
            )


@contextmanager
def progress_bars(config: TrainConfig, verbosity: Verbosity) -> Iterator[Progress]:
    """One bar per network on stderr, with its loss and its latest Dice, from the first step on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from morphinfer_training.learning import network_name

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    console = Console(stderr=True, quiet=verbosity == Verbosity.QUIET)
    evaluated: dict[str, float] = {}
    bars = Bars(*columns, console=console)
    reading = console.status("reading the sections")
    total = config.training.steps
    names = [network_name(p) for p in config.patch_sizes_px]
    tasks = {n: bars.add_task(n, total=total, start=False, told="") for n in names}

    def progress(network: str, step: int, loss: float, dice: float | None) -> None:
        reading.stop()
        bars.start()
        scored = "" if dice is None else f"  Dice {dice:.3f}"
        bars.start_task(tasks[network])
        bars.update(tasks[network], completed=step, told=f"loss {loss:.3f}{scored}")
        if verbosity == Verbosity.VERBOSE and dice is not None and evaluated.get(network) != dice:
            evaluated[network] = dice
            console.print(f"{network} step {step}: loss {loss:.3f}{scored}", highlight=False)

    reading.start()
    try:
        yield progress
    finally:
        reading.stop()
        if bars.live.is_started:
            bars.stop()


def print_summary(summary: dict[str, Any], out: str) -> None:
    """Print the Dice of each network and of their fusion, and where the set stands."""
    from rich.console import Console
    from rich.table import Table

    classes, figures = summary["classes"], summary["provenance"]["validation"]
    weights = {n["network"]: f"{n['fusion_weight']:.3f}" for n in summary["networks"]}
    table = Table("network", "weight", "mean Dice", *classes)
    for name, dice in [*figures["networks"].items(), ("fused", figures["fused"])]:
        values = [dice["mean"], *(dice["per_class"][c] for c in classes)]
        shown = ["n/a" if v is None else f"{v:.3f}" for v in values]
        table.add_row(name, weights.get(name, ""), *shown)
    Console().print(table)
    click.echo(f"models   {out}\nrun      {out}.run")
