"""How fast the chunks of a slide are read and decoded: zarr-python, zarrs and tensorstore.

    python benchmarks/reading.py [--rounds N] [--out RESULT.json]

What cannot be imported is told as not run; it comes with `pip install zarrs tensorstore`, into an
environment of its own, since morphinfer needs neither. The slide is level 0 of a synthetic one of
8192 x 8192 pixels, uint8, with the codec of morphinfer's own writer (zstd, chunks of 512), and
stays in the page cache: this measures decoding and the way to it, not the disk.

Three ways of reading: *blocks* of 1024 x 1024 pixels on the chunk grid, each chunk once; *rows* of
chunks over the full width, each chunk once; and *halo*, the naive way, blocks of 1024 with 75 pixels
more on each side, where a chunk is decoded about four times. Megabytes are those of the slide, each
pixel counted once however often it is decoded. CPU seconds are of all threads of the process.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Literal

import click
import numpy as np
import zarr
from numcodecs.zstd import Zstd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from big_slides import make
from morphinfer.geometry import Window, ceil_div

SIDE, CHUNK = 8192, 512
BLOCK, HALO = 1024, 75
PASSES = 3
JOB_MPX_PER_S, JOB_CORES = 3.8, 2
"""What `morphinfer segment` computes on two cores, to which reading is compared."""

Library = Literal["zarr", "zarrs", "tensorstore", "files"]
Access = Literal["blocks", "rows", "halo"]
Reader = Callable[[Window], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Setup:
    """A library, how it is set, and the order of reading."""

    library: Library
    access: Access = "blocks"
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For tables and for the command line of its process."""
        told = [f"{key.split('.')[-1]}={value}" for key, value in self.config.items()]
        return ", ".join([self.library, self.access, *told])


ACCESSES: tuple[Access, ...] = ("blocks", "rows", "halo")
LIBRARIES: tuple[Library, ...] = ("files", "zarr", "zarrs", "tensorstore")
PLAIN = [Setup(library, access) for access in ACCESSES for library in LIBRARIES]
KNOBS = [
    *(Setup("zarr", config={"async.concurrency": n}) for n in (1, 2, 64)),
    *(Setup("zarr", config={"threading.max_workers": n}) for n in (1, 2)),
    Setup("zarr", "rows", {"async.concurrency": 2, "threading.max_workers": 1}),
    Setup("zarrs", config={"threading.max_workers": 1}),
    Setup("tensorstore", config={"data_copy_concurrency": 1}),
]
SETUPS = {setup.name: setup for setup in PLAIN + KNOBS}


def measure(rounds: int = 5) -> dict[str, Any]:
    """Run every setup ``rounds`` times, in turns."""
    missing = [name for name in LIBRARIES[1:] if importlib.util.find_spec(name) is None]
    runnable = [setup for setup in SETUPS.values() if setup.library not in missing]
    found: dict[str, list[dict[str, Any]]] = {setup.name: [] for setup in runnable}
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "slide.zarr"
        make(slide, SIDE, chunk=CHUNK)
        for _ in range(rounds):
            for setup in runnable:
                found[setup.name].append(in_process(setup, slide))
    if len({run["crc32"] for runs in found.values() for run in runs}) > 1:
        raise RuntimeError("the setups read different pixels")
    installed = {"numcodecs", *LIBRARIES[1:]} - set(missing)
    return {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "versions": {name: importlib.metadata.version(name) for name in sorted(installed)},
        "decodes_of_a_chunk": {access: decodes(access) for access in ACCESSES},
        "job": {"megapixels_per_second": JOB_MPX_PER_S, "cores": JOB_CORES},
        "setups": [summary(name, runs) for name, runs in found.items()],
        "not_run": missing,
    }


