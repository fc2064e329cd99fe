"""``morphinfer convert``: TIFF to OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Literal

import click

from morphinfer.cli.choices import ZPlane
from morphinfer.cli.completing import complete_channels
from morphinfer.cli.console import Verbosity, complain, echo, say, verbosity_options
from morphinfer.cli.progress import progress_bar


@click.command()
@click.argument("source", metavar="IMAGE.tif", type=click.Path(path_type=Path))
@click.argument("target", metavar="SLIDE.zarr", type=click.Path(path_type=Path))
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0.001, 1000), metavar="UM",
    help="Side of a pixel in micrometres; overrides the file's metadata.",
)  # fmt: skip
@click.option("--channel", metavar="NAME|N|all", shell_complete=complete_channels,
              help="Keep only this channel.  [default: all]")  # fmt: skip
@click.option(
    "--z", type=ZPlane(), help="Plane of a z stack, or its maximum projection.  [default: max]"
)
@click.option(
    "--series", metavar="NAME|N", help="Image of a file of several.  [default: the largest]"
)
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
    z: int | Literal["max"] | None,
    series: str | None,
    version: Literal["0.4", "0.5"],
    overwrite: bool,
    verbosity: Verbosity,
) -> None:
    """Write a TIFF file as OME-Zarr with a pyramid.

    OME-TIFF, ImageJ TIFF and QPTIFF are known too. Tiled, striped and pyramidal files are read band by
    band, at full resolution. All channels are kept with their names. A z stack becomes its maximum
    projection. Of several time points the first is converted. Where a file does not say whether its pages
    are channels or planes, --channel all or --z max does. Colour images are refused, unless --channel
    chooses a colour.
    """
    from morphinfer.images.convert import convert as run

    started = perf_counter()
    with progress_bar("rows converted", verbosity) as advance:
        converted = run(
            source, target, pixel_size_um=pixel_size_um, channel=channel, z=z, series=series,
            version=version, overwrite=overwrite, progress=advance,
        )  # fmt: skip
    if converted.pixel_size_um is None:
        complain(
            f"warning: {source} states no pixel size, so {target} has none; give --pixel-size to "
            f"'morphinfer segment'"
        )
    seconds = perf_counter() - started
    rate = converted.shape[0] * converted.shape[1] * len(converted.channels) / 1e6 / seconds
    say(verbosity, f"{seconds:.1f} s, {rate:.0f} megapixels a second", least=Verbosity.VERBOSE)
    size_um = converted.pixel_size_um
    size = "unknown" if size_um is None else f"{size_um:g} um"
    echo(
        f"{converted.path}: {converted.shape[0]} x {converted.shape[1]} {converted.dtype}, pixel size "
        f"{size}, channels {', '.join(converted.channels)}"
    )
