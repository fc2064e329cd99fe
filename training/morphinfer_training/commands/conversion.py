"""Options and output of the commands that write a model set in another form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from morphinfer.cli.completing import complete_sets
from morphinfer.cli.console import Verbosity, echo, print_json, say, verbosity_options

Command = Callable[..., Any]


def conversion_options(metavar: str, target: str) -> Callable[[Command], Command]:
    """Decorator that adds SET, --out, --json, --overwrite, -q and -v to a command.

    Parameters
    ----------
    metavar : str
        Value of --out in the help text.
    target : str
        What the command writes, such as 'package'.
    """

    def add(command: Command) -> Command:
        for decorate in (
            verbosity_options,
            click.option("--overwrite", is_flag=True, help=f"Replace an existing {target}."),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
            click.option("--out", required=True, type=click.Path(path_type=Path), metavar=metavar,
                         help=f"The {target} to write."),
            click.argument("set_name", metavar="SET", shell_complete=complete_sets),
        ):  # fmt: skip
            command = decorate(command)
        return command

    return add


def print_conversion(
    summary: Mapping[str, Any],
    lines: Iterable[str],
    written: str,
    *,
    as_json: bool,
    verbosity: Verbosity,
) -> None:
    """Print the summary as JSON, or what was written to stdout after lines on stderr.

    Parameters
    ----------
    summary : mapping
        JSON object of the command.
    lines : iterable of str
        Lines for stderr.
    written : str
        What was written, for stdout.
    as_json : bool
        Whether --json was given.
    verbosity : Verbosity
        Whether the lines are printed.
    """
    if as_json:
        print_json(summary)
        return
    for line in lines:
        say(verbosity, line)
    echo(written)
