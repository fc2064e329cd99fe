"""How many tiles run side by side, on how many threads each, and how large they are.

Tiles side by side, one thread each, are faster than one tile on all threads (1.1 to 1.5 times on 2 cores,
docs/performance.md), since threads of one network wait for each other after every layer. Each takes
its own working memory, so the memory limit sets their number.
"""

from __future__ import annotations

from dataclasses import dataclass

from morphinfer.errors import ProviderError
from morphinfer.memory_limits import MemoryLimit

MB = 1e6
PROCESS_MB = 110
"""Interpreter, libraries, five networks, blocks that are read ahead and rows that are written."""
BYTES_PER_PIXEL = 170
"""Working memory of a network for each pixel of its input, measured (four layers, 16 to 64 channels)."""
ARENA_BYTES_PER_PIXEL = 110
"""The same without the input and its crops, where several tiles share one arena."""
CPU_TILE_PX = 1024
GPU_TILE_PX = 2048
SMALLEST_TILE_PX = 64
NETWORKS = 5
"""Networks of a set, each with threads of its own."""
GPU_WORKERS = 2
"""One gathers its tile and writes while the other one's networks run."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a run may use."""

    workers: int
    """Tiles side by side."""
    threads: int
    """Threads of each network of each worker."""
    tile_px: int
    """Side of a tile in model pixels, without its halo."""
    memory_mb: float
    """Most memory that the process is expected to take."""
    arena_bytes: int = 0
    """Size of the arena that the networks of all tiles side by side share; 0 where each has its own."""


def share_out(
    cores: int,
    max_memory_mb: float,
    tile_px: int | None,
    patch_size_px: int,
    *,
    gpu: bool,
    arenas: int = 1,
    reading_mb: float = 0.0,
    limit: MemoryLimit | None = None,
) -> Resources:
    """Resources within the limits.

    Parameters
    ----------
    cores : int
        Threads that may run at once.
    max_memory_mb : float
        Memory of the whole process.
    tile_px : int or None
        Side of a tile; None takes the largest that suits and fits.
    patch_size_px : int
        Largest patch, which sets the halo.
    gpu : bool
        Whether networks run beside the processor's memory; the limit then holds no tile back.
    arenas : int
        Networks that hold their working memory at the same time, since each has an arena; 1 where all
        share one.
    reading_mb : float
        What reading the slide takes beside the tiles, see `Slide.reading_mb`.
    limit : MemoryLimit, optional
        What the system allows, if that is less.

    Raises
    ------
    ProviderError
        Not even the smallest tile fits, or there is no thread.
    """
    if cores < 1:
        raise ProviderError(f"{cores} threads; at least 1 is needed, or 0 for all cores")
    allowing = "`max_memory_mb` allows"
    if limit is not None and limit.usable_mb < max_memory_mb:
        max_memory_mb, allowing = limit.usable_mb, f"{limit.words} leaves"
    parts = f", {reading_mb:.0f} MB of them to read chunks of several planes," if reading_mb else ""
    if gpu:
        tile = tile_px or GPU_TILE_PX
        if reading_mb and PROCESS_MB + reading_mb > max_memory_mb:
            raise ProviderError(
                f"a run needs about {PROCESS_MB + reading_mb:.0f} MB{parts} and {allowing} "
                f"{max(0, max_memory_mb):.0f}; allow more, or write the slide in smaller chunks"
            )
        memory = _memory_mb(GPU_WORKERS, tile, patch_size_px, 1) + reading_mb
        return Resources(GPU_WORKERS, 1, tile, memory)
    max_memory_mb -= reading_mb
    tile = tile_px or CPU_TILE_PX
    while tile_px is None and tile > SMALLEST_TILE_PX:
        if _memory_mb(1, tile, patch_size_px, arenas) <= max_memory_mb:
            break
        tile //= 2
    least = _memory_mb(1, tile, patch_size_px, arenas)
    if least > max_memory_mb:
        raise ProviderError(
            f"a tile of {tile} px needs about {least + reading_mb:.0f} MB{parts} and {allowing} "
            f"{max(0, max_memory_mb + reading_mb):.0f}; allow more"
            + ("" if tile_px is None else " or choose a smaller `tile_px`")
            + (", or write the slide in smaller chunks" if reading_mb else "")
        )
    workers = max(
        n
        for n in range(1, cores + 1)
        if _memory_mb(n, tile, patch_size_px, arenas) <= max_memory_mb
    )
    largest = tile + tile // 8  # see `Span.tiles`
    arena = workers * (largest + patch_size_px) ** 2 * ARENA_BYTES_PER_PIXEL if arenas == 1 else 0
    memory = _memory_mb(workers, tile, patch_size_px, arenas) + reading_mb
    threads = cores // workers
    if limit is not None:
        threads = min(threads, limit.threads(memory, NETWORKS))
    return Resources(workers, threads, tile, memory, arena)


def _memory_mb(workers: int, tile_px: int, patch_size_px: int, arenas: int) -> float:
    bytes_per_pixel = BYTES_PER_PIXEL + (arenas - 1) * ARENA_BYTES_PER_PIXEL
    return PROCESS_MB + workers * (tile_px + patch_size_px) ** 2 * bytes_per_pixel / MB
