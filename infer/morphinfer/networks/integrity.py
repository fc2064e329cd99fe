"""The SHA-256 of the files of a model set, against those that its card.json lists."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morphinfer.errors import ModelError
from morphinfer.limits import parse_json

CARD = "card.json"
SHOWN = 12
"""Digits of a hash in a message."""

logger = logging.getLogger(__name__)


def stored_card(path: Path) -> dict[str, Any] | None:
    """Content of card.json of a set; None where the set is a single file or has none.

    Raises
    ------
    ModelError
        It cannot be read.
    """
    stored = path / CARD
    if not stored.is_file():
        return None
    try:
        card: dict[str, Any] = parse_json(stored.read_bytes())
        listed_hashes(card)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise ModelError(
            f"{stored}: cannot be read ({problem!r}); restore it, or remove it to go by the cards in "
            f"the model files"
        ) from problem
    return card


def listed_hashes(card: Mapping[str, Any] | None) -> dict[str, str]:
    """SHA-256 of each file by its name, as a card.json lists them; empty where it lists none."""
    return {str(n["file"]): str(n["sha256"]) for n in (card or {}).get("networks", [])}


def hashes_of(files: list[Path]) -> dict[str, str]:
    """SHA-256 of each file, by its name.

    Raises
    ------
    ModelError
        A file cannot be read.
    """
    try:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    except OSError as problem:
        raise ModelError(f"{problem.filename}: cannot be read ({problem.strerror})") from problem


def changed_files(listed: Mapping[str, str], hashes: Mapping[str, str]) -> list[str]:
    """Names of files whose hash is another, that are gone, or that are not listed.

    >>> changed_files({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"})
    ['b', 'c']
    >>> changed_files({}, {"a": "1"})
    []
    """
    names = {*listed, *hashes} if listed else set()
    return sorted(name for name in names if listed.get(name) != hashes.get(name))


def refuse_changed(path: Path, hashes: Mapping[str, str]) -> None:
    """Raise if a file of a set is not the one that the card.json of its folder lists.

    Parameters
    ----------
    path : Path
        Folder of the set; for a single file nothing is compared.
    hashes : mapping of str to str
        SHA-256 of each of its files, by name.

    Raises
    ------
    ModelError
        A hash differs, a listed file is gone, a file is not listed, or card.json cannot be read.
    """
    listed = listed_hashes(stored_card(path))
    if not listed:
        logger.info("%s: no %s lists hashes, so no file was compared with one", path, CARD)
    for name in changed_files(listed, hashes):
        ours, theirs = hashes.get(name), listed.get(name)
        if ours is None:
            problem = f"is missing, though {CARD} lists it"
        elif theirs is None:
            problem = f"is not listed in {CARD}"
        else:
            problem = f"has the SHA-256 {ours[:SHOWN]}, but {CARD} lists {theirs[:SHOWN]}"
        raise ModelError(
            f"{path / name}: {problem}; the set is damaged or was changed: copy or export it again, "
            f"or, if the change is yours, remove {CARD}"
        )
