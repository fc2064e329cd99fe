"""A network is run once on two patches when it is loaded, so that a run cannot fail by what it is.

The patches are random numbers from 0 to 1. What the outputs contradict is refused: number of classes,
positions of a patch, probabilities that are none, a network that claims to be free of padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import ModelError
from morphinfer.networks.cards import Card
from morphinfer.networks.ports import Ports
from morphinfer.networks.runtime import load_runtime
from morphinfer.networks.unreadable import OUT_OF_MEMORY, first_clause

SECONDS = 30.0
"""Longest that a patch may take on one thread; the shipped networks take some milliseconds."""
LARGEST_BYTES = 8 << 30
"""Most memory that a patch may take, where the process is ours and the system can limit it."""
TOLERANCE = 1e-3
"""Of probabilities, and of outputs that must be equal."""
LIKE_PROBABILITIES = (
    "its card says logits and its outputs look like probabilities (0 to 1, of sum 1)"
)
HALF_TOLERANCE = 3e-2
"""The same for networks that compute in float16."""


def probed(
    session: Any, candidates: Sequence[Ports], card: Card, path: Path, *, limit_memory: bool = False
) -> Ports:
    """The first ports of a network that fit its card when it runs on patches, with what that showed.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        The network on the CPU.
    candidates : sequence of Ports
        What its file allows, the likeliest first.
    card : Card
        What its card says.
    path : Path
        Its file, for messages.
    limit_memory : bool
        Whether this process may be limited in its memory meanwhile.

    Raises
    ------
    ModelError
        It does not run, takes too long or too much memory, or contradicts its card.
    """
    start, problems, doubtful = monotonic(), [], None
    for ports in candidates:
        try:
            tried = _tried(session, ports, card, limit_memory=limit_memory)
        except ModelError as problem:
            problems.append(problem)
            if monotonic() - start > SECONDS:
                break
            continue
        if LIKE_PROBABILITIES not in tried.notes:
            return tried
        doubtful = doubtful or tried
    if doubtful:
        return doubtful
    raise ModelError(f"{path}: {problems[0]}") from problems[0]


def _tried(session: Any, ports: Ports, card: Card, *, limit_memory: bool) -> Ports:
    side = card.patch_size_px
    patches = np.random.default_rng(0).random((2, 1, side, side + card.stride_px), np.float32)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with _limits(limit_memory) as options:
            return ports.call(session, np.ascontiguousarray(batch), len(card.classes), options)

    both = patches[..., :side]
    try:
        single = run(both[:1])
        _check_patch(single, card)
        if card.padding_free:
            if not card.test_vectors:
                _check_dense(run, patches[:1], single, card)
        elif ports.batch is None:
            ports = _with_batch(run, both, single, ports, card)
    except ModelError:
        raise
    except Exception as problem:  # ONNX Runtime's own errors share no narrower base
        raise ModelError(_reason(problem, side)) from problem
    if card.output == "logits" and _are_probabilities(single) and len(card.classes) > 1:
        ports = replace(ports, notes=(*ports.notes, LIKE_PROBABILITIES))
    return ports


def _check_patch(output: NDArray[np.float32], card: Card) -> None:
    if output.shape[2:] != (1, 1):
        raise ModelError(
            f"it gives {output.shape[2]} x {output.shape[3]} positions for one patch of "
            f"{card.patch_size_px} px, where there is one; correct patch_size_px in its card, or end the "
            f"network with a mean over the patch"
        )
    if not np.isfinite(output).all():
        raise ModelError(
            "it gives NaN or infinity for a patch of intensities from 0 to 1; export it in float32, or "
            "correct its weights"
        )
    if card.output == "probabilities" and not _are_probabilities(output):
        values = ", ".join(f"{value:.3g}" for value in output.ravel()[:4])
        raise ModelError(
            f"by its card it puts out probabilities, but they are {values}"
            f"{', ...' if output.size > 4 else ''} (sum {output.sum():.3g}) for a patch; if they "
            f'are logits, state "output": "logits" in its card, else end the network with a softmax'
        )


def _are_probabilities(output: NDArray[np.float32]) -> bool:
    within = output.min() >= -HALF_TOLERANCE and output.max() <= 1 + HALF_TOLERANCE
    return bool(within and np.abs(output.sum(axis=1) - 1).max() <= HALF_TOLERANCE)


def _check_dense(
    run: Any, tile: NDArray[np.float32], single: NDArray[np.float32], card: Card
) -> None:
    """Whether a tile of two positions gives what its patches give (contract C1)."""
    dense = run(tile)
    second = run(tile[..., card.stride_px :])
    if dense.shape[2:] == (1, 2):
        apart = _apart(dense, np.concatenate([single, second], axis=3))
        if apart <= (HALF_TOLERANCE if card.precision == "float16" else TOLERANCE):
            return
        found = f"a tile gives other outputs than its patches (apart by {apart:.2g})"
    else:
        found = f"a tile of two positions gives {dense.shape[2]} x {dense.shape[3]}"
    raise ModelError(
        f"its card says padding_free with a stride of {card.stride_px} px, but {found}; set padding_free "
        f"to false, or correct stride_px"
    )


def _with_batch(
    run: Any, both: NDArray[np.float32], single: NDArray[np.float32], ports: Ports, card: Card
) -> Ports:
    """The ports with a batch of 1 where two patches at once do not give what they give one by one."""
    try:
        together = run(both)
    except Exception:  # a network whose inside is fixed to one patch fails in many ways
        together = None
    limit = HALF_TOLERANCE if card.precision == "float16" else TOLERANCE
    if together is not None and together.shape[2:] == (1, 1):
        if _apart(together[:1], single) <= limit:
            return ports
        if _apart(run(both[:1]), single) > limit:
            raise ModelError(
                "it gives another output each time for the same patch; export it in evaluation mode, "
                "without dropout"
            )
    note = "two patches at once do not give what they give one by one, so it is run patch by patch"
    return replace(ports, batch=1, notes=(*ports.notes, note))


def _apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float((np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))).max())


def _reason(problem: Exception, side: int) -> str:
    text = str(problem)
    if "terminate flag" in text:
        return (
            f"it did not finish one patch of {side} px within {SECONDS:g} s; a slide has thousands, so "
            f"take a smaller network"
        )
    if isinstance(problem, MemoryError) or OUT_OF_MEMORY.search(text):
        return f"the memory does not suffice for one patch of {side} px; take a smaller network"
    return (
        f"it does not run on a patch of {side} px ({first_clause(text)}); correct patch_size_px in its "
        f"card, or export the network again"
    )


@contextmanager
def _limits(memory: bool) -> Iterator[Any]:
    """Options of a run that ends after `SECONDS`; with ``memory``, little more can be allocated."""
    options = load_runtime().RunOptions()
    options.log_severity_level = 4

    def stop() -> None:
        options.terminate = True

    timer = Timer(SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        with limited_memory(limit=memory):
            yield options
    finally:
        timer.cancel()


@contextmanager
def limited_memory(*, limit: bool) -> Iterator[None]:
    """Refuse this process more memory than `LARGEST_BYTES`, where the system can; with ``limit`` only."""
    try:
        import resource
    except ImportError:  # Windows
        limit = False
    if not limit:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lowest = min((n for n in (soft, hard) if n != resource.RLIM_INFINITY), default=LARGEST_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (min(lowest, LARGEST_BYTES), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
