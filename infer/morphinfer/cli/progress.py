"""Progress on stderr: a bar on a terminal, lines elsewhere, or JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from morphinfer.callbacks import OnCount
from morphinfer.cli.console import Verbosity, echo
from morphinfer.names import printable

if TYPE_CHECKING:
    from morphinfer.runs import Progress as TileProgress
    from morphinfer.runs import Report

ProgressKind = Literal["auto", "bar", "lines", "json", "none"]
Clock = Callable[[], float]
SHORTEST_SECONDS = 1.0
"""Least time between two objects of ``--progress json``."""


def progress_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --progress, which arrives as the keyword ``progress``."""
    return click.option(
        "--progress", type=click.Choice(get_args(ProgressKind)), default="auto", show_default=True,
        help="Progress on stderr; auto is a bar on a terminal, lines elsewhere, and none with -q; "
        "json is one object per line.",
    )(command)  # fmt: skip


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
