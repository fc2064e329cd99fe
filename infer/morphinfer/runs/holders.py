"""Who works on a label image: each process keeps a file beside it while it does.

Holders of one group (the shards of a run; the tasks of a Dask run and the process that began it) share
the draft; all others exclude each other. A holder announces itself, looks for others, and only then
holds; of two that announce themselves at once the one of the smaller name goes on. So no lock of the
system is needed, which not every share has. Where there are such locks they prove that a holder lives;
else the number and the start of its process do, and on another machine the time of its last heartbeat.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from morphinfer.errors import OutputError
from morphinfer.images import Process, as_output_errors, try_lock
from morphinfer.records import parse_fields

SHARDS = "shards"
"""Group of the shards of a label image."""
BEAT_SECONDS = 5.0
"""Time between heartbeats."""
STALE_SECONDS = 60.0
"""Without a heartbeat for so long, a holder on another machine is dead."""
NAMELESS_SECONDS = 10.0
"""A file that does not say for so long whose it is has no holder."""
ASKING_SECONDS = 10.0
"""Time in which one that has announced itself has to go on or to give up."""
POLL_SECONDS = 0.02
ATTEMPTS = 3
HOLDS = b"holds\n"
MOST_BYTES = 4096
"""More than the file of a holder has."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the file of a holder says."""

    process: Process
    """Whose it is."""
    group: str
    """With which other holders it shares the draft."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to work on a label image, until its context ends."""

    target: Path
    """The label image."""
    file: Path
    """The file that says so."""
    group: str
    """With which other holders it is shared."""

    def is_alone(self) -> bool:
        """Whether no other process of the same group works on it."""
        return not any(True for _ in _others(self.file, self.target))

    def check(self) -> None:
        """Refuse to go on once another process has taken over.

        Raises
        ------
        OutputError
            This process gave no heartbeat for so long that it was taken for dead.
        """
        if not self.file.exists():
            raise OutputError(
                f"{self.target}: this process stood still for so long that another one took over; run "
                f"the same command again once that is done"
            )


@contextmanager
def hold(target: Path, group: str | None = None) -> Iterator[Hold]:
    """Hold a label image while its draft is worked on.

    Parameters
    ----------
    target : Path
        The label image.
    group : str, optional
        With which other holders it is shared; with none by default.

    Raises
    ------
    OutputError
        A process of another group works on it, or its folder cannot be written to.
    """
    name = uuid4().hex
    claim = Claim(Process.current(), group or name)
    own = Hold(target, target.with_name(f".{target.name}.run-{name}"), claim.group)
    if not target.parent.is_dir():
        raise OutputError(f"{target}: the folder {target.parent} does not exist; create it first")
    try:
        with as_output_errors(target, "nothing was written"):
            file = own.file.open("xb", 0)
    except OSError as problem:  # a file system that takes no files
        if isinstance(problem, OutputError):
            raise
        raise OutputError(
            f"{target}: the folder {target.parent} takes no files ({problem.strerror}); name another place"
        ) from problem
    try:
        with file:
            try_lock(file)
            file.write(json.dumps(asdict(claim)).encode() + b"\n")
            _wait(own)
            file.write(HOLDS)
            with _heartbeat(own.file):
                yield own
    finally:
        own.file.unlink(missing_ok=True)


def _wait(own: Hold) -> None:
    """Return once no holder of another group is left that would go first.

    Raises
    ------
    OutputError
        One goes first.
    """
    until = time.monotonic() + ASKING_SECONDS
    while rivals := [
        (file, claim, holds)
        for file, claim, holds in _others(own.file, own.target)
        if claim is None or claim.group != own.group
    ]:
        for file, claim, holds in rivals:
            goes_first = claim is not None and (holds or file.name < own.file.name)
            if goes_first or time.monotonic() > until:
                raise OutputError(_refusal(own.target, file, claim))
        time.sleep(POLL_SECONDS)


def _refusal(target: Path, file: Path, claim: Claim | None) -> str:
    who = "another process" if claim is None else str(claim.process)
    here = claim is not None and claim.process.is_here()
    gone = "" if here else f", or delete {file} if it is certain that it no longer runs"
    return f"{target}: {who} works on it; wait for it, stop it, or name another `out`{gone}"


def _others(own: Path, target: Path) -> Iterator[tuple[Path, Claim | None, bool]]:
    """Files of the other living holders, what they say, and whether they hold; dead ones are removed."""
    os.utime(own)
    for file in sorted(target.parent.glob(f".{escape(target.name)}.run-*")):
        if file == own:
            continue
        claim, holds = _read(file)
        if _is_alive(file, claim, own):
            yield file, claim, holds
        else:
            with suppress(OSError):
                file.unlink()


def _read(file: Path) -> tuple[Claim | None, bool]:
    """What the file of a holder says, and whether it holds; None for one that is not written yet."""
    try:
        with file.open("rb") as opened:
            first, _, rest = opened.read(MOST_BYTES).partition(b"\n")
        return parse_fields(Claim, json.loads(first)), rest == HOLDS
    except (OSError, ValueError, TypeError, RecursionError):
        return None, False


def _is_alive(file: Path, claim: Claim | None, own: Path) -> bool:
    running = None if claim is None else claim.process.is_running()
    if running:
        return True
    try:
        if file.is_symlink():
            return False
        if _is_locked(file):
            return True
        if running is False or (claim and claim.process.is_here() and _is_locked(own)):
            return False  # in the second case locks work here, and it has none
        silent = own.stat().st_mtime - file.stat().st_mtime
        # One without a claim is about to write it, or has lost it as the power was cut.
        return silent < (STALE_SECONDS if claim else NAMELESS_SECONDS)
    except FileNotFoundError:
        return False


def _is_locked(file: Path) -> bool:
    """Whether a process holds the lock of a file, for longer than others take to ask the same."""
    for _ in range(ATTEMPTS):
        with file.open("r+b") as opened:
            if try_lock(opened):
                return False
        time.sleep(POLL_SECONDS)
    return True


@contextmanager
def _heartbeat(file: Path) -> Iterator[None]:
    """Set the time of a file again and again while the context lasts."""
    ended = Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(OSError):
                os.utime(file)

    thread = Thread(target=beat, name="morphinfer-hold", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
