"""``morphinfer half``: a model set in float16."""

from __future__ import annotations

from pathlib import Path

import click

from morphinfer.cli.console import Verbosity
from morphinfer_training.commands.conversion import conversion_options, print_conversion
from morphinfer_training.commands.extras import require_modules


@click.command()
@conversion_options("FOLDER", "model set")
def half(set_name: str, out: Path, as_json: bool, overwrite: bool, verbosity: Verbosity) -> None:
    """Write SET with networks that compute in float16, for GPUs.

    Input and output stay float32, and '-half' is added to the name. Untested on CUDA; on a CPU it is not
    faster, since ONNX Runtime computes in float32 there.
    """
    require_modules("half", ("onnx", "scipy"))
    from morphinfer_training.publishing import halve_set

    card = halve_set(set_name, out, overwrite=overwrite)
    differences = {n["network"]: n["greatest_differences"]["torch"] for n in card["networks"]}
    lines = (
        f"{name}: largest difference {difference:.1e} from the trained network"
        for name, difference in differences.items()
    )
    print_conversion(card, lines, f"models   {out}", as_json=as_json, verbosity=verbosity)
