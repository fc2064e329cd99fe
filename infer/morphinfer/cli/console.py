"""What the commands share: verbosity, progress on stderr, JSON and tables on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import click

Progress = Callable[[int, int], None]


class Verbosity(IntEnum):
    """How much goes to stderr."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


def verbosity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -v and -q, which arrive as the keyword ``verbosity``."""

    def chosen(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.params["verbosity"] = Verbosity[str(param.name).upper()]
        else:
            ctx.params.setdefault("verbosity", Verbosity.NORMAL)

    for flags, text in (("-q/--quiet", "Errors only."), ("-v/--verbose", "Say what is done.")):
        command = click.option(
            *flags.split("/"), is_flag=True, expose_value=False, callback=chosen, help=text
        )(command)
    return command


def say(verbosity: Verbosity, text: str, *, least: Verbosity = Verbosity.NORMAL) -> None:
    """Print a line to stderr, where the verbosity asks for it."""
    if verbosity >= least:
        click.echo(text, err=True)


def print_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object to stdout."""
    click.echo(json.dumps(content, allow_nan=False))


@contextmanager
def progress_bar(label: str, verbosity: Verbosity) -> Iterator[Progress]:
    """Yield a callback of (done, total): a bar on a terminal, every tenth part as a line elsewhere."""
    if verbosity == Verbosity.QUIET:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _rich_bar(label) as callback:
            yield callback
    else:
        yield _lines(label)


@contextmanager
def _rich_bar(label: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(label: str) -> Progress:
    told = 0

    def report(done: int, total: int) -> None:
        nonlocal told
        tenth = 10 * done // max(total, 1)
        if tenth > told:
            told = tenth
            click.echo(f"{label}: {done} of {total}", err=True)

    return report
