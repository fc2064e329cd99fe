"""The steps that every run takes, alone, as a shard or as a task: plan, draft, rows of chunks."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import CancelledError, ChangedSlideError, MorphinferError
from morphinfer.geometry import Window
from morphinfer.images import Layer, Slide, check_target, published_paths, refuse_result
from morphinfer.networks import (
    Ensemble,
    Fused,
    ModelSet,
    Options,
    Resume,
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
from morphinfer.runs.holders import Hold
from morphinfer.runs.outputs import refuse_inputs
from morphinfer.runs.plan import Plan, run_start
from morphinfer.runs.row_writer import RowWriter
from morphinfer.runs.stretches import stretches

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
    source: Slide,
    target: Path,
    options: Options,
    outputs: Sequence[Path] = (),
    *,
    inputs: Sequence[object],
    overwrite: bool,
) -> None:
    """Refuse, before any work is done, outputs that could not be published; files are in ``outputs``."""
    folders = published_paths(target, options.layers, overwrite=overwrite)
    for path in folders:
        refuse_inputs(path, [source.path, *inputs])
        check_target(path, overwrite=overwrite, folder=True)
    for path in outputs:
        if path not in folders:
            check_target(path, overwrite=overwrite)


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


def open_draft(
    plan: Plan,
    target: Path,
    *,
    overwrite: bool = False,
    resume: Resume = "auto",
    alone: bool = True,
) -> Draft:
    """The draft of the label image of a plan, new, or as an interrupted run has left it."""
    header = header_of(plan)
    return Draft.open(target, header, overwrite=overwrite, resume=resume, alone=alone)


def header_of(plan: Plan) -> DraftHeader:
    """What all processes that write the draft of a plan agree on."""
    return DraftHeader(plan.layout, plan.options.layers, run_start(plan), plan.content)


@contextmanager
def keeping(draft: Draft, held: Hold) -> Iterator[None]:
    """Say with what stops a run how much of it is kept; a draft of which nothing is done is removed."""
    try:
        yield
    except BaseException as problem:
        if held.is_alone() and draft.discard_if_empty():
            raise
        with suppress(OSError, MorphinferError):
            share = draft.kept()
            kept = f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
            problem.add_note(
                f"{kept} of the positions are kept in {draft.folder}; the same command goes on from there"
            )
        raise


def write_rows(
    plan: Plan,
    draft: Draft,
    rows: Sequence[int],
    progress: Report | None = None,
    cancel: Event | None = None,
    *,
    held: Hold | None = None,
    since: float | None = None,
) -> None:
    """Compute rows of chunks of a draft and write them; neighbouring rows are computed together.

    Raises
    ------
    ChangedSlideError
        The slide changed since it was planned for; what was written is dropped.
    """
    slide, level = plan.image.slide, plan.image.level
    writer = draft.writer(since, held)
    try:
        slide.check_source(level)
        _write_rows(plan, draft, writer, rows, progress, cancel)
        slide.check_source(level, plan.content)
    except ChangedSlideError:
        writer.disown()
        raise
    except BaseException:
        with suppress(OSError):
            writer.save()
        raise


def _write_rows(
    plan: Plan,
    draft: Draft,
    writer: RowWriter,
    rows: Sequence[int],
    progress: Report | None,
    cancel: Event | None,
) -> None:
    no_tissue = (*plan.background, UNLABELLED)
    outside = {row for row in rows if not plan.touches(draft.window(row))}
    parts = stretches(draft, [row for row in rows if row not in outside], writer.kept)
    missing = [tile for part in parts for tile in part.missing(plan.tiling)]
    count = tile_counter(plan, missing, progress, cancel)
    for row in sorted(outside):
        writer.leave_out(row)
    for part in parts:
        with closing(run_tiles(plan, part.start, part.stop, part.is_kept)) as tiles:
            for tile in tiles:
                fused = tile.fused
                soft = [layer_values(fused, layer) for layer in draft.layers]
                uncertain = uncertain_tissue(fused.labels, fused.total, no_tissue)
                writer.write(tile.positions, [fused.labels, *soft], uncertain)
                count(tile.completes, tile.positions)


def layer_values(fused: Fused, layer: Layer) -> NDArray[np.uint8]:
    """A tile of a layer: probabilities, shape (C, M, N), or uncertainty, shape (M, N)."""
    of = quantise if layer == "probabilities" else normalised_entropy
    return of(fused.total)


def tile_counter(
    plan: Plan, all_tiles: Sequence[Window], progress: Report | None, cancel: Event | None = None
) -> Callable[[int, Window], None]:
    """Function that counts tiles, with the positions that they cover, and reports progress.

    Raises
    ------
    CancelledError
        ``cancel`` is set, now or when the returned function is called.
    """
    position_megapixels = math.prod(plan.image.shape) / math.prod(plan.tiling.shape) / 1e6
    all_megapixels = sum(tile.height * tile.width for tile in all_tiles) * position_megapixels
    tiles, megapixels = 0, 0.0

    def count(number: int, covered: Window) -> None:
        nonlocal tiles, megapixels
        tiles += number
        megapixels += covered.height * covered.width * position_megapixels
        if progress is not None:
            progress(Progress(tiles, len(all_tiles), megapixels, all_megapixels))
        refuse_cancelled()

    def refuse_cancelled() -> None:
        if cancel is not None and cancel.is_set():
            name = plan.image.slide.name
            raise CancelledError(f"{name}: cancelled after {tiles} of {len(all_tiles)} tiles")

    refuse_cancelled()
    return count
