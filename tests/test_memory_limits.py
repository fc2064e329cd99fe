"""Limits of the memory that the system sets are found, planned for, and named."""

from __future__ import annotations

import pytest

from morphinfer import memory_limits
from morphinfer.errors import OutOfMemoryError, ProviderError
from morphinfer.memory_limits import MemoryLimit, memory_limit, prepare
from morphinfer.networks.resources import share_out


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Write the files of cgroups that this process is then in."""

    def write(membership: str, **files: str) -> list[float]:
        (tmp_path / "cgroup").write_text(membership, encoding="utf-8")
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")
        found = memory_limits._cgroup_limits(tmp_path / "cgroup", tmp_path / "fs")
        return [limit.usable_mb for limit in found]

    return write


def test_the_limit_of_a_cgroup_and_of_those_above_is_found(cgroups):
    files = {"a/memory.max": "900000000\n", "a/b/memory.max": "max\n", "memory.max": "1500000000"}
    assert cgroups("0::/a/b\n", **files) == [810, 1350]


def test_the_limit_of_version_1_is_found(cgroups):
    files = {
        "memory/a/memory.limit_in_bytes": "600000000",
        "memory/memory.limit_in_bytes": f"{2**63 - 4096}",
    }
    assert cgroups("4:memory:/a\n3:cpuset:/\n0::/\n", **files) == [540]


def test_the_lower_limit_counts(monkeypatch):
    monkeypatch.setattr(memory_limits, "address_space_mb", lambda: 600.0)
    cgroup = MemoryLimit(900, "the memory")
    monkeypatch.setattr(memory_limits, "_cgroup_limits", lambda *_: iter([cgroup]))
    lower = memory_limit()
    assert lower is not None
    assert lower.is_address_space
    monkeypatch.setattr(memory_limits, "address_space_mb", lambda: None)
    assert memory_limit() == cgroup


def test_a_space_in_which_nothing_works_is_refused(monkeypatch):
    monkeypatch.setattr(memory_limits, "address_space_mb", lambda: 300.0)
    with pytest.raises(
        OutOfMemoryError, match=r"limited to 300 MB \(ulimit -v\).* needs about 550"
    ):
        prepare()


def test_tiles_and_threads_are_planned_for_the_limit():
    free = share_out(8, 800, None, 224, gpu=False)
    space = MemoryLimit(350, "the address space", is_address_space=True)
    bound = share_out(8, 800, None, 224, gpu=False, limit=space)
    assert bound.memory_mb <= 350 < free.memory_mb
    assert bound.threads <= 1 + (350 - bound.memory_mb) / (5 * memory_limits.STACK_MB)
    assert share_out(8, 300, None, 224, gpu=False, limit=MemoryLimit(900, "")) == share_out(
        8, 300, None, 224, gpu=False
    )


def test_a_limit_that_is_too_low_is_named_with_the_need():
    with pytest.raises(
        ProviderError, match=r"needs about 12. MB and the address space .* leaves 100;"
    ):
        share_out(
            2, 800, None, 224, gpu=False, limit=MemoryLimit(100, "the address space (ulimit)")
        )
