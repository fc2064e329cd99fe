"""The options --match and --ignore of ``evaluate``, ``segment``, ``finish`` and ``report``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from morphinfer.cli.completing import complete_classes


def _pairs(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    for text in values:
        theirs, sign, ours = (part.strip() for part in text.partition("="))
        if not (theirs and sign and ours):
            raise click.BadParameter(
                f"{text!r} is not THEIRS=OURS, for example Slc17a7=Neurod6", ctx, param
            )
        if pairs.setdefault(theirs, ours) != ours:
            raise click.BadParameter(
                f"'{theirs}' is matched with '{pairs[theirs]}' and with '{ours}'; give it once",
                ctx,
                param,
            )
    return pairs or None


def match_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --match and --ignore.

    They arrive as the keywords ``match``, a dict, or None without the option, and ``ignore``, a tuple.
    """
    command = click.option(
        "--ignore", multiple=True, metavar="NAME", shell_complete=complete_classes,
        help="Do not compare pixels of the reference's class NAME; may be given several times.",
    )(command)  # fmt: skip
    return click.option(
        "--match", multiple=True, metavar="THEIRS=OURS", callback=_pairs, shell_complete=complete_classes,
        help="Compare the reference's class THEIRS with class OURS; may be given several times.",
    )(command)  # fmt: skip
