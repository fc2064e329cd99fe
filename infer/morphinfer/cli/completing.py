"""Values that a shell completes: model sets, channels of the slide, classes of the reference.

What cannot be read has no completions, and nothing is printed. Files are offered where no value fits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from morphinfer.errors import MorphinferError

if TYPE_CHECKING:
    Item = CompletionItem[str]
else:
    Item = CompletionItem  # cannot be subscripted at run time before click 8.4

Values = Callable[[click.Context, str], Iterable[str]]
"""The values that fit what the command line holds so far; the second argument is the incomplete one."""
Complete = Callable[[click.Context, click.Parameter, str], list[Item]]


def completing(values: Values, *, files: bool = False) -> Complete:
    """What click calls to complete a value: those of ``values`` that begin as the incomplete one does.

    Parameters
    ----------
    values : callable
        Gives the values; it may raise what reading a damaged file raises.
    files : bool
        Whether the value may be a path as well.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
        logging.disable(logging.CRITICAL)
        try:
            known = list(values(ctx, incomplete))
        except (MorphinferError, OSError, ImportError):
            known = []
        finally:
            logging.disable(logging.NOTSET)
        items: list[Item] = [
            CompletionItem(value) for value in known if value.startswith(incomplete)
        ]
        return items or ([CompletionItem(incomplete, type="file")] if files else [])

    return complete


def _sets(ctx: click.Context, incomplete: str) -> Iterable[str]:
    from morphinfer.networks import shipped_sets

    return sorted(shipped_sets())


def _channels(ctx: click.Context, incomplete: str) -> Iterable[str]:
    from morphinfer.images import open_slide

    slide, series = given(ctx, "slides", "slide", "source"), ctx.params.get("series")
    return open_slide(slide, channel=0, pixel_size_um=1.0, series=series).channels if slide else ()


def _classes(ctx: click.Context, incomplete: str) -> Iterable[str]:
    from morphinfer.images import open_labels

    reference = given(ctx, "reference")
    return [c.name for c in open_labels(reference).classes] if reference else ()


def given(ctx: click.Context, *names: str) -> str | Path | None:
    """The first value that the line has for one of these parameters.

    The option that is completed has no value yet, for which click leaves the arguments as they are.
    """
    order = [str(p.name) for p in ctx.command.params if isinstance(p, click.Argument)]
    left = dict(zip(order, ctx.args, strict=False))
    values = [ctx.params.get(name) or left.get(name) for name in names]
    firsts = (value[0] if isinstance(value, tuple) else value for value in values if value)
    return next(firsts, None)


complete_sets = completing(_sets, files=True)
"""Shipped model sets, else files."""
complete_channels = completing(_channels)
"""Channels of the slide that the command line names."""
complete_classes = completing(_classes)
"""Classes of the reference that the command line names."""
