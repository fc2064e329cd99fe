"""The Cython kernels against memcpy and against NumPy, on one thread.

    python benchmarks/kernels.py [--seconds S] [--json]

*Bytes moved* are the bytes that a case must read plus those that it must write, each once, even
where the kernel goes over an intermediate result again. memcpy is `np.copyto` between two contiguous
arrays of half as many bytes each, so it moves as many and occupies as much of the caches. The ratio
to memcpy is (time of memcpy) / (time of the kernel), goal 0.5; that to NumPy is (time of the oracle)
/ (time of the kernel), goal 3.

The sides alternate in one process. The figures are the median of the ratios of neighbouring runs and, as
the best, the ratio of the shortest times. For gather, each call takes the next of RING blocks and
tiles, and so does its memcpy: more than the caches hold, since in `morphinfer segment` a block comes
from the thread that decoded it and a tile is new. What networks have just written is warm: `fuse` and
`quantise` reuse their inputs, and allocate their results, as in `segment`; so do their oracles.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from morphinfer.geometry import Window
from morphinfer.networks.fusion import fuse, quantise
from morphinfer.tiles.gather import gather

TILE = 1176
"""1024 model pixels and the halo of a patch of 160 pixels (160 - 8)."""
HALO = 75
BLOCK = 2048
LOW, HIGH, CLIP = 8.0, 180.0, (0.0, 1.0)
WEIGHTS = (0.3, 0.1, 0.2, 0.25, 0.15)
PAGE = 4096
RING = 24
GOAL_MEMCPY, GOAL_NUMPY = 0.5, 3.0
SAMPLE_S = 0.003
"""Each sample repeats the work for about so long."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kernel on one input, and the oracle that does the same."""

    name: str
    bytes_moved: int
    kernel: Callable[[], Any]
    oracle: Callable[[], Any]
    ring: int = 1
    """Pairs of arrays that memcpy takes in turns."""


def measure(seconds: float = 1.5) -> dict[str, Any]:
    """Time all cases, each for about ``seconds``."""
    rows = [compare(case, seconds) for case in cases()]
    return {
        "goals": {"memcpy": GOAL_MEMCPY, "numpy": GOAL_NUMPY},
        "cases": rows,
        "met": all(row["met"] for row in rows),
    }


def cases() -> list[Case]:
    """Gather for each pixel type, inside and across a corner of the image; fuse; quantise."""
    rng = np.random.default_rng(0)
    all_cases = []
    for dtype in (np.uint8, np.uint16, np.float32):
        block = rng.integers(0, 256, (BLOCK, BLOCK)).astype(dtype)
        for place, start in (("inside", 401), ("corner", -HALO)):
            all_cases.append(gather_case(block, place, Window(start, start, TILE, TILE)))
    for side in (128, 512):
        outputs = [rng.random((4, side, side), np.float32) for _ in WEIGHTS]
        all_cases.append(fuse_case(outputs))
        all_cases.append(quantise_case(outputs[0]))
    return all_cases


def gather_case(block: NDArray[Any], place: str, window: Window) -> Case:
    """One tile out of a block that is the whole image."""
    blocks = itertools.cycle([block.copy() for _ in range(RING)])
    tiles = [np.empty((window.height, window.width), np.float32) for _ in range(RING)]
    outs = itertools.cycle(tiles)

    def kernel() -> None:
        whole = next(blocks)
        gather(whole, (0, 0), block.shape, window, low=LOW, high=HIGH, clip=CLIP, out=next(outs))

    def oracle() -> None:
        gather_by_numpy(next(blocks), window, next(outs))

    kernel()
    oracle()
    np.testing.assert_allclose(tiles[0], tiles[1], rtol=1e-6, atol=1e-7)
    out = tiles[0]
    read = (window.row_stop - max(window.row, 0)) * (window.col_stop - max(window.col, 0))
    moved = read * block.itemsize + out.nbytes
    return Case(f"gather {block.dtype}, {place}", moved, kernel, oracle, ring=RING)


def gather_by_numpy(image: NDArray[Any], window: Window, out: NDArray[np.float32]) -> None:
    """Crop, reflect, cast, normalise, clip; in place, as a careful user of NumPy would write it."""
    before = max(0, -window.row), max(0, -window.col)
    part = image[max(0, window.row) : window.row_stop, max(0, window.col) : window.col_stop]
    after = window.height - before[0] - len(part), window.width - before[1] - part.shape[1]
    if any((*before, *after)):
        part = np.pad(part, tuple(zip(before, after, strict=True)), mode="symmetric")
    np.copyto(out, part)
    out -= np.float32(LOW)
    out *= np.float32(1 / (HIGH - LOW))
    np.clip(out, *CLIP, out=out)


