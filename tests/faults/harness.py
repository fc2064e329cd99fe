"""A process that dies at any of its file events, and what its files are worth afterwards.

`events` makes a call die at its n-th rename, flush, opening for writing, new folder or removal: that event
and all later ones fail, in clean-up code too, so the disk stays as a killed process leaves it.
`kill_everywhere` does it at each event in turn, looks at what a reader sees, and makes the same call again.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

from morphinfer.errors import MorphinferError
from morphinfer.images.writing import files
from morphinfer.images.writing.processes import Process

CHANGING = ("rename", "replace", "mkdir", "unlink", "remove", "rmdir", "fsync")
"""Functions of `os` that are events; so is every opening for writing."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TIMES = {"seconds", "megapixels_per_second", "peak_rss_mb"}
"""Figures that differ between two runs of the same command."""


class Died(BaseException):
    """The process is dead: nothing that it does reaches the disk."""


class Events:
    """Counts file events, from event ``last`` on each raises ``fault``; knows what is not on the disk."""

    def __init__(self, last: int | None, fault: Callable[[], BaseException], lasting: bool) -> None:
        self.count = 0
        self.last, self.fault, self.lasting = last, fault, lasting
        self._dirty: set[str] = set()
        self._lock = Lock()

    def happen(self) -> None:
        """One event, which may be the last."""
        with self._lock:
            self.count += 1
            if self.last and (self.count == self.last or (self.lasting and self.count > self.last)):
                raise self.fault()

    def wrote(self, path: Any) -> None:
        """A file was opened for writing, and is not on the disk from now on."""
        with self._lock:
            self._dirty.add(str(Path(path).absolute()))

    def flushed(self, handle: int) -> None:
        """An open file or folder is on the disk."""
        with self._lock, suppress(OSError):
            self._dirty.discard(str(Path(f"/proc/self/fd/{handle}").readlink()))

    def moved(self, old: Any, new: Any) -> None:
        """A file or folder has another name."""
        old, new = str(Path(old).absolute()), str(Path(new).absolute())
        with self._lock:
            below = {path for path in self._dirty if path == old or path.startswith(old + os.sep)}
            self._dirty = (self._dirty - below) | {new + path[len(old) :] for path in below}

    def cut_power(self) -> None:
        """Empty all files that are not on the disk; names are, in the order in which they were given.

        The machine starts again an hour later.
        """
        for path in self._dirty:
            if Path(path).is_file():
                os.truncate(path, 0)
                os.utime(path, (time.time() - 3600,) * 2)


