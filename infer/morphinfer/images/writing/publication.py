"""Several outputs appear together: a reader sees all of the old ones, none, or all of the new ones.

The new ones are complete in one folder beside their places, and on the disk. A file, the intent, says
which become what. Then the old main output is moved into the folder, the others are exchanged, and the new
main output gets its name last; nothing but renames. Whatever stops them, the next call for the main output
reads the intent and goes on (`settle`). The folder is removed, and at the very end the intent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from morphinfer.errors import OutputError
from morphinfer.images.writing.files import flush, flush_folder, remove
from morphinfer.images.writing.workspaces import WORKSPACE, held, is_held
from morphinfer.records import parse_fields

DRAFT = ".unfinished"
"""End of the name of the folder in which a run prepares a label image."""
PLAIN = re.compile(r"[^/\\:]*[^/\\:.][^/\\:]*")
"""A name that leads into no other folder."""
BESIDE = (
    ".png", ".svg", ".json", ".html", "_probabilities.zarr", "_uncertainty.zarr", "_nuclei.tif",
    "_classes.geojson", "_spots.csv",
)  # fmt: skip
"""Ends that the names of outputs have which may appear together with a main one."""
SLOWEST_SECONDS = 600.0
"""A publication takes a moment; one of another machine that began longer ago has stopped."""
MOST_BYTES = 65536
"""More than an intent has."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Outputs that belong together, as the intent states them; all names are of one folder."""

    folder: str
    """Folder in which the new outputs lie."""
    sources: tuple[str, ...]
    """Their names in it."""
    names: tuple[str, ...]
    """Their final names; the last is the main one."""
    removed: tuple[str, ...] = ()
    """What belongs to the old main output and has no successor."""
    maker: str = ""
    """What made them: with the same outputs, a call that did the same work."""
    inode: int = 0
    """Number of the folder in its file system; one that came from elsewhere has another."""

    def publish(self, parent: Path) -> None:
        """Give the outputs their final names, or change nothing.

        Raises
        ------
        OSError
            A rename fails; all that was renamed is undone.
        """
        folder = parent / self.folder
        flush(*(folder / source for source in self.sources))
        flush_folder(folder)
        note = folder / "intent"
        content = asdict(replace(self, inode=folder.stat().st_ino))
        note.write_text(json.dumps(content), encoding="utf-8")
        flush(note)
        note.replace(self.intent(parent))
        flush_folder(parent)
        try:
            self._rename_all(parent)
        except BaseException:
            self._undo(parent)
            raise

    def is_of(self, outputs: Iterable[Path]) -> bool:
        """Whether it published exactly these outputs."""
        return {path.name for path in outputs} == {*self.names}

    def intent(self, parent: Path) -> Path:
        """The file that holds this."""
        return intent_path(parent / self.names[-1])

    def complete(self, parent: Path) -> bool:
        """Go on after a process that died while it published; returns whether the new outputs are there.

        Where one of them is lost, the old ones get their names again.
        """
        if (parent / self.folder).exists():
            if all(self._is_whole(parent, *pair) for pair in self._pairs()):
                self._rename_all(parent)
            elif _exists(parent / self.folder / self.sources[-1]):
                self._undo(parent)
        return all(_exists(parent / name) for name in self.names)

    def _pairs(self) -> list[tuple[str, str]]:
        return list(zip(self.sources, self.names, strict=True))

    def _is_whole(self, parent: Path, source: str, name: str) -> bool:
        """Whether a new output is there, under one of its names, and leads nowhere else."""
        new = parent / self.folder / source
        if not _exists(new):
            return _exists(parent / name)
        return not any(each.is_symlink() for each in (new, *new.rglob("*")))

    def _rename_all(self, parent: Path) -> None:
        """Rename what has not its final name yet."""
        folder = parent / self.folder
        *others, main = self._pairs()
        if _exists(folder / main[0]):
            for name in (main[1], *self.removed):
                self._move_aside(parent, name)
        for source, name in (*others, main):
            if _exists(folder / source):
                self._move_aside(parent, name)
                (folder / source).rename(parent / name)
        flush_folder(parent)

    def _move_aside(self, parent: Path, name: str) -> None:
        aside = self._aside(parent, name)
        if _exists(parent / name):
            remove(aside)
            (parent / name).rename(aside)

    def _aside(self, parent: Path, name: str) -> Path:
        return parent / self.folder / f"replaced-{name}"

    def _undo(self, parent: Path) -> None:
        """Give the old outputs their names again; the new ones are in the folder after it."""
        folder = parent / self.folder
        for source, name in reversed(self._pairs()):
            if not _exists(folder / source) and _exists(parent / name):
                (parent / name).rename(folder / source)
        for name in (*self.removed, *self.names):
            aside = self._aside(parent, name)
            if _exists(aside) and not _exists(parent / name):
                aside.rename(parent / name)
        flush_folder(parent)
        self.intent(parent).unlink(missing_ok=True)


def settle(main: Path) -> Publication | None:
    """Complete what a process that died has left of its publication of an output.

    Returns what it published, or None where there is nothing of the kind. The intent stays until `forget`:
    the call that wrote it has not ended, and its outputs are not in the way of the same call.

    Raises
    ------
    OutputError
        A living process publishes it at this moment.
    """
    if main.name in ("", ".."):
        return None
    path = intent_path(main)
    if not _exists(path):
        return None
    publication = _read(path, main)
    if publication is None:
        path.unlink(missing_ok=True)
        return None
    folder = main.with_name(publication.folder)
    with held(folder) if not is_held(folder, SLOWEST_SECONDS) else nullcontext(False) as alone:
        if not alone and folder.exists():
            raise OutputError(f"{main}: is being published by another process; wait for it")
        complete = publication.complete(main.parent)
    if folder.exists() and (complete or WORKSPACE.fullmatch(folder.name)):
        with suppress(OSError):  # on Windows a file of the old result that is open stays
            remove(folder)
    if complete:
        return publication
    path.unlink(missing_ok=True)
    return None


def forget(main: Path) -> None:
    """Remove the intent, now that the call which published ends."""
    intent_path(main).unlink(missing_ok=True)


def intent_path(main: Path) -> Path:
    """The file that says that an output is being published."""
    return main.with_name(f".{main.name}.publishing")


def _read(path: Path, main: Path) -> Publication | None:
    """The publication of an intent; None if it cannot be one that this program wrote for the output."""
    try:
        if path.is_symlink() or path.stat().st_size > MOST_BYTES:
            return None
        read = parse_fields(Publication, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return read if _is_sound(read, main) else None


def _is_sound(read: Publication, main: Path) -> bool:
    """Whether all names are such as this program gives to what appears with an output, and no links."""
    own = {main.name, *(stem + ending for stem in (main.name, main.stem) for ending in BESIDE)}
    hidden = WORKSPACE.fullmatch(read.folder) and read.folder.startswith(f".{main.name}.partial-")
    if not (hidden or read.folder == main.name + DRAFT):
        return False
    folder = main.with_name(read.folder)
    return (
        not (_exists(folder) and folder.lstat().st_ino != read.inode)
        and all(PLAIN.fullmatch(source) for source in read.sources)
        and len(read.sources) == len(read.names) > 0
        and read.names[-1] == main.name
        and own.issuperset((*read.names, *read.removed))
    )


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()
