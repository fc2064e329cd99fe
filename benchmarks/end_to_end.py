"""`segment` from disk to disk against its own ONNX sessions on the same tiles already in memory.

    python benchmarks/end_to_end.py SLIDE.zarr [--models SET]

Both use the same number of tiles side by side and of threads; they alternate: sessions, segment,
sessions. The sessions' inputs (each network's own part of each tile, normalised, contiguous) lie in
memory beforehand: about 5 bytes a model pixel for each network that is run. Skipping of background is off.
Operations are those of the convolutions, halos included, since they are done; their rate is given
against NumPy's float32 matrix multiply on all cores, measured before, between and after.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import zarr.storage
from numpy.typing import NDArray

import machine
from morphinfer import Options, open_slide, segment
from morphinfer.networks import Ensemble, load_ensemble
from morphinfer.networks.predictor import inner_start
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import Session
from morphinfer.runs import engine
from morphinfer.runs.plan import Plan
from morphinfer.runs.steps import make_plan
from morphinfer.tiles.tiling import gather_tile, read_blocks

Inputs = list[NDArray[np.float32]]


def measure(slide: str, models: str = "hippocampus", threads: int = 2) -> dict[str, Any]:
    """Time both ways on a slide."""
    options = Options(provider="cpu", threads=threads, skip_background="off")
    plan = make_plan(open_slide(slide), loaded(models, options))
    tiles = list(inputs(plan))
    peaks = [machine.matmul_flops()]
    alone = [sessions_alone(plan, tiles)]
    peaks.append(machine.matmul_flops())
    seconds, decodes, sampled = timed_segment(slide, models, options)
    peaks.append(machine.matmul_flops())
    alone.append(sessions_alone(plan, tiles))
    peaks.append(machine.matmul_flops())
    flops = math.fsum(
        machine.network_flops(file.path, *part.shape[2:])
        for tile in tiles
        for file, part in zip(plan.ensemble.models.used, tile, strict=True)
    )
    megapixels = math.prod(plan.image.shape) / 1e6
    return {
        "slide": Path(slide).name,
        "model_megapixels": megapixels,
        "tiling": {"tile_px": plan.tiling.tile * plan.tiling.stride_px, "tiles": len(tiles),
                   "workers": plan.ensemble.resources.workers},
        "segment_s": seconds,
        "megapixels_per_second": megapixels / seconds,
        "sessions_alone_s": alone,
        "ratio_to_sessions_alone": seconds / float(np.mean(alone)),
        "gigaflops": flops / seconds / 1e9,
        "matmul_gigaflops": [p / 1e9 for p in peaks],
        "share_of_matmul": flops / seconds / float(np.mean(peaks[1:3])),
        "share_of_matmul_sessions_alone": flops / float(np.mean(alone)) / float(np.mean(peaks)),
        "decodes_of_a_chunk": decodes,
        "sampled_before": sampled,
    }  # fmt: skip


def inputs(plan: Plan) -> Iterator[Inputs]:
    """What each network sees of each tile, (1, 1, height, width), contiguous."""
    tiling = plan.tiling
    for block in read_blocks(tiling):
        for cells in block.tiles:
            tile = gather_tile(tiling, block, cells, plan.intensity)
            parts = []
            for file in plan.ensemble.models.used:
                patch = file.card.patch_size_px
                start = inner_start(tiling.patch_size_px, patch, tiling.stride_px)
                height, width = (
                    (n - 1) * tiling.stride_px + patch for n in (cells.height, cells.width)
                )
                part = tile[start : start + height, start : start + width]
                parts.append(np.ascontiguousarray(part)[None, None])
            yield parts


def sessions_alone(plan: Plan, tiles: list[Inputs]) -> float:
    """Seconds that the networks take for all tiles, as many side by side as `segment` runs."""
    resources = plan.ensemble.resources
    provider = ProviderChoice("cpu", "benchmark")
    sessions = [
        Session(file, provider, resources.threads, own_environment=True)
        for file in plan.ensemble.models.used
    ]

    def run(tile: Inputs) -> None:
        for session, part in zip(sessions, tile, strict=True):
            session.run(part)

    with ThreadPoolExecutor(resources.workers) as pool:
        list(pool.map(run, tiles[: resources.workers]))
        started = time.perf_counter()
        list(pool.map(run, tiles))
        return time.perf_counter() - started


def loaded(models: str, options: Options) -> Ensemble:
    """Networks as the command line loads them."""
    return load_ensemble(models, options, own_environment=True)


def timed_segment(slide: str, models: str, options: Options) -> tuple[float, float, float]:
    """Seconds from opening the slide to the published label image, decodes of a chunk by the tiles, and
    before them by the sample that finds intensities and skipping.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        counted_chunks() as reads,
        copied_at_first_block(reads) as sampled,
    ):
        started = time.perf_counter()
        source = open_slide(slide)
        networks = loaded(models, options)
        result = segment(source, models=networks, out=Path(folder) / "labels.zarr")
        seconds = time.perf_counter() - started
    level = result.record.slide.level

    def count(of: Counter[str]) -> int:
        return sum(n for key, n in of.items() if key.split("/")[-4:-2] == [str(level), "c"])

    chunks = math.prod(
        -(-n // c)
        for n, c in zip(source.levels[level].shape, source.levels[level].chunk, strict=True)
    )
    return seconds, (count(reads) - count(sampled)) / chunks, count(sampled) / chunks


@contextmanager
def copied_at_first_block(reads: Counter[str]) -> Iterator[Counter[str]]:
    """The counts as they are when the tiles begin to be read."""
    copied: Counter[str] = Counter()
    plain = read_blocks

    def noted(*args: Any) -> Any:
        copied.update(reads if not copied else {})
        return plain(*args)

    with patch.object(engine, "read_blocks", noted):
        yield copied


@contextmanager
def counted_chunks() -> Iterator[Counter[str]]:
    """Count what is read of files, by key; labels of the result have two parts fewer below 'c'."""
    reads: Counter[str] = Counter()
    plain = zarr.storage.LocalStore.get

    async def get(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        if not self.read_only:
            return await plain(self, key, *args, **kwargs)
        reads["/" + key] += 1
        return await plain(self, key, *args, **kwargs)

    zarr.storage.LocalStore.get = get  # type: ignore[method-assign]
    try:
        yield reads
    finally:
        zarr.storage.LocalStore.get = plain  # type: ignore[method-assign]


@click.command()
@click.argument("slide")
@click.option("--models", default="hippocampus", show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
def main(slide: str, models: str, threads: int) -> None:
    """Measure on SLIDE and print one JSON object."""
    click.echo(json.dumps({**machine.describe(), **measure(slide, models, threads)}, indent=1))


if __name__ == "__main__":
    main()
