"""Folders that a run writes to: whether they can be written, and how much is free."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from morphinfer.doctor.finding import Finding
from morphinfer.records import CheckState

LEAST_FREE_MB = 200
"""Room for the label image, picture and report of a large slide, and for its unfinished parts."""
ELSEWHERE = "morphinfer segment SLIDE --out-dir FOLDER"


def here() -> Finding:
    """The current folder, where slides and their results often are."""
    return _place(Path.cwd(), "go to another folder, or write results elsewhere", "failed")


def temporary() -> Finding:
    """The folder for temporary files."""
    try:
        folder = Path(tempfile.gettempdir())
    except OSError as problem:
        text = f"there is no temporary folder ({problem.strerror}); name one in the variable TMPDIR"
        return Finding("none", {}, text, (), "warning")
    return _place(folder, "free some, or name another in the variable TMPDIR", "warning")


def _place(folder: Path, way_out: str, state: CheckState) -> Finding:
    free_mb = shutil.disk_usage(folder).free // 10**6
    facts = {"folder": str(folder), "free_mb": free_mb, "writable": True}
    found = f"{folder}: {free_mb} MB free, writable"
    commands = (ELSEWHERE,) if state == "failed" else ()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"morphinfer")
    except OSError as problem:
        text = f"{folder} cannot be written ({problem.strerror}); {way_out}"
        found = f"{folder}: {free_mb} MB free, not writable"
        return Finding(found, {**facts, "writable": False}, text, commands, state)
    if free_mb < LEAST_FREE_MB:
        text = f"{folder} has only {free_mb} MB free of the {LEAST_FREE_MB} that a run may take; {way_out}"
        return Finding(found, facts, text, commands, state)
    return Finding(found, facts)
