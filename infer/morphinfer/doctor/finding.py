"""What one check finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from morphinfer.records import CheckState


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what mends it."""

    found: str
    """One clause."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same as JSON values."""
    problem: str = ""
    """One sentence; empty where all is well."""
    commands: tuple[str, ...] = ()
    """Commands that mend it, in order."""
    state: CheckState = "ok"


def pip(words: str) -> str:
    """A command of pip, or of uv in an environment without pip."""
    return f"python -m pip {words}" if find_spec("pip") else f"uv pip {words.replace(' -y', '')}"


def reinstall(package: str) -> str:
    """The command that installs a package again."""
    return pip(f"install --force-reinstall --no-deps {package}")
