"""Workers, threads and tiles within the cores and the memory that are allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from morphinfer.errors import ProviderError
from morphinfer.networks.resources import (
    CPU_TILE_PX,
    GPU_TILE_PX,
    GPU_WORKERS,
    SMALLEST_TILE_PX,
    share_out,
)

cores = st.integers(1, 256)
memory = st.floats(1, 1e6)
patches = st.integers(1, 300)
tile_sizes = st.none() | st.integers(8, 8192)
arena_counts = st.integers(1, 5)


def shared(cores, memory_mb, tile_px, patch, arenas=1):
    """Resources, where any tile fits."""
    try:
        return share_out(cores, memory_mb, tile_px, patch, gpu=False, arenas=arenas)
    except ProviderError:
        assume(False)


@given(cores, memory, tile_sizes, patches, arena_counts)
def test_no_more_memory_is_planned_than_allowed(cores, memory_mb, tile_px, patch, arenas):
    assert shared(cores, memory_mb, tile_px, patch, arenas).memory_mb <= memory_mb


@given(cores, memory, tile_sizes, patches)
def test_no_more_threads_run_than_there_are_cores(cores, memory_mb, tile_px, patch):
    resources = shared(cores, memory_mb, tile_px, patch)
    assert resources.workers >= 1
    assert resources.threads >= 1
    assert resources.workers * resources.threads <= cores


@given(cores, memory, st.integers(8, 8192), patches)
def test_a_tile_that_was_named_is_taken_as_it_is(cores, memory_mb, tile_px, patch):
    assert shared(cores, memory_mb, tile_px, patch).tile_px == tile_px


@given(cores, memory, patches)
def test_a_tile_that_was_not_named_is_the_largest_that_fits(cores, memory_mb, patch):
    tile = shared(cores, memory_mb, None, patch).tile_px
    assert SMALLEST_TILE_PX <= tile <= CPU_TILE_PX
    if tile < CPU_TILE_PX:
        with pytest.raises(ProviderError):
            share_out(cores, memory_mb, 2 * tile, patch, gpu=False)


@given(cores, memory, memory, tile_sizes, patches)
def test_more_memory_never_means_smaller_tiles_or_fewer_workers_for_them(
    cores, one, other, tile_px, patch
):
    less = shared(cores, min(one, other), tile_px, patch)
    more = shared(cores, max(one, other), tile_px, patch)
    assert more.tile_px >= less.tile_px
    if more.tile_px == less.tile_px:
        assert more.workers >= less.workers


def test_with_plenty_of_memory_each_core_has_its_worker():
    resources = share_out(16, 1e5, None, 158, gpu=False)
    assert (resources.workers, resources.threads, resources.tile_px) == (16, 1, CPU_TILE_PX)


def test_with_room_for_one_tile_all_cores_work_on_it():
    one = share_out(1, 1e5, None, 158, gpu=False).memory_mb
    resources = share_out(8, one + 1, None, 158, gpu=False)
    assert (resources.workers, resources.threads, resources.tile_px) == (1, 8, CPU_TILE_PX)


def test_the_default_memory_holds_two_workers_of_whole_tiles_with_the_largest_patch():
    resources = share_out(2, 800, None, 158, gpu=False)
    assert (resources.workers, resources.threads, resources.tile_px) == (2, 1, CPU_TILE_PX)


def test_networks_with_an_arena_each_leave_room_for_fewer_tiles_side_by_side():
    resources = share_out(2, 800, None, 158, gpu=False, arenas=2)
    assert (resources.workers, resources.threads, resources.tile_px) == (1, 2, CPU_TILE_PX)
    assert resources.arena_bytes == 0


def test_too_little_memory_is_refused_with_what_is_needed():
    with pytest.raises(
        ProviderError, match=r"64 px needs about \d+ MB and `max_memory_mb` allows 50;"
    ):
        share_out(2, 50, None, 158, gpu=False)


def test_a_tile_too_large_for_the_memory_is_refused_with_both_ways_out():
    with pytest.raises(ProviderError, match=r"4096 px.*allow more or choose a smaller `tile_px`"):
        share_out(2, 800, 4096, 158, gpu=False)


@given(cores, memory, tile_sizes, patches)
def test_the_memory_of_the_processor_holds_no_tile_of_a_gpu_back(cores, memory_mb, tile_px, patch):
    resources = share_out(cores, memory_mb, tile_px, patch, gpu=True)
    chosen = (resources.workers, resources.threads, resources.tile_px)
    assert chosen == (GPU_WORKERS, 1, tile_px or GPU_TILE_PX)


# Memory that really ends

SCARCE = """
import re, resource, sys, threading
from pathlib import Path
from fakes import published, write_slide
from morphinfer import Options, load_models, segment
from morphinfer.errors import OutOfMemoryError
from morphinfer.networks import ensemble
from morphinfer.networks.session import Session
from networks import nuclei, save_set

