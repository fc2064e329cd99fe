"""Seconds from the start of the command `morphinfer segment` to its first tile running.

    python benchmarks/startup.py SLIDE.zarr [--models SET] [--repeats N]

The clock starts before the process does and stops when the first tile of the slide goes to a worker;
in between lie Python, all imports, the networks, the slide's intensities, the sample that decides on
skipping, and the empty label image. Files are warm, since the command runs several times, and Python keeps
the modules that it has compiled, as it does where a user runs the command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

RUN = """
import gc, os, sys, time
gc.set_threshold(50_000)  # as the command does before it imports
from morphinfer.runs import engine
def predict(self, block, positions):
    sys.stdout.write(repr(time.time()))
    sys.stdout.flush()
    os._exit(0)
engine.Worker.predict = predict
from morphinfer.__main__ import main
sys.argv[0] = "morphinfer"
main()
"""


def measure(slide: str, models: str = "hippocampus", repeats: int = 7) -> dict[str, Any]:
    """Start the command several times; the first is not counted."""
    seconds = [first_tile(slide, models) for _ in range(repeats + 1)][1:]
    return {"seconds": seconds, "median_s": float(np.median(seconds)), "best_s": min(seconds)}


def first_tile(slide: str, models: str) -> float:
    """Seconds of one start."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "labels.zarr")
        command = [sys.executable, "-c", RUN, "segment", slide, "--models", models, "--out", out]
        started = time.time()
        kept = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run(
            [*command, "--provider", "cpu"], stdout=subprocess.PIPE, check=True, text=True, env=kept
        )
        return float(done.stdout) - started


@click.command()
@click.argument("slide")
@click.option("--models", default="hippocampus", show_default=True)
@click.option("--repeats", default=7, show_default=True)
def main(slide: str, models: str, repeats: int) -> None:
    """Measure on SLIDE and print one JSON object."""
    click.echo(json.dumps(measure(slide, models, repeats)))


if __name__ == "__main__":
    main()
