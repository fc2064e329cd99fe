"""The object that ``morphinfer doctor`` prints with ``--json``."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

CheckState = Literal["ok", "warning", "failed"]
"""'warning' where segmentation works, but not as well as it could here."""


class Check(TypedDict):
    """One thing that was checked."""

    name: str
    """What was checked."""
    state: CheckState
    """Whether it is as it should be."""
    found: str
    """What was found, in a clause."""
    facts: dict[str, Any]
    """The same for machines; which keys there are depends on the check."""
    problem: str
    """What is wrong, in a sentence; empty where nothing is."""
    commands: list[str]
    """Commands that mend it, one after the other."""


class Diagnosis(TypedDict):
    """What ``morphinfer doctor --json`` prints."""

    works: bool
    """Whether segmentation works here: no check failed."""
    checks: list[Check]
    """The checks, in order."""
