"""``morphinfer baseline``: random forests and weaker methods beside the networks."""

from __future__ import annotations

from pathlib import Path

import click

from morphinfer.cli.console import Verbosity, print_json, say, verbosity_options
from morphinfer_training.commands.extras import require_modules
from morphinfer_training.commands.stages import stages_shown

MODULES = ("torch", "onnx", "scipy", "sklearn", "pyarrow")


@click.command()
@click.argument("config_path", metavar="CONFIG", type=click.Path(path_type=Path))
@click.option("--models", type=click.Path(path_type=Path), metavar="SETFOLDER",
              help="The model set that 'train' made of CONFIG; the figures go into its card.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbosity_options
def baseline(config_path: Path, models: Path | None, as_json: bool, verbosity: Verbosity) -> None:
    """Train baselines where the networks of CONFIG.toml train.

    The baselines are two random forests on features of nuclei, thresholds on the density of nuclei, and
    the most frequent class. They learn at the training positions of the networks and are scored, with
    the networks of SETFOLDER, at the held-out positions and on the test part, if CONFIG.toml has one.
    """
    require_modules("baseline", MODULES)
    from morphinfer_training.baseline import measure_baselines
    from morphinfer_training.baselines import print_figures
    from morphinfer_training.commands.train import printed_warnings
    from morphinfer_training.config import read_config

    config = read_config(config_path)
    with printed_warnings(verbosity), stages_shown(verbosity):
        measured = measure_baselines(config, models, folder=config_path.parent)
    if as_json:
        print_json({"set": None if models is None else str(models), "sections": measured})
        return
    for section in measured if verbosity else ():  # with -q only errors are printed
        print_figures(section)
    if models is not None:
        say(verbosity, f"written to the card: morphinfer models show {models}")