def summary(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians and the best over all passes of all runs."""
    mb = SIDE**2 / 1e6
    walls = [seconds for run in runs for seconds in run["wall_s"]]
    cpu = [seconds / mb for run in runs for seconds in run["cpu_s"]]
    return {
        "setup": name,
        "mb_per_s": round(mb / median(walls), 1),
        "best_mb_per_s": round(mb / min(walls), 1),
        "cpu_s_per_100_mb": round(100 * median(cpu), 3),
        "best_cpu_s_per_100_mb": round(100 * min(cpu), 3),
        "share_of_job": round(median(cpu) * JOB_MPX_PER_S / JOB_CORES, 5),
    }


def in_process(setup: Setup, slide: Path) -> dict[str, Any]:
    """What `run` returns, from a process of its own, since zarr makes its threads once."""
    command = [sys.executable, __file__, "--slide", str(slide), "--only", setup.name]
    told: dict[str, Any] = json.loads(subprocess.check_output(command, text=True))
    return told


def run(setup: Setup, slide: Path) -> dict[str, Any]:
    """Read level 0 once to warm up and to check its pixels, then several times by the clock."""
    read = reader(setup, slide / "0")
    image = np.empty((SIDE, SIDE), np.uint8)
    for inner, seen in windows(setup.access):
        top, left = inner.row - seen.row, inner.col - seen.col
        image[inner.slices] = read(seen)[top : top + inner.height, left : left + inner.width]
    wall, cpu = [], []
    for _ in range(PASSES):
        started, busy = time.perf_counter(), time.process_time()
        for _, seen in windows(setup.access):
            read(seen)
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - busy)
    return {"crc32": zlib.crc32(image.tobytes()), "wall_s": wall, "cpu_s": cpu}


def windows(access: Access) -> Iterator[tuple[Window, Window]]:
    """Windows that cover the slide without overlap, and what is read for each."""
    height, width = (CHUNK, SIDE) if access == "rows" else (BLOCK, BLOCK)
    halo = HALO if access == "halo" else 0
    for row in range(0, SIDE, height):
        for col in range(0, SIDE, width):
            top, left = max(0, row - halo), max(0, col - halo)
            bottom, right = min(SIDE, row + height + halo), min(SIDE, col + width + halo)
            yield Window(row, col, height, width), Window(top, left, bottom - top, right - left)


def decodes(access: Access) -> float:
    """How often a chunk is decoded, on average."""
    total = sum(len(list(touched(seen))) for _, seen in windows(access))
    return round(total / (SIDE // CHUNK) ** 2, 2)


def touched(window: Window) -> Iterator[tuple[int, int]]:
    """Places in the chunk grid of the chunks that a window touches."""
    for row in range(window.row // CHUNK, ceil_div(window.row_stop, CHUNK)):
        for col in range(window.col // CHUNK, ceil_div(window.col_stop, CHUNK)):
            yield row, col


def reader(setup: Setup, level: Path) -> Reader:
    """A function that reads a window of the array in the folder ``level``."""
    if setup.library == "tensorstore":
        return tensorstore_reader(level, setup.config)
    if setup.library == "files":
        return files_reader(level)
    zarr.config.set(setup.config)
    if setup.library == "zarrs":
        zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    array = zarr.open_array(str(level), mode="r")
    return lambda window: np.asarray(array[window.slices])


def tensorstore_reader(level: Path, limits: dict[str, int]) -> Reader:
    """Through tensorstore, which is not a part of zarr."""
    import tensorstore

    store = tensorstore.open(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(level)},
            "context": {key: {"limit": value} for key, value in limits.items()},
        }
    ).result()
    return lambda window: np.asarray(store[window.slices].read().result())


def files_reader(level: Path) -> Reader:
    """The least that any library must do, on one thread: open, decode by numcodecs, copy."""
    codec = Zstd()

    def read(window: Window) -> NDArray[np.uint8]:
        out = np.empty((window.height, window.width), np.uint8)
        for row, col in touched(window):
            data = codec.decode((level / "c" / str(row) / str(col)).read_bytes())
            top, left = row * CHUNK - window.row, col * CHUNK - window.col
            part = np.frombuffer(data, np.uint8).reshape(CHUNK, CHUNK)
            part = part[max(0, -top) : window.height - top, max(0, -left) : window.width - left]
            top, left = max(0, top), max(0, left)
            out[top : top + part.shape[0], left : left + part.shape[1]] = part
        return out

    return read


def table(told: dict[str, Any]) -> Table:
    """The figures for people."""
    shown = Table(title=f"Reading {SIDE} x {SIDE} pixels", caption=f"not run: {told['not_run']}")
    shown.add_column("setup")
    for name in ("MB/s", "best", "CPU s / 100 MB", "best", "share of job"):
        shown.add_column(name, justify="right")
    for row in told["setups"]:
        speeds = [f"{row[key]:.0f}" for key in ("mb_per_s", "best_mb_per_s")]
        costs = [f"{row[key]:.2f}" for key in ("cpu_s_per_100_mb", "best_cpu_s_per_100_mb")]
        shown.add_row(row["setup"], *speeds, *costs, f"{row['share_of_job']:.2%}")
    return shown


@click.command()
@click.option("--rounds", type=int, default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.option("--only", type=click.Choice(list(SETUPS)), hidden=True)
@click.option("--slide", type=click.Path(path_type=Path), hidden=True)
def main(rounds: int, out: Path | None, only: str | None, slide: Path | None) -> None:
    """Measure all setups that are installed."""
    if only is not None and slide is not None:
        click.echo(json.dumps(run(SETUPS[only], slide)))
        return
    told = measure(rounds)
    Console().print(table(told))
    if out is not None:
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
