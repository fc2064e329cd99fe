"""The nearest of the known names to one that is unknown, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.6
"""Least similarity of two names, 0 to 1, by `difflib.SequenceMatcher`."""


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names most like a misspelt one, the likest first; case does not matter.

    >>> nearest("slc17A", ["Slc17a7", "Slc17a6", "Plp1"])
    ['Slc17a7', 'Slc17a6']
    """
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.lower(), each)
    return [folded[n] for n in get_close_matches(name.lower(), list(folded), most, CUTOFF)]


def suggestion(name: str, known: Iterable[str]) -> str:
    """A clause that asks whether the nearest known name was meant; empty where none is near.

    >>> suggestion("segmnt", ["segment", "plan"])
    "; did you mean 'segment'?"
    >>> suggestion("x", ["segment", "plan"])
    ''
    """
    close = nearest(name, known, 1)
    return f"; did you mean '{close[0]}'?" if close else ""
