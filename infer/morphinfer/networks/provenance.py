"""Where a model set comes from, as the run record keeps it: a part of what its cards state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from morphinfer.limits import parse_json
from morphinfer.networks.session import ModelSet

FIGURES = "figures.json"
"""File of a set with what was measured of it."""
KEPT = ("date", "protocol", "sections", "validation", "test")
"""Keys of the cards' provenance that are kept; the rest stays in the model files."""
MOST_POINTS = 120
"""Evaluations of a learning curve that are kept; more do not show on a page."""
DIGITS = 4


def provenance_of(models: ModelSet) -> dict[str, Any]:
    """The training of a set as its cards state it, in JSON values.

    Returns
    -------
    dict
        The keys of `KEPT` that the first card has; 'card', use and limits in the words of its author, if
        stated; 'networks', by name the patch size in pixels and the fusion weight;
        'figures', what figures.json states of each scored part, if it exists; and
        'history', the learning curves by network, where there are any.
    """
    provenance = {
        key: _plain(models.card.provenance[key]) for key in KEPT if key in models.card.provenance
    }
    config = models.card.provenance.get("config")
    if isinstance(config, Mapping) and config.get("card"):
        provenance["card"] = _plain(config["card"])
    provenance["networks"] = {
        f.card.network or f.path.stem: {
            "patch_size_px": f.card.patch_size_px,
            "fusion_weight": f.card.fusion_weight,
        }
        for f in models.files
    }
    if figures := _figures(models.files[0].path.parent / FIGURES):
        provenance["figures"] = figures
    history: dict[str, Any] = {}
    for file in models.files:
        curves = file.card.provenance.get("history")
        if isinstance(curves, Mapping):
            history.update({str(name): _curve(curve) for name, curve in curves.items()})
    return {**provenance, "history": history} if history else provenance


def _figures(path: Path) -> list[dict[str, Any]]:
    """Mean Dice of all methods by scored part; empty where the file is missing or damaged."""
    try:
        sections = parse_json(path.read_bytes())["sections"]
        return [
            {
                "section": str(section["section"]),
                "independent": bool(section.get("independent")),
                "verdict": str(section.get("verdict") or ""),
                "methods": [
                    {
                        "name": str(each["name"]),
                        "mean_dice": _rounded(each["dice"]["mean"]),
                        "interval": _plain((each.get("intervals") or {}).get("mean")),
                    }
                    for each in section["methods"]
                ],
            }
            for section in sections
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _curve(curve: Any) -> dict[str, list[Any]]:
    """The same evaluations of each series, the last always among them."""
    if not isinstance(curve, Mapping):
        return {}
    series = {str(k): list(v) for k, v in curve.items() if isinstance(v, Sequence)}
    return {
        key: [_rounded(values[i]) for i in _chosen(len(values))] for key, values in series.items()
    }


def _chosen(count: int) -> list[int]:
    step = max(1, math.ceil(count / MOST_POINTS))
    return list(range(count - 1, -1, -step))[::-1]


def _rounded(value: Any) -> Any:
    return (
        round(value, DIGITS) if isinstance(value, float) and math.isfinite(value) else _plain(value)
    )


def _plain(value: Any) -> Any:
    """The value with null in place of infinite and undefined numbers, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
