"""What ``morphinfer watch`` writes down: the slides of a folder, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

STATUS_VERSION = 1
WatchState = Literal["arriving", "waiting", "segmenting", "done", "failed", "changed"]


@dataclass(frozen=True, slots=True)
class WatchedSlide:
    """A slide in the folder."""

    state: WatchState
    """'arriving' until it rests, 'changed' if its files changed after it was segmented."""
    files: int
    """Number of its files, as they were last seen; for 'done' and 'changed', as they were segmented."""
    size_bytes: int
    """Their sizes together."""
    newest_ns: int
    """Latest time at which one was modified, in nanoseconds since 1970."""
    attempts: int = 0
    """How often it was begun since its files last changed, or since the command began."""
    labels: str = ""
    """Path of its label image; empty before there is one."""
    busy: str = ""
    """Name of a file by which a program says that it is writing, for which it waits; else empty."""
    error: str = ""
    """Why it failed, in one sentence; else empty."""
    seconds: float = 0.0
    """Time of the last attempt."""


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """The file ``watch.json``."""

    folder: str
    """The folder that is watched."""
    process: int
    """Number of the process that watches."""
    updated: str
    """When this file was written, in UTC, as ISO 8601; while the process waits, after each look."""
    slides: Mapping[str, WatchedSlide] = field(default_factory=dict)
    """The slides in the folder, by their paths in it."""
    status_version: int = STATUS_VERSION
    """Version of this description."""
