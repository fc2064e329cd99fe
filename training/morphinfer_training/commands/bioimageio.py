"""``morphinfer bioimageio``: a model set as one file that other tools run."""

from __future__ import annotations

from pathlib import Path

import click

from morphinfer.cli.console import Verbosity, print_json, say, verbosity_options
from morphinfer.errors import MorphinferError

NEEDED = ("onnx", "google", "torch", "scipy", "bioimageio", "pydantic")


@click.command()
@click.argument("set_name", metavar="SET")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="PACKAGE.zip",
              help="Package to write.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace the file that stands there.")
@verbosity_options
def bioimageio(
    set_name: str, out: Path, as_json: bool, overwrite: bool, verbosity: Verbosity
) -> None:
    """Write SET as a BioImage.IO package: all its networks in one ONNX file, with the model card.

    The package is written only if the validator of bioimage.io passes it. The validator looks the
    DOIs of citations up where there is a network; without one it says so.
    """
    try:
        from morphinfer_training.publishing import export_package
    except ModuleNotFoundError as problem:
        if (problem.name or "").split(".")[0] not in NEEDED:
            raise
        raise MorphinferError(
            f"morphinfer bioimageio needs {problem.name}, which is not installed: "
            f"pip install 'morphinfer[bioimageio]'"
        ) from problem
    told = export_package(set_name, out, overwrite=overwrite)
    if as_json:
        print_json(told)
        return
    for warning in told["warnings"]:
        say(verbosity, f"warning: {warning}")
    say(verbosity, f"{told['validator']}, {told['format']}: {told['status']}")
    click.echo(f"package  {out}")
