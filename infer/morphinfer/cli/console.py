"""Output of all commands: verbosity, progress on stderr, JSON on stdout."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.wording import in_options
from morphinfer.names import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable
    from rich.segment import Segment

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # cannot be subscripted at run time before click 8.4

LOGGERS = ("morphinfer", "morphinfer_training")
"""Loggers whose warnings are printed."""


class Verbosity(IntEnum):
    """How much goes to stderr."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class ShownWarnings(logging.Handler):
    """Prints the warnings of the library, with -v its other messages too, each once."""

    def __init__(self, command: Callable[[], click.Command | None]) -> None:
        super().__init__(logging.WARNING)
        self._command = command
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one; options are named in place of parameters."""
        text = record.getMessage()
        if text not in self._printed:
            self._printed.add(text)
            kind = "" if record.levelno < logging.WARNING else "warning: "
            complain(f"{kind}{in_options(text, self._command())}")


@contextmanager
def warnings_shown(
    ctx: click.Context, command: Callable[[], click.Command | None]
) -> Iterator[None]:
    """Print the warnings of the library to stderr until the context ends."""
    handler = ShownWarnings(command)
    ctx.obj = handler
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def verbosity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -v and -q, which arrive as the keyword ``verbosity``."""

    def chosen(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.params["verbosity"] = Verbosity[str(param.name).upper()]
            if shown := ctx.find_object(ShownWarnings):
                quiet = ctx.params["verbosity"] == Verbosity.QUIET
                shown.setLevel(logging.ERROR if quiet else logging.INFO)
                if not quiet:
                    logging.getLogger(LOGGERS[0]).setLevel(logging.INFO)
        else:
            ctx.params.setdefault("verbosity", Verbosity.NORMAL)

    for flags, text in (
        ("-q/--quiet", "Only errors, and the JSON."),
        ("-v/--verbose", "More messages."),
    ):
        command = click.option(
            *flags.split("/"), is_flag=True, expose_value=False, callback=chosen, help=text
        )(command)
    return command


def echo(*lines: str, err: bool = False) -> None:
    """Print lines to stdout, unless -q was given, or to stderr; names of files cannot steer the terminal."""
    if err or not _quiet():
        for line in lines:
            click.echo(printable(line), err=err)


def _quiet() -> bool:
    """Whether the command that runs was given -q: only errors and the JSON are printed."""
    context = click.get_current_context(silent=True)
    return context is not None and context.params.get("verbosity") == Verbosity.QUIET


def show_table(table: ConsoleRenderable, width: int | None = None) -> None:
    """Print a table, or another renderable of rich, to stdout, unless -q was given; texts are no markup."""
    if _quiet():
        return
    from rich.console import Console

    console = Console(width=width, markup=False, emoji=False, highlight=False)
    console.print(_Printable(table))


class _Printable:
    """A renderable of rich whose texts cannot steer the terminal."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._shown, options):
            text = "\n".join(map(printable, segment.text.split("\n")))
            yield segment if segment.control else segment._replace(text=text)


def say(verbosity: Verbosity, text: str, *, least: Verbosity = Verbosity.NORMAL) -> None:
    """Print a line to stderr if the verbosity is at least ``least``."""
    if verbosity >= least:
        echo(in_options(text), err=True)


def complain(problem: str, *, notes: Sequence[str] = ()) -> None:
    """Print an error or a warning, and each note on it, as a line on stderr."""
    for line in (problem, *notes):
        echo(f"morphinfer: {in_options(line)}", err=True)


def memory_problem(problem: MemoryError) -> str:
    """The sentence on an error of Python or NumPy that no step of a run has turned into one."""
    return f"not enough memory ({problem}); close other programs, or give a smaller --max-memory or --tile"


def print_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object to stdout."""
    click.echo(json.dumps(content, allow_nan=False))
