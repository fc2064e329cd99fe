"""``morphinfer bioimageio``: a model set as one file for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from morphinfer.cli.console import Verbosity
from morphinfer_training.commands.conversion import conversion_options, print_conversion
from morphinfer_training.commands.extras import require_modules

MODULES = ("onnx", "torch", "scipy", "bioimageio.core", "pydantic")


@click.command()
@conversion_options("PACKAGE.zip", "package")
def bioimageio(
    set_name: str, out: Path, as_json: bool, overwrite: bool, verbosity: Verbosity
) -> None:
    """Write SET as a BioImage.IO package.

    It holds all networks in one ONNX file, and the model card. The package is written only if the
    validator of bioimage.io passes it. The validator looks up the DOIs of citations on the network;
    offline, it warns that it could not.
    """
    require_modules("bioimageio", MODULES, extra="bioimageio")
    from morphinfer_training.publishing import export_package

    summary = export_package(set_name, out, overwrite=overwrite)
    lines = [
        *(f"warning: {warning}" for warning in summary["warnings"]),
        f"{summary['validator']}, {summary['format']}: {summary['status']}",
    ]
    print_conversion(summary, lines, f"package  {out}", as_json=as_json, verbosity=verbosity)
