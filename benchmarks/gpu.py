"""`segment` on a graphics card: 27000 x 20000 pixels, the networks that have a weight, reading included.

    python benchmarks/gpu.py [--provider cuda] [--models SET] [--half FOLDER] [--side N]

The slide is synthetic and made first. It reports seconds, megapixels a second and peak host memory for
tiles of several sizes, and the same for a set in half precision where --half names one (made by
`morphinfer half SET --out FOLDER`), with the share of labels that it changes. NOT MEASURED so far: no
card was at hand. The goal is 3 s on a card of the H200 class.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import big_slides
import machine
from morphinfer import Options, open_slide, segment
from morphinfer.geometry import Window
from morphinfer.networks.ensemble import load_ensemble
from morphinfer.networks.runtime import Provider

SIDE = 23240
"""A square with as many pixels as 27000 x 20000."""
TILES = (1024, 2048, 4096)


def measure(
    slide: str, models: str, provider: Provider, tile_px: int
) -> tuple[dict[str, Any], Any]:
    """Second of two runs, the first of which wakes the card; and the labels."""
    options = Options(provider=provider, tile_px=tile_px, max_memory_mb=1e6, skip_background="off")
    ensemble = load_ensemble(models, options)
    labels: NDArray[np.uint8] = np.empty((0, 0), np.uint8)
    row: dict[str, Any] = {}
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            out = Path(folder) / "labels.zarr"
            done = segment(open_slide(slide), models=ensemble, out=out, options=options)
            seconds = time.perf_counter() - started
            labels = done.labels.read(Window(0, 0, *done.labels.image.shape))
        record = done.record.to_json()
        row = {"tile_px": tile_px, "models": models, "seconds": seconds, **record["tiling"],
                "provider": record["provider"],
                "megapixels_per_second": record["megapixels_per_second"]}  # fmt: skip
    return row, labels


@click.command()
@click.option(
    "--provider", type=click.Choice(["cuda", "tensorrt", "directml", "cpu"]), default="cuda"
)
@click.option("--models", default="hippocampus", show_default=True)
@click.option("--half", type=click.Path(exists=True), help="The set in half precision.")
@click.option("--side", default=SIDE, show_default=True)
def main(provider: Provider, models: str, half: str | None, side: int) -> None:
    """Measure and print one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        slide = str(Path(folder) / "slide.zarr")
        big_slides.make(Path(slide), side)
        rows, kept = [], None
        for tile_px in TILES:
            row, kept = measure(slide, models, provider, tile_px)
            rows.append(row)
        if half is not None and kept is not None:
            row, labels = measure(slide, half, provider, TILES[1])
            rows.append({**row, "labels_changed": float((labels != kept).mean())})
    click.echo(json.dumps({"machine": machine.describe(), "side": side, "runs": rows}, indent=1))


if __name__ == "__main__":
    main()
