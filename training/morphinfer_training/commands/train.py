"""``morphinfer train``: a model set trained on sections."""

from __future__ import annotations

import datetime
import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.console import Verbosity, echo, print_json, say, show_table, verbosity_options
from morphinfer.cli.progress import ProgressKind, progress_option
from morphinfer_training.commands.extras import require_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_WIDTH = 130
"""Columns of the table where there is no terminal, so that no name of a class is cut."""
MODULES = ("torch", "onnx", "scipy", "sklearn", "matplotlib", "pyarrow")


@click.command()
@click.argument("config_path", metavar="CONFIG", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(), metavar="SETFOLDER",
              help="Folder of the model set to write.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue the run in SETFOLDER.run.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
              show_default=True, help="Where to compute.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), metavar="N",
              help="CPU threads.  [default: all cores]")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Networks trained at a time, about 1.5 GB each.  [default: one per thread; "
                   "one on a graphics card]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N",
              help="Steps of each network; overrides the configuration.")  # fmt: skip
@click.option("--baseline/--no-baseline", default=True, show_default=True,
              help="Compare the networks with a random forest at the held-out positions.")  # fmt: skip
@progress_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace an existing set and its run.")
@verbosity_options
def train(
    config_path: Path, out: str, resume: bool, device: str, threads: int | None, jobs: int | None,
    steps: int | None, baseline: bool, progress: ProgressKind, as_json: bool, overwrite: bool,
    verbosity: Verbosity,
) -> None:  # fmt: skip
    """Train the networks of CONFIG.toml and write a model set.

    It is a folder of ONNX files. SETFOLDER.run contains the checkpoint and log.csv of each network, and
    curves.png.
    """
    require_modules("train", MODULES)
    import torch

    from morphinfer_training.commands.stages import stages_shown
    from morphinfer_training.commands.training_progress import training_progress
    from morphinfer_training.config import read_config
    from morphinfer_training.learning import keep_freed_memory, pick_device
    from morphinfer_training.train import train as run

    keep_freed_memory()
    config = read_config(config_path)
    if steps is not None:
        config = replace(config, training=replace(config.training, steps=steps))
    if threads is not None:
        torch.set_num_threads(threads)
    if jobs is None:
        jobs = torch.get_num_threads() if pick_device(device).type == "cpu" else 1
    jobs = min(jobs, len(config.patch_sizes_px))
    with (
        printed_warnings(verbosity),
        stages_shown(verbosity),
        training_progress(config, jobs, progress, verbosity) as show,
    ):
        card = run(
            config,
            out,
            folder=config_path.parent,
            date=datetime.date.today().isoformat(),
            resume=resume,
            overwrite=overwrite,
            device=device,
            jobs=jobs,
            baseline=baseline,
            progress=show,
        )
    if as_json:
        print_json(card)
    else:
        print_card(card, out)


@contextmanager
def printed_warnings(verbosity: Verbosity) -> Iterator[None]:
    """Print warnings as lines on stderr, without the line of code that issued them."""

    def show(message: Warning | str, *location: object, **more: object) -> None:
        say(verbosity, f"morphinfer: warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def print_card(card: dict[str, Any], out: str) -> None:
    """Print the Dice of each network and of their fusion, and the folders of the set and its run."""
    from rich.table import Table

    provenance = card["provenance"]
    classes, scores = card["classes"], provenance["validation"]
    weights = {n["network"]: f"{n['fusion_weight']:.3f}" for n in card["networks"]}
    table = Table("network", "weight", "mean Dice", *classes)
    for name, dice in [*scores["networks"].items(), ("fused", scores["fused"])]:
        values = [dice["mean"], *(dice["per_class"][c] for c in classes)]
        texts = ["n/a" if v is None else f"{v:.3f}" for v in values]
        table.add_row(name, weights.get(name, ""), *texts)
    if test := provenance.get("test"):
        values = [test["fused"]["mean"], *(test["fused"]["per_class"][c] for c in classes)]
        table.add_section()
        table.add_row("test part", "", *("n/a" if v is None else f"{v:.3f}" for v in values))
    show_table(table, None if sys.stdout.isatty() else LOG_WIDTH)
    echo("Dice on held-out positions, after calibration")
    if test:
        ends = test["intervals"]["mean"]
        interval = (
            "" if ends is None else ", 95 % interval of the mean {:.3f} to {:.3f}".format(*ends)
        )
        echo(
            f"test part: {test['part']}, {test['cells']} positions, measured once by the fused networks"
            f"{interval}"
        )
    for section in card.get("figures", {}).get("sections", []):
        echo(section["verdict"])
    echo(f"models   {out}", f"run      {out}.run")
