"""Whether a scored slide is one that its model set was trained on, and which part of it is unseen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from morphinfer.records import RunFit, RunRecord

SAME = 0.02
"""Relative difference of each statistic up to which a slide looks like a training section itself. Two
slides of the same metadata, such as two fields of view of one scanner, differ in them."""


def trained_on(record: RunRecord) -> str | None:
    """A warning if the slide of a run is one that the networks were trained on, else None.

    The slide is known by its metadata and, where the cards say how the training sections look, by that.

    Parameters
    ----------
    record : RunRecord
        Record of the run, with what the cards say of the training.
    """
    provenance = record.models.provenance or {}
    sections = provenance.get("sections")
    for section in sections if isinstance(sections, list) else []:
        if (
            isinstance(section, Mapping)
            and section.get("identity") == record.slide.identity
            and _looks_like(record.fit, str(section.get("name")))
        ):
            return (
                f"{PurePath(record.slide.path).name}: the model set {record.models.name} was trained on "
                f"this slide, so its scores say nothing about other tissue; {_unseen(section, provenance)}"
            )
    return None


def _unseen(section: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    test = provenance.get("test")
    if section.get("test_cells") and isinstance(test, Mapping):
        return (
            f"unseen is only its test part, {test.get('part')} ({section['test_cells']} positions): score "
            f"that part alone, with `roi`"
        )
    if section.get("held_out_cells"):
        return (
            f"no part of it is unseen: the {section['held_out_cells']} positions that were not trained on "
            f"chose steps, calibration and weights of the networks"
        )
    return "no part of it is unseen"


def _looks_like(fit: RunFit | None, section: str) -> bool:
    """Whether a slide has the statistics of a training section; True if they are not known."""
    if fit is None or not fit.checked or section not in fit.training:
        return True
    return all(
        math.isclose(fit.slide[name], value, rel_tol=SAME, abs_tol=SAME)
        for name, value in fit.training[section].items()
        if name in fit.slide
    )
