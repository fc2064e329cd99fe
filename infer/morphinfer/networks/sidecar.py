"""The card of a foreign network in a JSON file beside it (contract C3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from morphinfer.classes import LabelClass
from morphinfer.errors import ModelError
from morphinfer.limits import parse_json
from morphinfer.names import suggestion
from morphinfer.networks.cards import Card
from morphinfer.tiles import Normalisation

DESCRIPTIVE = ("set_name", "network", "provenance", "test_vectors", "format")
"""Keys that change no result, so that another name for one may be ignored."""


def card_in_sidecar(sidecar: Path, shape: list[Any]) -> tuple[str, list[str]]:
    """Card of a foreign network as JSON, and a warning for each key that is not known.

    Parameters
    ----------
    sidecar : Path
        The JSON file.
    shape : list
        Shape of the network's input; the patch size comes from there where the file states none.

    Raises
    ------
    ModelError
        The file is no JSON object, or a key is a misspelt one.
    """
    try:
        card = parse_json(sidecar.read_bytes())
    except (OSError, ValueError) as problem:
        raise ModelError(f"{sidecar}: not valid JSON ({problem}); correct it") from problem
    if not isinstance(card, dict):
        raise ModelError(
            f"{sidecar}: a {type(card).__name__}, where a card is an object, "
            f'{{"classes": [...], "pixel_size_um": 0.65}}'
        )
    unknown = _check_keys(card, [*(f.name for f in fields(Card)), "format"], sidecar, "")
    _check_kinds(card, sidecar)
    for each in card.get("classes", []):
        unknown += _check_keys(each, (f.name for f in fields(LabelClass)), sidecar, "classes: ")
    ways = [f.name for f in fields(Normalisation)]
    if strange := _check_keys(card.get("normalisation", {}), ways, sidecar, "normalisation: "):
        raise ModelError(f"{strange[0].split(', so')[0]}; known are {', '.join(ways)}")
    sides = [n for n in shape[1:] if isinstance(n, int)]
    if len(shape) == 4 and (repeated := [n for n in sides if sides.count(n) > 1 and n > 3]):
        card.setdefault("patch_size_px", repeated[0])
    card.setdefault("network", sidecar.stem)
    return json.dumps(card), unknown


def _check_kinds(card: Mapping[str, Any], sidecar: Path) -> None:
    """Refuse values of another kind than their keys have."""
    classes = card.get("classes", [])
    for key, fits, meant in (
        ("classes", isinstance(classes, list) and all(isinstance(c, dict) for c in classes),
         'a list of objects, [{"name": "dense", "colour": "#e69f00"}, ...]'),
        ("normalisation", isinstance(card.get("normalisation", {}), dict), "an object"),
        ("padding_free", isinstance(card.get("padding_free", False), bool), "true or false"),
        ("output", card.get("output", "logits") in ("logits", "probabilities"),
         '"logits" or "probabilities"'),
        *((key, _is_whole(card.get(key, 1)), "a whole number")
          for key in ("patch_size_px", "stride_px")),
        ("pixel_size_um", _is_number(card.get("pixel_size_um", 1)), "a number of micrometres"),
    ):  # fmt: skip
        if not fits:
            raise ModelError(
                f"{sidecar}: '{key}' is {json.dumps(card[key])[:80]}; it must be {meant}"
            )


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and float(value) is not None
    except (TypeError, ValueError, OverflowError):
        return False


def _is_whole(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


def _check_keys(
    found: Mapping[str, Any], known: Iterable[str], sidecar: Path, where: str
) -> list[str]:
    """A warning for each key that is not known; refuse one that is nearly another that is missing."""
    known = list(known)
    missing = [key for key in known if key not in found and key not in DESCRIPTIVE]
    warnings = []
    for key in (key for key in found if key not in known):
        if near := suggestion(key, missing):
            raise ModelError(f"{sidecar}: {where}'{key}' is not known{near}; rename or remove it")
        warnings.append(f"{sidecar}: {where}'{key}' is not known, so it is ignored")
    return warnings
