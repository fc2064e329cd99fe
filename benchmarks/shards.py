"""Two processes with one thread each, as shards of one label image, against one with two threads.

    python benchmarks/shards.py SLIDE.zarr [--models SET]

The clock runs from the start of the commands to the published label image: two `segment --shard`
side by side and `finish`, against one `segment`. The figure is the speed of the two over that of the one,
and whether the label images are equal byte by byte (the run records, which hold times, aside).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

COMMAND = [sys.executable, "-m", "morphinfer"]


def measure(slide: str, models: str = "hippocampus", rounds: int = 2) -> dict[str, Any]:
    """Run both ways by turns."""
    ones, twos, equal = [], [], True
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            one, two = Path(folder) / "one.zarr", Path(folder) / "two.zarr"
            ones.append(clocked([[slide, "--out", str(one), "--threads", "2"]], models))
            parts = [
                [slide, "--out", str(two), "--threads", "1", "--shard", f"{k}/2"] for k in (1, 2)
            ]
            twos.append(clocked(parts, models, finish=two))
            equal = equal and same_chunks(one, two)
    return {
        "one_process_two_threads_s": ones,
        "two_processes_one_thread_s": twos,
        "speed_of_two_over_one": float(np.median(ones) / np.median(twos)),
        "chunks_equal": equal,
    }


def clocked(commands: list[list[str]], models: str, finish: Path | None = None) -> float:
    """Seconds that the commands take side by side."""
    started = time.perf_counter()
    options = ["--models", models, "--provider", "cpu", "--skip-background", "off", "-q"]
    running = [
        subprocess.Popen([*COMMAND, "segment", *c, *options], stdout=subprocess.DEVNULL)
        for c in commands
    ]
    if [process for process in running if process.wait()]:
        raise SystemExit("a shard failed")
    if finish is not None:
        subprocess.run([*COMMAND, "finish", str(finish)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def same_chunks(one: Path, two: Path) -> bool:
    """Whether two label images have the same chunks, byte by byte."""
    files = [
        {
            p.relative_to(root): p.read_bytes()
            for p in root.rglob("*")
            if p.is_file() and p.name.isdigit()
        }
        for root in (one, two)
    ]
    return bool(files[0]) and files[0] == files[1]


@click.command()
@click.argument("slide")
@click.option("--models", default="hippocampus", show_default=True)
def main(slide: str, models: str) -> None:
    """Measure on SLIDE and print one JSON object."""
    click.echo(json.dumps(measure(slide, models), indent=1))


if __name__ == "__main__":
    main()
