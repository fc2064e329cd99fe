"""What a run needs, before it begins: its tiles, its memory, and its time from a sample.

Nothing is written. The expected memory is that of the tiles side by side (`resources`) and what
grows with the width of the slide:

- the frontier of pixels that are kept between two rows of blocks (`tiling`): as many rows of the
  level as the halo and an unfinished chunk need, in the slide's data type;
- the rows of chunks of the label image that are open at once (`row_writer`): those that one row of blocks
  touches, one byte a position, and with layers one more for uncertainty and one a class for
  probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import product
from time import perf_counter
from typing import Literal

from morphinfer.geometry import Window, ceil_div
from morphinfer.runs.engine import Worker
from morphinfer.runs.plan import Plan
from morphinfer.tiles import Block, Tiling, read_block

WARM_UP_SIDE = 16


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run needs."""

    slide: str
    """Path, or name, of the slide."""
    level: int
    """Level that is read."""
    level_shape: tuple[int, int]
    """Rows and columns of that level."""
    level_pixel_size_um: float
    """Side of its pixels."""
    chunk: tuple[int, int]
    """Rows and columns of its chunks."""
    model_shape: tuple[int, int]
    """Rows and columns in model pixels."""
    model_pixel_size_um: float
    """Side of a model pixel."""
    cells: tuple[int, int]
    """Rows and columns of the label image."""
    cell_um: float
    """Distance of positions."""
    labels_mb: float
    """The label image, not compressed and without its pyramid."""
    tiles: tuple[int, int]
    """Rows and columns of tiles."""
    tile_px: int
    """About the side of a tile in model pixels, without its halo."""
    halo_percent: float
    """By how much the networks compute more pixels than the slide has, for each network, in percent:
    for the halo of the tiles, and for each patch or shift where positions are predicted one by one or
    more densely than the networks' own stride."""
    workers: int
    """Tiles side by side."""
    threads: int
    """Threads of each."""
    provider: str
    """Execution provider."""
    provider_reason: str
    """Why that one."""
    memory_mb: float
    """Most memory that the process is expected to take."""
    roi_percent: float | None
    """Part of the slide in tiles that touch the region of interest, in percent; None without one."""
    skips_background: bool
    """Whether empty positions are skipped."""
    skipping_reason: str
    """Why."""
    megapixels: float
    """Model pixels, in millions."""
    megapixels_per_second: float
    """Pace of the sample."""
    limited_by: Literal["the networks", "reading"]
    """What sets the pace: both work at the same time."""
    seconds: float
    """Expected time, without the start and the pyramid of the label image."""
    warnings: tuple[str, ...]
    """What the result could not be trusted for, a sentence each (contract C9)."""


def forecast_run(plan: Plan) -> Forecast:
    """What a run of a plan needs; a few tiles are computed for the time.

    Parameters
    ----------
    plan : Plan
        What would be computed.

    Raises
    ------
    SlideError
        The middle of the slide cannot be read.
    OutOfMemoryError
        The memory does not suffice for a tile.
    """
    image, tiling, ensemble = plan.image, plan.tiling, plan.ensemble
    level = image.slide.levels[image.level]
    megapixels = math.prod(image.shape) / 1e6
    computing, reading = measure_pace(plan)
    share = 1.0 if plan.roi is None else touched_share(plan)
    computing *= share
    seconds = megapixels * max(computing, reading)
    return Forecast(
        slide=str(image.slide.path or image.slide.url or image.slide.name),
        level=image.level,
        level_shape=level.shape,
        level_pixel_size_um=level.pixel_size_um,
        chunk=level.chunk,
        model_shape=image.shape,
        model_pixel_size_um=ensemble.models.card.pixel_size_um,
        cells=tiling.shape,
        cell_um=ensemble.cell_um,
        labels_mb=math.prod(tiling.shape) / 1e6,
        tiles=(len(_tiles(tiling, 0)), len(_tiles(tiling, 1))),
        tile_px=tiling.tile * tiling.stride_px,
        halo_percent=halo_percent(plan),
        workers=ensemble.resources.workers,
        threads=ensemble.resources.threads,
        provider=ensemble.provider.name,
        provider_reason=ensemble.provider.reason,
        memory_mb=memory_mb(plan),
        roi_percent=None if plan.roi is None else 100 * share,
        skips_background=plan.skipping.on,
        skipping_reason=plan.skipping.reason,
        megapixels=megapixels,
        megapixels_per_second=megapixels / seconds,
        limited_by="the networks" if computing >= reading else "reading",
        seconds=seconds,
        warnings=plan.warnings,
    )


