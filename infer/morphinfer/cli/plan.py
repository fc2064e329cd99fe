"""``morphinfer plan``: what segmenting a slide would take; nothing is written."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.choices import chosen_options, chosen_slide, engine_options, slide_options
from morphinfer.cli.console import duration, print_json
from morphinfer.cli.jobs import load_networks

if TYPE_CHECKING:
    from morphinfer.runs import Forecast


@click.command()
@click.argument("slide", type=click.Path())
@slide_options
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(slide: str, as_json: bool, **choices: Any) -> None:
    """Tell what 'morphinfer segment' would do with SLIDE: tiles, memory and time.

    The time comes from a few tiles in the middle of the slide that are really computed. Nothing is
    written.
    """
    from morphinfer.runs import forecast_run, make_plan

    source = chosen_slide(slide, choices)
    found = make_plan(source, load_networks(choices["models"], chosen_options(choices)))
    told = forecast_run(found, layers=found.options.layers)
    if as_json:
        print_json(asdict(told))
    else:
        print_forecast(told)


def print_forecast(told: Forecast) -> None:
    """Print a table of two columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in forecast_rows(told):
        table.add_row(name, Text(value))
    Console().print(table)


def forecast_rows(told: Forecast) -> list[tuple[str, str]]:
    """Name and value of each line."""
    by = "{} x {}".format
    level = f"{told.level}, {by(*told.level_shape)} pixels of {told.level_pixel_size_um:g} um"
    skipping = "are skipped" if told.skips_background else "are computed like all others"
    most = "at most " if told.skips_background else ""
    pace = f"{told.megapixels_per_second:.1f} megapixels a second, limited by {told.limited_by}"
    return [
        ("slide", told.slide),
        ("level that is read", f"{level}, in chunks of {by(*told.chunk)}"),
        ("model pixels", f"{by(*told.model_shape)} of {told.model_pixel_size_um:g} um"),
        ("label image", f"{by(*told.cells)} cells of {told.cell_um:g} um, {told.labels_mb:.1f} MB"),
        ("tiles", f"{by(*told.tiles)} of about {told.tile_px} px"),
        ("halo", f"{told.halo_percent:.0f} % more pixels than without"),
        ("side by side", f"{told.workers} tiles, {told.threads} threads each"),
        ("provider", f"{told.provider} ({told.provider_reason})"),
        ("memory", f"about {told.memory_mb:.0f} MB"),
        ("empty cells", f"{skipping} ({told.skipping_reason})"),
        ("time", f"{most}{duration(told.seconds)} for {told.megapixels:.1f} megapixels ({pace})"),
    ]
