"""``morphinfer phantom``: write a synthetic section."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from morphinfer.cli.console import Verbosity, echo, verbosity_options
from morphinfer.cli.progress import progress_bar


@click.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, metavar="N",
    help="Number of the synthetic animal.",
)  # fmt: skip
@click.option(
    "--size", type=click.IntRange(64), nargs=2, default=(4096, 4096), show_default=True,
    metavar="H W", help="Rows and columns of the slide.",
)  # fmt: skip
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0.1, 4), default=0.65, show_default=True,
    metavar="UM", help="Side of a pixel in micrometres.",
)  # fmt: skip
@click.option(
    "--version", type=click.Choice(["0.4", "0.5"]), default="0.5", show_default=True,
    help="Version of OME-Zarr to write.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@verbosity_options
def phantom(
    out: Path,
    seed: int,
    size: tuple[int, int],
    pixel_size_um: float,
    version: Literal["0.4", "0.5"],
    overwrite: bool,
    verbosity: Verbosity,
) -> None:
    """Write a SYNTHETIC section to try the commands on.

    It is not a measurement. The folder OUT receives slide.zarr (synthetic nuclei), spots.csv (gene, x, y
    of invented genes: GeneA in a dense layer, GeneB in a rim like white matter, housekeeping genes
    everywhere) and reference.zarr (the true regions). Train on one seed and test on another.
    """
    from morphinfer.phantom import make_phantom

    with progress_bar("rows drawn", verbosity) as advance:
        section = make_phantom(
            out, seed=seed, size=size, pixel_size_um=pixel_size_um, version=version,
            overwrite=overwrite, progress=advance,
        )  # fmt: skip
    for path in (section.slide, section.spots, section.reference):
        echo(str(path))
