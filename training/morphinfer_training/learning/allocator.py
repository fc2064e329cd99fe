"""Memory that training frees is kept by the process for the next step.

By default glibc maps memory for every large tensor and unmaps it when the tensor is freed, and the
kernel clears the pages each time. Keeping the memory reduced the training of the set `hippocampus` from
10 min 13 s to 7 min 43 s on two cores.
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters in glibc's malloc.h. Source: mallopt(3)."""
LARGEST_TENSOR = 2**30
"""Allocations below this number of bytes are taken from the memory that is kept."""
MOST_KEPT = 2**31 - 1
"""Bytes that are kept, the largest value that mallopt accepts."""


def keep_freed_memory() -> bool:
    """Make glibc keep the memory that this process frees; other C libraries are left as they are.

    Returns
    -------
    bool
        Whether glibc accepted both parameters.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_TENSOR) and mallopt(M_TRIM_THRESHOLD, MOST_KEPT))