def halo_percent(plan: Plan) -> float:
    """By how much the networks compute more pixels than the slide has, in percent; see `Forecast`."""
    tiling = plan.tiling
    counts = [[count for _, count in _tiles(tiling, axis)] for axis in (0, 1)]
    total = 0
    for file in plan.ensemble.models.used:
        patch, native = file.card.patch_size_px, file.card.stride_px
        if plan.ensemble.mode == "windows":
            total += math.prod(sum(axis) * patch for axis in counts)
        else:
            phases = native // tiling.stride_px
            total += math.prod(_dense_px(axis, phases, native, patch) for axis in counts)
    useful = len(plan.ensemble.models.used) * math.prod(plan.image.shape)
    return 100 * (total / useful - 1)


def _dense_px(counts: Sequence[int], phases: int, native: int, patch: int) -> int:
    """Pixels along one axis that a network sees, summed over the tiles and the shifts of each."""
    return sum(
        (ceil_div(count - shift, phases) - 1) * native + patch
        for count in counts
        for shift in range(min(phases, count))
    )


def memory_mb(plan: Plan) -> float:
    """Most memory that the process is expected to take, see the module."""
    tiling, spans = plan.tiling, plan.tiling.spans(0)
    kept = max(span.fresh - span.source_start for span in spans)
    width = tiling.spans(1)[-1].source_stop
    frontier = kept * width * plan.image.slide.dtype.itemsize
    chunk = plan.layout.chunk
    open_rows = max(ceil_div(span.stop, chunk) - span.start // chunk for span in spans)
    positions = min(open_rows * chunk, tiling.shape[0]) * tiling.shape[1]
    shapes = [plan.layout.layer(layer, layer).shape for layer in plan.options.layers]
    rows = positions * (1 + sum(math.prod(shape[:-2]) for shape in shapes))
    return plan.ensemble.resources.memory_mb + (frontier + rows) / 1e6


def measure_pace(plan: Plan) -> tuple[float, float]:
    """Seconds that a megapixel takes, computed and read, by the tiles in the middle of the slide.

    As many tiles as run side by side are computed at once, after a small one that wakes the
    networks. Nothing is skipped, so the time is an upper bound for slides with empty parts.
    Reading counts the chunks that were touched.
    """
    whole = replace(plan, skipping=replace(plan.skipping, on=False), roi=None)
    tiling, worker = plan.tiling, Worker(whole)
    windows = middle_tiles(tiling, plan.ensemble.resources.workers)
    small = _warm_up(windows[0])
    worker.predict(read_block(tiling, small), small)
    started = perf_counter()
    blocks = [read_block(tiling, window) for window in windows]
    read = perf_counter() - started
    started = perf_counter()
    with ThreadPoolExecutor(len(windows), "morphinfer-sample") as pool:
        list(pool.map(worker.predict, blocks, windows))
    computed = perf_counter() - started
    megapixels = math.prod(plan.image.shape) / 1e6
    positions = sum(window.height * window.width for window in windows)
    share_computed = positions / math.prod(tiling.shape)
    share_read = sum(_touched(tiling, block) for block in blocks)
    return computed / (share_computed * megapixels), read / (share_read * megapixels)


def touched_share(plan: Plan) -> float:
    """Share of the positions in tiles that touch the region of interest."""
    touched = (w for w in _windows(plan.tiling) if plan.touches(w))
    return sum(w.height * w.width for w in touched) / math.prod(plan.tiling.shape)


def middle_tiles(tiling: Tiling, count: int) -> list[Window]:
    """The tiles nearest to the middle of the slide, ``count`` of them or as many as there are."""
    height, width = tiling.shape
    return nsmallest(
        count,
        _windows(tiling),
        key=lambda w: math.hypot(
            w.row + w.height / 2 - height / 2, w.col + w.width / 2 - width / 2
        ),
    )


def _windows(tiling: Tiling) -> Iterator[Window]:
    """All tiles, in positions."""
    for (row, rows), (col, cols) in product(_tiles(tiling, 0), _tiles(tiling, 1)):
        yield Window(row, col, rows, cols)


def _tiles(tiling: Tiling, axis: int) -> list[tuple[int, int]]:
    """First positions and counts of all tiles along an axis."""
    return [tile for span in tiling.spans(axis) for tile in span.tiles(tiling.tile)]


def _warm_up(window: Window) -> Window:
    sides = (min(WARM_UP_SIDE, side) for side in (window.height, window.width))
    return Window(window.row, window.col, *sides)


def _touched(tiling: Tiling, block: Block) -> float:
    """Share of the level that lies in the chunks which a block touches."""
    level = tiling.image.slide.levels[tiling.image.level]
    share = 1.0
    for start, count, chunk, size in zip(
        block.corner, block.pixels.shape, level.chunk, level.shape, strict=True
    ):
        first, last = start // chunk * chunk, ceil_div(start + count, chunk) * chunk
        share *= (min(last, size) - first) / size
    return share
