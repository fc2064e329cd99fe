"""Peak memory and time a megapixel of `segment` on slides of growing size, each in its own process.

    python benchmarks/memory.py SLIDE.zarr [SLIDE.zarr ...] [--max-memory MB]

Peak memory is the largest resident set less that of the interpreter with the libraries loaded
(NumPy, zarr, ONNX Runtime, morphinfer) and nothing opened yet. Default settings, but no skipping of
background, so that all slides do the same work a pixel.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

RUN = """
import json, resource, sys, time
from pathlib import Path
import numpy, onnxruntime, zarr, zarr.codecs
from morphinfer import Options, open_slide, segment
from morphinfer.networks import load_ensemble
slide, models, out, options = sys.argv[1], sys.argv[2], sys.argv[3], Options(**json.loads(sys.argv[4]))
def peak():
    status = Path("/proc/self/status")
    if status.exists():  # the other figure begins with what the parent of the process held
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
libraries = peak()
started = time.perf_counter()
ensemble = load_ensemble(models, options, own_environment=True)  # as the command line does
record = segment(open_slide(slide), models=ensemble, out=out).record.to_json()
seconds = time.perf_counter() - started
shape = record["model_shape"]
print(json.dumps({
    "shape": shape, "libraries_mb": libraries, "peak_mb": peak() - libraries, "seconds": seconds,
    "seconds_per_megapixel": seconds / (shape[0] * shape[1] / 1e6), "tiling": record["tiling"],
}))
"""


def measure(slide: str, models: str = "hippocampus", **options: Any) -> dict[str, Any]:
    """Segment a slide in a process of its own."""
    options_json = json.dumps({"provider": "cpu", "skip_background": "off", **options})
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "labels.zarr")
        done = subprocess.run(
            [sys.executable, "-c", RUN, slide, models, out, options_json],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return {"slide": Path(slide).name, **result}


@click.command()
@click.argument("slides", nargs=-1, required=True)
@click.option("--models", default="hippocampus", show_default=True)
@click.option("--max-memory", type=float)
def main(slides: tuple[str, ...], models: str, max_memory: float | None) -> None:
    """Measure on SLIDES and print one JSON object a line."""
    limits = {} if max_memory is None else {"max_memory_mb": max_memory}
    for slide in slides:
        click.echo(json.dumps(measure(slide, models, **limits)))


if __name__ == "__main__":
    main()
