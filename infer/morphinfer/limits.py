"""What a file from outside may claim; a file that claims more is refused in one sentence.

Each limit is the default of an environment variable, MORPHINFER_ and its name, which sets another one:
MORPHINFER_MOST_PIXELS=500000000000. docs/formats.md lists them.
"""

from __future__ import annotations

import json
import os
from typing import Any

from morphinfer.errors import OptionsError

LIMITS = {
    # A whole glass of 75 x 25 mm at 0.1 micrometres has 187.5 billion.
    "MOST_PIXELS": 200_000_000_000,
    "MOST_CHUNK_MB": 1000,
    # Levels halve: 64 of them are more than any image has.
    "MOST_LEVELS": 64,
    "MOST_CHANNELS": 10_000,
    "MOST_SERIES": 10_000,
    "LONGEST_NAME": 1000,
    "MOST_METADATA_MB": 16,
    "MOST_ANNOTATIONS_MB": 1000,
    "MOST_VECTOR_MB": 64,
    "DEEPEST_JSON": 100,
}
"""Defaults; those of the slide and its metadata first, then those of other files."""


def limit(name: str) -> int:
    """The limit of a name, as the environment or else this version sets it.

    >>> limit("MOST_LEVELS")
    64

    Raises
    ------
    OptionsError
        The environment variable is no whole number above 0.
    """
    stated = os.environ.get(variable(name), "")
    if stated and not (stated.isascii() and stated.isdecimal() and int(stated[:20]) > 0):
        raise OptionsError(f"{variable(name)} is {stated!r}; it must be a whole number above 0")
    return int(stated[:20]) if stated else LIMITS[name]


def variable(name: str) -> str:
    """The environment variable that sets a limit."""
    return f"MORPHINFER_{name}"


def beyond(name: str) -> str:
    """The end of a sentence about what is beyond a limit: the limit, and the variable that raises it.

    >>> beyond("MOST_LEVELS")
    'more than 64; if it is sound, set MORPHINFER_MOST_LEVELS to allow it'
    """
    return f"more than {limit(name)}; if it is sound, set {variable(name)} to allow it"


def parse_json(text: str | bytes, size: str = "MOST_METADATA_MB") -> Any:
    """Value of a JSON text from outside.

    Parameters
    ----------
    text : str or bytes
        The text; bytes are UTF-8, with or without a byte order mark.
    size : str
        Name of the limit of its size in MB.

    Raises
    ------
    ValueError
        It is no JSON, too large or nested too deeply; the message is a clause.
    """
    if len(text) > limit(size) * 10**6:
        raise ValueError(f"{len(text) / 1e6:.0f} MB of JSON, {beyond(size)}")
    try:
        value = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError as problem:
        raise ValueError(f"its JSON is nested {beyond('DEEPEST_JSON')}") from problem
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse JSON whose objects and lists are nested too deeply.

    Raises
    ------
    ValueError
        They are; the message is a clause.
    """
    if _is_deeper(value, limit("DEEPEST_JSON")):
        raise ValueError(f"its JSON is nested {beyond('DEEPEST_JSON')}")


def _is_deeper(value: Any, most: int) -> bool:
    """Whether objects and lists lie in each other more than so many times; without recursion."""
    inner = [value]
    for _ in range(most):
        nested = (v.values() if type(v) is dict else v for v in inner if type(v) in (dict, list))
        inner = [v for parts in nested for v in parts if type(v) in (dict, list)]
        if not inner:
            return False
    return True
