"""Slides that another program may still be writing: which there are, and how much there is of each."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from morphinfer.images.stores.folders import is_folder_of_slides, slides_in

UNFINISHED = (
    ".crdownload", ".filepart", ".lck", ".lock", ".part", ".partial", ".temp", ".tmp", ".unfinished",
    ".writing",
)  # fmt: skip
"""How names of files end by which programs say that they are writing."""
BEFORE = (".", "~$", ".~lock.", "")
"""What stands before the name of a slide in the name of such a file beside it."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What of a slide is on the disk."""

    files: int
    """Number of files."""
    size_bytes: int
    """Their sizes together."""
    newest_ns: int
    """Latest time at which one was modified, in nanoseconds since 1970."""
    busy: str = ""
    """Name of a file by which a program says that it is writing; empty if there is none."""


def footprint(slide: Path) -> Footprint:
    """Count the files of a slide, a file or a folder; what goes meanwhile is not counted."""
    files = size = newest = 0
    busy = _beside(slide)
    folders = os.walk(slide) if slide.is_dir() else [(str(slide.parent), [], [slide.name])]
    for folder, _, names in folders:
        for name in names:
            with suppress(OSError):
                state = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 (a slide has 100,000)
                files, size = files + 1, size + state.st_size
                newest = max(newest, state.st_mtime_ns)
            if name.lower().endswith(UNFINISHED):
                busy = name
    return Footprint(files, size, newest, busy)


def _beside(slide: Path) -> str:
    """Name of a file beside the slide, named after it, by which a program says that it is writing."""
    stem = slide.name.split(".", 1)[0] or slide.name
    starts = tuple(f"{before}{stem}" for before in BEFORE)
    with suppress(OSError):
        for name in os.listdir(slide.parent):  # noqa: PTH208
            rest = next((name[len(start) :] for start in starts if name.startswith(start)), None)
            is_of_slide = rest is not None and (not rest or rest[0] in ".#")
            if is_of_slide and name != slide.name and name.lower().endswith((*UNFINISHED, "#")):
                return name
    return ""


def slides_below(folder: Path) -> list[Path]:
    """The slides in a folder and in those below it, but not below links; in sorted order.

    Raises
    ------
    SlideError
        The folder cannot be listed.
    """
    slides = slides_in(folder)
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and not path.is_symlink() and is_folder_of_slides(path):
            slides += slides_below(path)
    return sorted(slides)
