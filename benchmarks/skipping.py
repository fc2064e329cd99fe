"""A slide that is mostly empty with and without skipping of its background.

    python benchmarks/skipping.py SLIDE.zarr [--models SET]

Both runs alternate in one process; the figure is the ratio of their times. Labels of the two are
compared: outside the skipped positions they must be equal, and in them the networks' own labels (those
of the run without skipping) should be background.
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

from morphinfer import Options, open_slide, segment
from morphinfer.geometry import Window
from morphinfer.images.slides.slide import Slide
from morphinfer.networks.ensemble import Ensemble, load_ensemble
from morphinfer.runs.plan import Plan
from morphinfer.tiles.empty_positions import find_empty
from morphinfer.tiles.tiling import gather_tile, read_blocks


def measure(path: str, models: str = "hippocampus", rounds: int = 2) -> dict[str, Any]:
    """Segment a slide both ways and compare."""
    slide = open_slide(path)
    ensemble = load_ensemble(models, Options(provider="cpu"))
    ratios, runs = [], {}
    for _ in range(rounds):
        runs = {mode: run(slide, ensemble, mode) for mode in ("off", "auto")}
        ratios.append(runs["auto"][1] / runs["off"][1])
    plan = Plan.of(slide, ensemble, Options())
    empty = all_empty(plan)
    (full, full_s, _), (skipped, skipped_s, decision) = runs["off"], runs["auto"]
    return {
        "slide": Path(path).name,
        "decision": decision,
        "empty_share": float(empty.mean()),
        "seconds": {"off": full_s, "auto": skipped_s},
        "ratio": float(np.median(ratios)),
        "differing_labels_outside": int((full != skipped)[~empty].sum()),
        "skipped_that_networks_call_background": float(
            np.isin(full[empty], plan.background).mean()
        ),
    }


def run(slide: Slide, ensemble: Ensemble, mode: Any) -> tuple[NDArray[np.uint8], float, Any]:
    """Labels, seconds, and what the record says of the decision."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        out = Path(folder) / "labels.zarr"
        done = segment(slide, models=ensemble, out=out, options=Options(skip_background=mode))
        seconds = time.perf_counter() - started
        image = done.labels.image
        return (
            done.labels.read(Window(0, 0, *image.shape)),
            seconds,
            done.record.to_json()["skipping"],
        )


def all_empty(plan: Plan) -> NDArray[np.bool_]:
    """Which positions of the slide are empty, by the rule that the engine uses."""
    tiling = plan.tiling
    empty = np.empty(tiling.shape, bool)
    for block in read_blocks(tiling):
        for positions in block.tiles:
            tile = gather_tile(tiling, block, positions, plan.intensity)
            empty[positions.slices] = find_empty(
                tile, (positions.height, positions.width), tiling.patch_size_px, tiling.stride_px
            )
    return empty


@click.command()
@click.argument("slide")
@click.option("--models", default="hippocampus", show_default=True)
def main(slide: str, models: str) -> None:
    """Measure on SLIDE and print one JSON object."""
    click.echo(json.dumps(measure(slide, models), indent=1))


if __name__ == "__main__":
    main()
