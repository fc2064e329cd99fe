"""Settings of ONNX Runtime: for each session, and for its environment where nothing else uses it.

The environment of ONNX Runtime belongs to the whole process. A library changes nothing in it: each
network has its own arena, and the tiles are fewer or smaller so that all of them fit into the memory.
Where the process runs nothing else with ONNX Runtime, as the command line does, all networks share one
arena of the environment, which saves memory and up to a tenth of the time.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from morphinfer.networks.runtime import load_runtime

SILENT = 4
"""Severity that only fatal errors reach."""
LARGEST_PIECE = 2**31 - 1
"""Bytes that an arena may take at first; ONNX Runtime refuses more."""

logger = logging.getLogger(__name__)


def session_options(threads: int, *, own_environment: bool = False) -> Any:
    """Session options for networks that take turns in one process.

    Parameters
    ----------
    threads : int
        Threads of a network.
    own_environment : bool
        Whether `take_environment` was called, whose arena the network then uses.
    """
    options = load_runtime().SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = threads
    # Threads of the networks that wait would spin and take the cores from the one that runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", str(int(own_environment)))
    # Patterns ask for one piece for all layers, another for every shape, and split up the arena.
    options.enable_mem_pattern = False
    return options


def take_environment(arena_bytes: int = 0) -> None:
    """Silence ONNX Runtime in this process, and let networks take memory from one arena, not one each.

    Parameters
    ----------
    arena_bytes : int
        Size of the first piece of the arena, which counts only the first time. With a piece that holds
        all that the tiles side by side need at once, the arena does not grow in steps that do not fit
        together, and memory does not rise with the number of tiles.
    """
    load_runtime().set_default_logger_severity(SILENT)
    if not _register_arena.cache_info().currsize:
        _register_arena(arena_bytes)


@cache
def _register_arena(initial_bytes: int) -> None:
    ort = load_runtime()
    memory = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    piece = min(initial_bytes, LARGEST_PIECE)
    size = {"initial_chunk_size_bytes": piece} if piece else {}
    try:
        ort.create_and_register_allocator(memory, ort.OrtArenaCfg(size) if size else None)
    except Exception as problem:  # ONNX Runtime's own errors share no narrower base
        logger.debug("networks use an arena that was registered before: %s", problem)
