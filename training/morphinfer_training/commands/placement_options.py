"""The options that say where the coordinates of a table lie on the slide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from morphinfer_training.spots import ORIENTATIONS


def placement_options(table: str) -> Callable[[Any], Any]:
    """A decorator that adds these options to a command; ``table`` is its word for the table."""
    options = [
        click.option(
            "--unit",
            type=click.Choice(["pixel", "micrometer"]),
            help="Unit of the coordinates.  [default: from the names of the columns]",
        ),
        click.option(
            "--transform",
            metavar="FILE|A,B,C,D,E,F",
            help=f"From the coordinates of {table} to pixels: column = A x + B y + C, row = D x + E y + F; "
            "or a file with that matrix, as MERSCOPE writes it; or alignment:FILE of Xenium Explorer.",
        ),
        click.option(
            "--shift",
            metavar="DX,DY",
            help="Pixels to the right and down that are added to the coordinates.",
        ),
        click.option(
            "--orient",
            "orientation",
            type=click.Choice(list(ORIENTATIONS)),
            default="given",
            show_default=True,
            metavar="ORIENTATION",
            help=f"Orientation of the coordinates relative to the slide: {', '.join(ORIENTATIONS)}.",
        ),
    ]

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add
