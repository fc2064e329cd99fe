"""Processes that hold files: which one, whether it still runs, and locks of the operating system."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
LOCKED_BYTE = 2**30
"""On Windows a locked byte cannot be read by others, so it lies far behind the content."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, so that another one of the same number is not taken for it."""

    host: str
    """Name of its machine."""
    machine: str
    """Start of the machine and space of its process numbers; '' where the system does not give them."""
    pid: int
    """Its number."""
    started: str
    """When it began, as the system counts; '' where that cannot be had."""

    @classmethod
    def current(cls) -> Process:
        """The process that calls."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, _started(pid))

    def is_here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return (self.host, self.machine) == (socket.gethostname(), _machine())

    def is_running(self) -> bool | None:
        """Whether it still runs; None where that cannot be known, as of another machine."""
        if not (self.machine and self.started and self.is_here()):
            return None
        return _started(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def try_lock(file: Any) -> bool:
    """Lock an open file until it is closed; returns False where another one holds the lock."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a share without locks
        return True
    return True


def _machine() -> str:
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start of a process in ticks since that of the machine; '' where there is none, or no /proc."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    after_name = fields.rpartition(")")[2].split()  # a name may hold spaces and parentheses
    return "" if after_name[0] in "ZX" else after_name[19]
