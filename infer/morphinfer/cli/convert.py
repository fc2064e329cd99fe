"""``morphinfer convert``: TIFF to OME-Zarr."""

from __future__ import annotations

import logging
from pathlib import Path
from time import perf_counter
from typing import Literal

import click

from morphinfer.cli.console import Verbosity, progress_bar, say, verbosity_options


@click.command()
@click.argument("source", metavar="IMAGE.tif", type=click.Path(path_type=Path))
@click.argument("target", metavar="SLIDE.zarr", type=click.Path(path_type=Path))
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0.001, 1000), metavar="UM",
    help="Side of a pixel in micrometres; overrides what the file says.",
)  # fmt: skip
@click.option("--channel", metavar="NAME|N", help="Keep this channel only; all by default.")
@click.option(
    "--version", type=click.Choice(["0.4", "0.5"]), default="0.5", show_default=True,
    help="Version of OME-Zarr to write.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace SLIDE.zarr if it exists.")
@verbosity_options
def convert(
    source: Path,
    target: Path,
    pixel_size_um: float | None,
    channel: str | None,
    version: Literal["0.4", "0.5"],
    overwrite: bool,
    verbosity: Verbosity,
) -> None:
    """Write a TIFF, OME-TIFF or ImageJ TIFF as OME-Zarr with a pyramid.

    Tiled, striped and pyramidal files of uint8, uint16 or float32 are read band by band, at full
    resolution. All channels are kept with their names. A stack along z becomes its maximum
    projection; of several time points the first is taken. Colour images are refused.
    """
    from morphinfer.images.convert import convert as run

    if verbosity < Verbosity.VERBOSE:
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    started = perf_counter()
    with progress_bar("rows converted", verbosity) as advance:
        done = run(
            source, target, pixel_size_um=pixel_size_um, channel=channel, version=version,
            overwrite=overwrite, progress=advance,
        )  # fmt: skip
    if done.pixel_size_um is None:
        click.echo(
            f"morphinfer: warning: {source} tells no pixel size, so {target} has none; "
            f"'segment' will want --pixel-size",
            err=True,
        )
    seconds = perf_counter() - started
    rate = done.shape[0] * done.shape[1] * len(done.channels) / 1e6 / seconds
    say(verbosity, f"{seconds:.1f} s, {rate:.0f} megapixels a second", least=Verbosity.VERBOSE)
    size = "unknown" if done.pixel_size_um is None else f"{done.pixel_size_um:g} um"
    click.echo(
        f"{done.path}: {done.shape[0]} x {done.shape[1]} {done.dtype}, pixel size {size}, "
        f"channels {', '.join(done.channels)}"
    )
