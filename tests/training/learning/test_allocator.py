from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MB = 2**20
PROGRAM = """
import resource
import sys
import numpy as np
from morphinfer_training.learning.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = resident()
np.ones(200 * 2**20, np.uint8)
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
@pytest.mark.parametrize(("mode", "kept"), [("keep", True), ("default", False)])
def test_freed_memory_is_kept_only_if_requested(mode, kept):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], check=True, capture_output=True, text=True
    )
    assert (int(done.stdout) > 150 * MB) == kept


def test_other_c_libraries_are_left_as_they_are(monkeypatch):
    from morphinfer_training.learning import allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