folder, margin = Path(sys.argv[1]), int(sys.argv[2])
threading.stack_size(1 << 19)
models = load_models(save_set(folder / "set"))
slide = write_slide(folder / "s.zarr", nuclei(2000, 2000), chunk=512)


def run(name, tile_px):
    (folder / name).mkdir()
    out = folder / name / "l.zarr"
    options = Options(
        provider="cpu", threads=1, tile_px=tile_px, max_memory_mb=9000, skip_background="off"
    )
    segment(slide, models=models, out=out, options=options)
    return published(out)


small = run("small", 256)
status = Path("/proc/self/status").read_text()
limit = int(re.search(r"VmSize:\\s+(\\d+) kB", status)[1]) * 1024 + margin * 1_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
ensemble.memory_limit = lambda: None  # tiles are planned as if there were none
plain, failed = Session.run, []


def noted(self, batch):
    try:
        return plain(self, batch)
    except OutOfMemoryError:
        failed.append(batch.shape)
        raise


Session.run = noted
assert run("large", 4096) == small
print(len(failed))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits memory as Linux does")
def test_a_tile_for_which_memory_really_ends_is_halved_and_the_run_ends_well(tmp_path):
    outcomes = []
    for margin in (
        150,
        160,
        170,
        190,
        210,
        240,
    ):  # whether Python itself finds memory then, is luck
        folder = tmp_path / str(margin)
        folder.mkdir()
        run = subprocess.run(
            [sys.executable, "-c", SCARCE, str(folder), str(margin)],
            cwd=Path(__file__).parents[1] / "support",
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        outcomes.append((run.returncode, run.stdout, run.stderr[-2000:]))
        assert "AssertionError" not in run.stderr
        if run.returncode == 0 and int(run.stdout) > 0:
            return
    if all(code == 0 for code, *_ in outcomes):
        pytest.skip("the memory sufficed for the whole tile")
    pytest.fail(str(outcomes))


@given(cores, memory, patches, st.floats(0, 1e5))
def test_what_reading_takes_leaves_less_for_tiles(cores, memory_mb, patch, reading_mb):
    try:
        both = share_out(cores, memory_mb, None, patch, gpu=False, reading_mb=reading_mb)
    except ProviderError:
        assume(False)
    alone = share_out(cores, memory_mb, None, patch, gpu=False)
    assert both.memory_mb <= memory_mb
    assert (both.workers * both.tile_px**2) <= (alone.workers * alone.tile_px**2)


@pytest.mark.parametrize("gpu", [False, True])
def test_chunks_too_large_for_the_memory_are_refused_with_what_they_need(gpu):
    message = r"needs about \d+ MB, 700 MB of them to read chunks .* allows 800; .*smaller chunks"
    with pytest.raises(ProviderError, match=message):
        share_out(2, 800, None, 158, gpu=gpu, reading_mb=700)