@contextmanager
def events(
    last: int | None = None, fault: Callable[[], BaseException] = Died, *, lasting: bool = True
) -> Iterator[Events]:
    """Count the file events of all threads; event ``last`` fails, and with ``lasting`` all after it."""
    seen = Events(last, fault, lasting)
    opened, opened_low = io.open, os.open

    def changing(name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        seen.happen()
        result = real(*args, **kwargs)
        if name in ("rename", "replace"):
            seen.moved(*args)
        elif name == "fsync":
            seen.flushed(*args)
        return result

    def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not isinstance(file, int) and set(mode) & set("wax+"):
            seen.happen()
            seen.wrote(file)
        return opened(file, mode, *args, **kwargs)

    def opening_low(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & WRITING:
            seen.happen()
            seen.wrote(path)
        return opened_low(path, flags, *args, **kwargs)

    def dead() -> Process:
        return replace(current(), started="another start")  # so no one takes this process for it

    current = Process.current
    with ExitStack() as stack:
        for name in CHANGING:
            stack.enter_context(patch.object(os, name, partial(changing, name, getattr(os, name))))
        for place in (io, builtins):
            stack.enter_context(patch.object(place, "open", opening))
        stack.enter_context(patch.object(os, "open", opening_low))
        stack.enter_context(patch.object(files, "THREADS", 1))
        if lasting:
            stack.enter_context(patch.object(Process, "current", dead))
        yield seen


@dataclass
class Row:
    """What came of the trials of one fault."""

    fault: str
    trials: int = 0
    refused: int = 0
    """The same call ended with an error."""
    mixed: int = 0
    """A reader saw some old and some new outputs, or an incomplete one."""
    different: int = 0
    """The same call gave other bytes than an undisturbed one."""
    lost: int = 0
    """The call failed, and a reader does not see the old outputs any more."""
    left: int = 0
    """Hidden files or folders stayed."""

    def clean(self) -> bool:
        """Whether nothing went wrong, in at least one trial."""
        bad = self.refused or self.mixed or self.different or self.lost or self.left
        return self.trials > 0 and not bad


Call = Callable[[Path], object]
"""Makes the outputs in a folder."""


@dataclass(frozen=True)
class Case:
    """A call whose outputs appear in a folder, which may hold old ones."""

    name: str
    start: Path
    """Folder to begin with; it is copied for each trial."""
    call: Call
    main: str
    """Name of the output without which there is no result."""


def outputs(folder: Path) -> dict[str, bytes]:
    """Content of all files that a reader sees, but for times."""
    paths = (p for p in sorted(folder.rglob("*")) if p.is_file())
    visible = (p for p in paths if not _is_hidden(p.relative_to(folder)))
    return {str(p.relative_to(folder)): _masked(p) for p in visible}


def _is_hidden(path: Path) -> bool:
    first = path.parts[0]
    return first.startswith(".") or ".unfinished" in first


def _masked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name.endswith(("json", ".zattrs")):
        return json.dumps(_without_times(json.loads(content)), sort_keys=True).encode()
    return re.sub(rb"[0-9.]+", b"", content) if path.suffix == ".html" else content


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if key not in TIMES}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def kill_everywhere(
    case: Case, work: Path, *, every: int = 1, first: int = 1, power: bool = False
) -> Row:
    """Let the call die at every ``every``-th of its events, from the ``first`` on, and repeat it.

    With ``power`` all files are emptied that were not flushed by then.
    """
    row, number = Row(case.name + (", power cut" if power else "")), first
    old, new = outputs(case.start), undisturbed(case, work)
    while not _ends(case, _copy(case, work), number, power=power):
        row.trials += 1
        seen = outputs(work)
        shown = any(name.split("/")[0] == case.main for name in seen)
        row.mixed += shown and seen not in (old, new)
        _repeat(case, work, new, row)
        number += every
    return row


def fail_everywhere(
    case: Case, work: Path, problem: Callable[[], BaseException], *, every: int = 1, first: int = 1
) -> Row:
    """Let single events fail, as on a full disk; the old outputs stay, and the same call succeeds."""
    row, number = Row(f"{case.name}, {problem().__class__.__name__}"), first
    old, new = outputs(case.start), undisturbed(case, work)
    while True:
        folder = _copy(case, work)
        try:
            with events(number, problem, lasting=False) as seen:
                case.call(folder)
        except (MorphinferError, OSError, KeyboardInterrupt):
            row.lost += outputs(work) not in (old, new)
        if seen.count < number:
            return row
        row.trials += 1
        if outputs(work) != new or case.main in {path.name for path in case.start.iterdir()}:
            _repeat(case, work, new, row)
        number += every


def undisturbed(case: Case, work: Path) -> dict[str, bytes]:
    """What the call writes."""
    case.call(_copy(case, work))
    return outputs(work)


def count_events(case: Case, work: Path) -> int:
    """File events of an undisturbed call."""
    folder = _copy(case, work)
    with events() as seen:
        case.call(folder)
    return seen.count


def _ends(case: Case, folder: Path, number: int, *, power: bool) -> bool:
    """Make the call, which dies at an event; whether it ended before."""
    with events(number) as seen:
        try:
            case.call(folder)
        except Died:
            ended = False
        else:
            ended = True
    if power:
        seen.cut_power()
    return ended


def _repeat(case: Case, folder: Path, new: dict[str, bytes], row: Row) -> None:
    try:
        case.call(folder)
    except MorphinferError:
        row.refused += 1
    row.different += outputs(folder) != new
    row.left += any(_is_hidden(Path(path.name)) for path in folder.iterdir())


def _copy(case: Case, work: Path) -> Path:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(case.start, work)
    return work
