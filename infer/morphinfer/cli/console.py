"""Output of all commands: verbosity, progress on stderr, JSON on stdout."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from morphinfer.callbacks import OnCount
from morphinfer.cli.wording import in_options
from morphinfer.names import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable
    from rich.segment import Segment

    from morphinfer.runs import Progress as TileProgress
    from morphinfer.runs import Report

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # cannot be subscripted at run time before click 8.4

ProgressKind = Literal["auto", "bar", "lines", "json", "none"]
Clock = Callable[[], float]
LOGGERS = ("morphinfer", "morphinfer_training")
"""Loggers whose warnings are printed."""
SHORTEST_SECONDS = 1.0
"""Least time between two objects of ``--progress json``."""


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


def progress_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --progress, which arrives as the keyword ``progress``."""
    return click.option(
        "--progress", type=click.Choice(get_args(ProgressKind)), default="auto", show_default=True,
        help="Progress on stderr; auto is a bar on a terminal, lines elsewhere, and none with -q; "
        "json is one object per line.",
    )(command)  # fmt: skip


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


@contextmanager
def progress_bar(label: str, verbosity: Verbosity) -> Iterator[OnCount]:
    """Yield a callback of (done, total): a bar on a terminal, a line for every tenth elsewhere."""
    if verbosity == Verbosity.QUIET:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        from rich.progress import MofNCompleteColumn, TimeRemainingColumn

        with _rich_bar(label, MofNCompleteColumn(), TimeRemainingColumn()) as (bar, task):
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _every_tenth(lambda done, total: echo(f"{label}: {done} of {total}", err=True))


@contextmanager
def tile_progress(
    label: str,
    slide: str,
    kind: ProgressKind,
    verbosity: Verbosity,
    clock: Clock = perf_counter,
) -> Iterator[Report | None]:
    """Yield a callback of `morphinfer.runs.Progress`, or None if no progress is shown."""
    if kind == "auto":
        shown: ProgressKind = "bar" if sys.stderr.isatty() else "lines"
        kind = "none" if verbosity == Verbosity.QUIET else shown
    if kind == "bar":
        with _tile_bar(label, clock) as report:
            yield report
    elif kind == "lines":
        yield _tile_lines(label, clock)
    else:
        yield _json_lines(slide, clock) if kind == "json" else None


@contextmanager
def _tile_bar(label: str, clock: Clock) -> Iterator[Report]:
    from rich.progress import TextColumn

    began = clock()
    with _rich_bar(label, TextColumn("{task.fields[status]}", markup=False)) as (bar, task):

        def report(done: TileProgress) -> None:
            status = _status(done, clock() - began)
            bar.update(task, completed=done.tiles, total=done.all_tiles, status=status)

        yield report


@contextmanager
def _rich_bar(label: str, *columns: Any) -> Iterator[tuple[Any, Any]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    head = (TextColumn(printable(label), markup=False), BarColumn())
    with Progress(*head, *columns, console=Console(stderr=True), transient=True) as bar:
        yield bar, bar.add_task(printable(label), total=None, status="")


def _tile_lines(label: str, clock: Clock) -> Report:
    began = clock()
    latest: list[TileProgress] = []
    advance = _every_tenth(
        lambda *_: echo(f"{label}: {_status(latest[-1], clock() - began)}", err=True)
    )

    def report(done: TileProgress) -> None:
        latest[:] = [done]
        advance(done.tiles, done.all_tiles)

    return report


def _every_tenth(callback: OnCount) -> OnCount:
    """Pass on a call whenever another tenth is done."""
    tenths = 0

    def report(done: int, total: int) -> None:
        nonlocal tenths
        now = 10 * done // max(total, 1)
        if now > tenths:
            tenths = now
            callback(done, total)

    return report


def _json_lines(slide: str, clock: Clock) -> Report:
    """About one object a second at most, and one at the end."""
    began = clock()
    printed = began - SHORTEST_SECONDS

    def report(done: TileProgress) -> None:
        nonlocal printed
        now = clock()
        if now - printed < SHORTEST_SECONDS and done.tiles < done.all_tiles:
            return
        printed = now
        rate, left = _pace(done, now - began)
        line = {
            "event": "progress",
            "slide": slide,
            "tiles": done.tiles,
            "all_tiles": done.all_tiles,
            "megapixels": round(done.megapixels, 3),
            "all_megapixels": round(done.all_megapixels, 3),
            "megapixels_per_second": round(rate, 3),
            "seconds_left": round(left, 1),
        }
        click.echo(json.dumps(line, allow_nan=False), err=True)

    return report


def _status(done: TileProgress, seconds: float) -> str:
    rate, left = _pace(done, seconds)
    tiles = f"{done.tiles} of {done.all_tiles} tiles"
    return f"{tiles}, {rate:.1f} Mpx/s, {duration(left)} left"


def _pace(done: TileProgress, seconds: float) -> tuple[float, float]:
    """Megapixels a second so far, and the seconds left at this rate."""
    rate = done.megapixels / max(seconds, 1e-6)
    return rate, max(0.0, done.all_megapixels - done.megapixels) / max(rate, 1e-6)


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, rounded.

    >>> [duration(s) for s in (0.4, 90, 600, 9000)]
    ['0 s', '90 s', '10 min', '2.5 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
