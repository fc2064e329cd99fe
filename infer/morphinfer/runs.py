"""The steps that every run takes, alone, as a shard or as a task: plan, draft, rows of chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from morphinfer.background import with_skipping
from morphinfer.drafts import Draft
from morphinfer.engine import Tile, run_tiles
from morphinfer.ensemble import Ensemble, Options, load_ensemble
from morphinfer.fusion import quantise
from morphinfer.labels import probabilities_path
from morphinfer.outputs import refuse_inputs
from morphinfer.plan import Plan, run_record
from morphinfer.session import ModelSet
from morphinfer.slide import Slide
from morphinfer.staging import check_target


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
    refuse_inputs(target, [source.path, *inputs])
    for path in [target, *([probabilities_path(target)] if options.probabilities else [])]:
        check_target(path, overwrite=overwrite, folder=True)


def make_plan(source: Slide, models: Models, options: Options) -> Plan:
    """The plan for a slide, with networks that are loaded where they are not yet."""
    ensemble = models if isinstance(models, Ensemble) else load_ensemble(models, options)
    return with_skipping(Plan.of(source, ensemble, options), options.skip_background)


def open_draft(plan: Plan, target: Path, options: Options, *, overwrite: bool) -> Draft:
    """The draft of the label image of a plan, fresh or as an interrupted run has left it."""
    return Draft.open(
        target,
        plan.layout,
        run_record(plan.image.slide, plan, options),
        probabilities=options.probabilities,
        overwrite=overwrite,
    )


def write_rows(
    plan: Plan,
    draft: Draft,
    rows: Sequence[int],
    progress: Report | None = None,
    *,
    since: float | None = None,
) -> None:
    """Compute rows of chunks of a draft and write them; neighbours are computed in one go."""
    writer = draft.writer(since)
    runs = [(draft.cells(a)[0], draft.cells(b)[1]) for a, b in _runs(rows)]
    tell = teller(plan, runs, progress)
    for start, stop in runs:
        for tile in run_tiles(plan, start, stop):
            soft = [quantise(tile.fused.total)] if draft.probabilities else []
            writer.write(tile.cells, [tile.fused.labels, *soft])
            tell(tile)


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbouring rows.

    >>> list(_runs([0, 1, 2, 5]))
    [(0, 2), (5, 5)]
    """
    for _, group in groupby(enumerate(sorted(rows)), lambda pair: pair[1] - pair[0]):
        run = [row for _, row in group]
        yield run[0], run[-1]


def teller(
    plan: Plan, runs: Sequence[tuple[int, int]], progress: Report | None
) -> Callable[[Tile], None]:
    """What counts tiles and reports."""
    cell_megapixels = math.prod(plan.image.shape) / math.prod(plan.tiling.shape) / 1e6
    width = plan.tiling.shape[1]
    all_tiles = sum(plan.tiling.count(*run) for run in runs)
    all_megapixels = sum((stop - start) * width * cell_megapixels for start, stop in runs)
    tiles, megapixels = 0, 0.0

    def tell(tile: Tile) -> None:
        nonlocal tiles, megapixels
        tiles += 1
        megapixels += tile.cells.height * tile.cells.width * cell_megapixels
        if progress is not None:
            progress(Progress(tiles, all_tiles, megapixels, all_megapixels))

    return tell
