"""Limits of the memory of this process that the system sets: address space (ulimit -v) and cgroups.

An address space also holds what is mapped and never touched: libraries, stacks, and the heaps of 64 MB that
glibc reserves for each thread. Where it runs out, C libraries end the process instead of
reporting an error, so `prepare` saves what it can before they are loaded, and refuses what cannot work.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from morphinfer.errors import OutOfMemoryError

MB = 1e6
MAPPED_MB = 250
"""Address space of libraries and stacks beyond what is resident; measured, with one heap for all threads."""
LEAST_ADDRESS_MB = 550
"""With less, not even the report of a small slide can be made; measured."""
STACK_MB = 8
"""Of a thread of ONNX Runtime."""
STACK_BYTES = 2**20
"""Of a thread of ours; the default of most systems is 8 MB."""
SHARE = 0.9
"""Part of the memory of a cgroup that is planned for; the rest is the kernel's and of small helpers."""
M_ARENA_MAX = -8
"""Number of a parameter in glibc's malloc.h. Source: mallopt(3)."""
CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60
"""Version 1 of cgroups states a number near 2^63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A limit that the system sets."""

    usable_mb: float
    """What of it a run may take."""
    words: str
    """What it is, with its size."""
    is_address_space: bool = False
    """Whether stacks count, though little of them is used."""

    def threads(self, planned_mb: float, networks: int) -> int:
        """Threads that each network may have beside a run that takes ``planned_mb``."""
        spare = max(0.0, self.usable_mb - planned_mb)
        return 1 + int(spare // (STACK_MB * networks)) if self.is_address_space else sys.maxsize


def memory_limit() -> MemoryLimit | None:
    """The lowest limit of this process; None where the system sets none or does not say."""
    limits = [*_cgroup_limits(Path("/proc/self/cgroup"), CGROUPS)]
    if (space := address_space_mb()) is not None:
        words = f"the address space of this process, limited to {space:.0f} MB (ulimit -v),"
        limits.append(MemoryLimit(space - MAPPED_MB, words, is_address_space=True))
    return min(limits, key=lambda limit: limit.usable_mb, default=None)


def address_space_mb() -> float | None:
    """Limit of the address space in MB; None without one."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft / MB


def prepare() -> None:
    """Save address space where it is limited, before threads and libraries take it.

    For a process of our own: this changes settings that hold for all libraries in it.

    Raises
    ------
    OutOfMemoryError
        No command can work within the limit.
    """
    space = address_space_mb()
    if space is None:
        return
    if space < LEAST_ADDRESS_MB:
        raise OutOfMemoryError(
            f"the address space of this process is limited to {space:.0f} MB (ulimit -v) and a command "
            f"needs about {LEAST_ADDRESS_MB}; allow more, with 'ulimit -v' or of the batch system"
        )
    threading.stack_size(STACK_BYTES)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a buffer for each core otherwise
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def _cgroup_limits(membership: Path, root: Path) -> Iterator[MemoryLimit]:
    """Limits of the cgroups that this process is in, and of those above them, of either version."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, inside = rest.partition(":")
        if number == "0":
            top, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = top / inside.strip("/")
        for place in (folder, *folder.parents):
            if (size := _bytes_in(place / name)) is not None:
                words = f"the memory of this process, limited to {size / MB:.0f} MB (cgroup),"
                yield MemoryLimit(SHARE * size / MB, words)
            if place == top:
                break


def _bytes_in(path: Path) -> int | None:
    try:
        size = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there, or 'max'
        return None
    return size if size < UNLIMITED_BYTES else None