def fuse_case(outputs: list[NDArray[np.float32]]) -> Case:
    """Weighted sum of the networks and the class that wins."""
    weights = np.array(WEIGHTS, np.float32)

    def oracle() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        total = np.tensordot(weights, outputs, axes=1)
        return total.argmax(axis=0).astype(np.uint8), total

    def kernel() -> Any:
        return fuse(outputs, WEIGHTS)

    np.testing.assert_allclose(kernel().total, oracle()[1], rtol=1e-5)
    np.testing.assert_array_equal(kernel().labels, kernel().total.argmax(axis=0))
    side = outputs[0].shape[1]
    moved = (len(outputs) + 1) * outputs[0].nbytes + side * side
    return Case(f"fuse 5 x (4, {side}, {side})", moved, kernel, oracle)


def quantise_case(total: NDArray[np.float32]) -> Case:
    """Probabilities as bytes."""

    def oracle() -> NDArray[np.uint8]:
        scaled = total * np.float32(255)
        np.rint(scaled, out=scaled)
        return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)

    assert np.abs(quantise(total).astype(int) - oracle()).max() <= 1  # halves go another way
    moved = total.nbytes + total.size
    return Case(f"quantise {total.shape}", moved, lambda: quantise(total), oracle)


def compare(case: Case, seconds: float) -> dict[str, Any]:
    """Alternate kernel, memcpy and oracle until the time is over."""
    pairs = itertools.cycle(
        [
            tuple(aligned(case.bytes_moved // 2, offset) for offset in (PAGE // 2, 0))
            for _ in range(case.ring)
        ]
    )

    def copied() -> None:
        target, source = next(pairs)
        np.copyto(target, source)

    sides = (case.kernel, copied, case.oracle)
    repeats = [max(1, round(SAMPLE_S / clock(side, 3))) for side in sides]
    samples: list[list[float]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 5:
        samples.append([clock(side, n) for side, n in zip(sides, repeats, strict=True)])
    times = np.array(samples)
    ratios = times[:, 1:] / times[:, :1]
    median, best = np.median(ratios, axis=0), times.min(axis=0)[1:] / times[:, 0].min()
    middle = np.median(times, axis=0)
    return {
        "case": case.name,
        "bytes_moved": case.bytes_moved,
        "samples": len(samples),
        "kernel_ms": round(middle[0] * 1e3, 4),
        "memcpy_ms": round(middle[1] * 1e3, 4),
        "numpy_ms": round(middle[2] * 1e3, 4),
        "gigabytes_per_second": round(case.bytes_moved / middle[0] / 1e9, 2),
        "of_memcpy": {"median": round(median[0], 3), "best": round(best[0], 3)},
        "over_numpy": {"median": round(median[1], 2), "best": round(best[1], 2)},
        "met": bool(median[0] >= GOAL_MEMCPY and median[1] >= GOAL_NUMPY),
    }


def aligned(count: int, offset: int) -> NDArray[np.uint8]:
    """Bytes that begin at ``offset`` in a page.

    Where two arrays of NumPy happen to lie, memcpy can be ten times slower: glibc 2.36 on Zen 3
    copies at 4 GB/s to an address 16 bytes further in its page than the source.
    """
    room = np.ones(count + 2 * PAGE, np.uint8)
    start = -room.ctypes.data % PAGE + offset
    return room[start : start + count]


def clock(work: Callable[[], Any], repeats: int) -> float:
    """Seconds of one call, the mean of ``repeats``, after one that fetches its arrays."""
    work()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def table(figures: dict[str, Any]) -> Table:
    """The figures for people; what misses its goal is red."""
    shown = Table(title="Kernels, one thread")
    shown.add_column("case")
    for name in ("ms", "GB/s", "of memcpy", "best", "over NumPy", "best"):
        shown.add_column(name, justify="right")
    for row in figures["cases"]:
        texts = [f"{row['kernel_ms']:.3f}", f"{row['gigabytes_per_second']:.1f}"]
        for key, goal in (("of_memcpy", GOAL_MEMCPY), ("over_numpy", GOAL_NUMPY)):
            for kind in ("median", "best"):
                value = row[key][kind]
                texts.append(f"{value:.2f}" if value >= goal else f"[red]{value:.2f}[/red]")
        shown.add_row(row["case"], *texts)
    return shown


@click.command()
@click.option("--seconds", type=float, default=1.5, show_default=True, help="Time for each case.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def main(seconds: float, as_json: bool) -> None:
    """Measure the kernels."""
    figures = measure(seconds)
    if as_json:
        click.echo(json.dumps(figures, indent=1))
    else:
        Console().print(table(figures))


if __name__ == "__main__":
    main()
