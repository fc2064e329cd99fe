"""``morphinfer half``: a model set again, computing in float16."""

from __future__ import annotations

from pathlib import Path

import click

from morphinfer.cli.console import Verbosity, print_json, say, verbosity_options
from morphinfer.errors import MorphinferError


@click.command()
@click.argument("set_name", metavar="SET")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FOLDER",
              help="Folder of the model set to write.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace the set that stands there.")
@verbosity_options
def half(set_name: str, out: Path, as_json: bool, overwrite: bool, verbosity: Verbosity) -> None:
    """Write SET again with networks that compute in float16, for GPUs.

    Input and output stay float32, the name gets '-half'. On CUDA it is untested; on the CPU it is no
    faster, since ONNX Runtime computes it in float32 there.
    """
    try:
        from morphinfer_training.publishing import halve_set
    except ModuleNotFoundError as problem:
        if (problem.name or "").split(".")[0] not in ("onnx", "google"):
            raise
        raise MorphinferError(
            f"morphinfer half needs {problem.name}, which is not installed: "
            f"pip install 'morphinfer[train]'"
        ) from problem
    summary = halve_set(set_name, out, overwrite=overwrite)
    if as_json:
        print_json(summary)
        return
    for network in summary["networks"]:
        found = network["greatest_differences"]["torch"]
        say(
            verbosity,
            f"{network['network']}: largest difference {found:.1e} from the trained network",
        )
    click.echo(f"models   {out}")
