"""Names from files: as they are shown, and the nearest of the known ones to one that is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

CUTOFF = 0.6
"""Least similarity of two names, 0 to 1, by `difflib.SequenceMatcher`."""
UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Characters that steer a terminal, turn the direction of text, or that XML 1.0 does not allow."""


def printable(text: str) -> str:
    r"""A text from a file with its control characters as Python writes them.

    >>> printable("DAPI" + chr(27) + "[2J µm")
    'DAPI\\x1b[2J µm'
    """
    return UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


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


def nearest_name(path: Path) -> str:
    """A clause that names what is spelt most like a path that does not exist; '' for nothing."""
    above = path.absolute().parent
    if not above.is_dir():
        missing = next((p for p in reversed(path.absolute().parents) if not p.exists()), above)
        return f" (there is no {missing})"
    return suggestion(path.name, [p.name for p in above.iterdir()])
