"""The steps that every run takes, alone, as a shard or as a task: plan, draft, rows of chunks."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import CancelledError
from morphinfer.images import Layer, Slide, check_target, published_paths, refuse_result
from morphinfer.networks import (
    Ensemble,
    Fused,
    ModelSet,
    Options,
    load_ensemble,
    normalised_entropy,
    quantise,
    uncertain_tissue,
)
from morphinfer.runs.background import with_skipping
from morphinfer.runs.draft import Draft
from morphinfer.runs.draft_header import DraftHeader
from morphinfer.runs.engine import run_tiles
from morphinfer.runs.fit import with_fit
from morphinfer.runs.outputs import refuse_inputs
from morphinfer.runs.plan import Plan, run_start

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    tiles: int
    """Tiles done."""
    all_tiles: int
    """Tiles to do, without those of an interrupted run."""
    megapixels: float
    """Model pixels done, in millions."""
    all_megapixels: float
    """Model pixels to do."""


Report = Callable[[Progress], None]
Models = str | Path | ModelSet | Ensemble


def check_outputs(
    source: Slide, target: Path, options: Options, *, inputs: Sequence[object], overwrite: bool
) -> None:
    """Refuse, before any work is done, outputs that could not be published."""
    for path in published_paths(target, options.layers, overwrite=overwrite):
        refuse_inputs(path, [source.path, *inputs])
        check_target(path, overwrite=overwrite, folder=True)


def run_options(models: Models, requested: Options | None) -> Options:
    """Options of a run: those requested, and those with which loaded networks were loaded.

    Raises
    ------
    OptionsError
        Loaded networks contradict them.
    """
    return models.run_options(requested) if isinstance(models, Ensemble) else requested or Options()


def make_plan(source: Slide, models: Models, options: Options | None = None) -> Plan:
    """The plan for a slide; loads the networks unless they are loaded already."""
    refuse_result(source.result, source.address)
    options = run_options(models, options)
    ensemble = models if isinstance(models, Ensemble) else load_ensemble(models, options)
    plan = with_skipping(with_fit(Plan.of(source, ensemble, options)), options.skip_background)
    logged = (*plan.image.slide.warnings, *ensemble.models.warnings)  # when each was found
    for warning in plan.warnings:
        if warning not in logged:
            logger.warning("%s", warning)
    logger.info(
        "%s: level %d, %d x %d model pixels in %d tiles; empty positions are %s (%s)",
        source.name, plan.image.level, *plan.image.shape, plan.tiling.count(),
        "skipped" if plan.skipping.on else "computed", plan.skipping.reason,
    )  # fmt: skip
    return plan


def open_draft(plan: Plan, target: Path, *, overwrite: bool) -> Draft:
    """The draft of the label image of a plan, new, or as an interrupted run has left it."""
    header = DraftHeader(plan.layout, plan.options.layers, run_start(plan))
    return Draft.open(target, header, overwrite=overwrite)


def write_rows(
    plan: Plan,
    draft: Draft,
    rows: Sequence[int],
    progress: Report | None = None,
    cancel: Event | None = None,
    *,
    since: float | None = None,
) -> None:
    """Compute rows of chunks of a draft and write them; neighbouring rows are computed together."""
    slide, level = plan.image.slide, plan.image.level
    no_tissue = (*plan.background, UNLABELLED)
    slide.check_source(level)
    writer = draft.writer(since)
    outside = {row for row in rows if not plan.touches(draft.window(row))}
    runs = position_runs(draft, [row for row in rows if row not in outside])
    count = tile_counter(plan, runs, progress, cancel)
    for row in sorted(outside):
        writer.leave_out(row)
    for run in runs:
        with closing(run_tiles(plan, *run)) as tiles:
            for tile in tiles:
                fused = tile.fused
                soft = [layer_values(fused, layer) for layer in draft.layers]
                uncertain = uncertain_tissue(fused.labels, fused.total, no_tissue)
                writer.write(tile.positions, [fused.labels, *soft], uncertain)
                count(tile.completes, tile.positions.height, tile.positions.width)
    slide.check_source(level)


def layer_values(fused: Fused, layer: Layer) -> NDArray[np.uint8]:
    """A tile of a layer: probabilities, shape (C, M, N), or uncertainty, shape (M, N)."""
    of = quantise if layer == "probabilities" else normalised_entropy
    return of(fused.total)


def position_runs(draft: Draft, rows: Sequence[int]) -> list[tuple[int, int]]:
    """First and one past the last row of positions of each run of neighbouring rows of chunks."""
    runs = []
    for _, group in groupby(enumerate(sorted(rows)), lambda pair: pair[1] - pair[0]):
        run = [row for _, row in group]
        runs.append((draft.position_rows(run[0])[0], draft.position_rows(run[-1])[1]))
    return runs


def tile_counter(
    plan: Plan,
    runs: Sequence[tuple[int, int]],
    progress: Report | None,
    cancel: Event | None = None,
) -> Callable[[int, int, int], None]:
    """Function that counts tiles, with their height and width in positions, and reports progress.

    Raises
    ------
    CancelledError
        ``cancel`` is set, now or when the returned function is called.
    """
    position_megapixels = math.prod(plan.image.shape) / math.prod(plan.tiling.shape) / 1e6
    all_tiles = sum(plan.tiling.count(*run) for run in runs)
    rows = sum(stop - start for start, stop in runs)
    all_megapixels = rows * plan.tiling.shape[1] * position_megapixels
    tiles, megapixels = 0, 0.0

    def count(number: int, height: int, width: int) -> None:
        nonlocal tiles, megapixels
        tiles += number
        megapixels += height * width * position_megapixels
        if progress is not None:
            progress(Progress(tiles, all_tiles, megapixels, all_megapixels))
        refuse_cancelled()

    def refuse_cancelled() -> None:
        if cancel is not None and cancel.is_set():
            name = plan.image.slide.name
            raise CancelledError(f"{name}: cancelled after {tiles} of {all_tiles} tiles")

    refuse_cancelled()
    return count
