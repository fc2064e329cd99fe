"""``morphinfer plan``: predict tiles, memory and time of a segmentation; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.choices import chosen_options, chosen_slide, engine_options, slide_options
from morphinfer.cli.console import print_json, show_table
from morphinfer.cli.jobs import load_networks
from morphinfer.cli.progress import duration

if TYPE_CHECKING:
    from morphinfer.images import Slide
    from morphinfer.runs import Forecast


@click.command()
@click.argument("slide", type=click.Path())
@slide_options
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(slide: str, as_json: bool, **choices: Any) -> None:
    """Predict tiles, memory and time of 'segment' for SLIDE.

    The time is measured on a few tiles in the middle of the slide. Nothing is written.
    """
    print_forecasts([chosen_slide(slide, choices)], choices, as_json=as_json)


def print_forecasts(slides: Sequence[Slide], choices: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a table for each slide; as JSON one object, which lists them if they are several."""
    from morphinfer.runs import forecast_run, make_plan

    networks = load_networks(choices["models"], chosen_options(choices))
    forecasts = [forecast_run(make_plan(slide, networks)) for slide in slides]
    if as_json:
        each = [asdict(forecast) for forecast in forecasts]
        print_json(each[0] if len(each) == 1 else {"slides": each})
        return
    for forecast in forecasts:
        print_forecast(forecast)


def print_forecast(forecast: Forecast) -> None:
    """Print a table of two columns."""
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in forecast_rows(forecast):
        table.add_row(name, value)
    show_table(table)


def forecast_rows(forecast: Forecast) -> list[tuple[str, str]]:
    """Name and value of each row of the table."""
    by = "{} x {}".format
    size_um = forecast.level_pixel_size_um
    level = f"{forecast.level}, {by(*forecast.level_shape)} pixels of {size_um:g} um"
    skipping = "are skipped" if forecast.skips_background else "are computed like all others"
    most = "at most " if forecast.skips_background or forecast.roi_percent is not None else ""
    rate = f"{forecast.megapixels_per_second:.1f} megapixels a second"
    positions = f"{by(*forecast.cells)} positions of {forecast.cell_um:g} um"
    megapixels = f"{forecast.megapixels:.1f} megapixels ({rate}, limited by {forecast.limited_by})"
    roi = forecast.roi_percent
    return [
        ("slide", forecast.slide),
        ("level to read", f"{level}, in chunks of {by(*forecast.chunk)}"),
        ("model pixels", f"{by(*forecast.model_shape)} of {forecast.model_pixel_size_um:g} um"),
        ("label image", f"{positions}, {forecast.labels_mb:.1f} MB"),
        ("tiles", f"{by(*forecast.tiles)} of about {forecast.tile_px} px"),
        ("halo", f"{forecast.halo_percent:.0f} % more pixels than without a halo"),
        ("at once", f"{forecast.workers} tiles, {forecast.threads} threads each"),
        ("provider", f"{forecast.provider} ({forecast.provider_reason})"),
        ("memory", f"about {forecast.memory_mb:.0f} MB"),
        *([] if roi is None else [("region of interest", f"in tiles of {roi:.0f} % of the slide")]),
        ("empty positions", f"{skipping} ({forecast.skipping_reason})"),
        ("time", f"{most}{duration(forecast.seconds)} for {megapixels}"),
    ]
