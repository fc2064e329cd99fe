"""Segmentation: the one place that composes slide, networks and label image.

`segment` works from disk to disk in bounded memory, `segment_array` on an array in memory. The label
image of a slide is the same for any tile size, number of workers and split (contract C2).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from morphinfer.images import (
    LabelImage,
    Pixels,
    Slide,
    check_target,
    forget,
    open_slide,
    settle,
    slide_from_array,
)
from morphinfer.networks import Options, normalised_entropy
from morphinfer.reports import ReportSettings
from morphinfer.runs.background import doubt_background
from morphinfer.runs.draft import Draft
from morphinfer.runs.engine import run_tiles
from morphinfer.runs.finishing import Scored, finished, result_of
from morphinfer.runs.holders import Hold, hold
from morphinfer.runs.outputs import default_out, refuse_inputs, run_outputs
from morphinfer.runs.plan import Plan, run_start
from morphinfer.runs.results import ArraySegmentation, Segmentation
from morphinfer.runs.sharding import compute_on
from morphinfer.runs.steps import (
    Models,
    Report,
    check_outputs,
    header_of,
    keeping,
    make_plan,
    open_draft,
    run_options,
    tile_counter,
    write_rows,
)
from morphinfer.scoring import AnnotatedSlide, check_fits, open_reference

DEFAULT_MODELS = "hippocampus"

logger = logging.getLogger(__name__)


def segment(
    slide: str | Path | Slide,
    *,
    models: Models = DEFAULT_MODELS,
    out: str | Path | None = None,
    reference: str | Path | LabelImage | None = None,
    match: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
    options: Options | None = None,
    overwrite: bool = False,
    report: ReportSettings | None = None,
    progress: Report | None = None,
    cancel: Event | None = None,
    client: Any = None,
    ends: bool = True,
) -> Segmentation:
    """Segment a slide into an OME-Zarr label image.

    Parameters
    ----------
    slide : str, Path or Slide
        An OME-Zarr image, or what `open_slide` returned, which also takes a channel, a z plane and a
        pixel size; or what `slide_from_array` returned.
    models : str, Path, ModelSet or Ensemble
        Name of a shipped model set, a folder of ONNX files, one ONNX file, or what `load_models`
        returned; what `load_ensemble` returned serves any number of slides.
    out : str or Path, optional
        Folder of the label image; beside the slide, as SLIDE_labels.zarr, by default.
    reference : str, Path or LabelImage, optional
        Label image to score the result against.
    match : Mapping, optional
        Our name for a class name of the reference, as for `evaluate`.
    ignore : collection of str
        Classes of the reference whose pixels are not compared.
    options : Options, optional
        Mode, stride, provider, threads, memory, probabilities, region of interest; those of the
        ensemble by default where ``models`` is one.
    overwrite : bool
        Replace existing results.
    report : ReportSettings, optional
        Also write the files of a report (`ReportPaths`), which appear together with the label image.
    progress : callable, optional
        Called with a `Progress` after each tile, in the thread that called. An exception that it raises
        stops the run.
    cancel : threading.Event, optional
        Stops the run once another thread has set it: after the next tile, or with a ``client`` after
        the next of its tasks, of which those that run by then still end.
    client : distributed.Client, optional
        Dask client whose workers compute; they must see the same files.
    ends : bool
        Whether the work ends with the return. Else the same call returns the published result, without
        computing, until `forget` is called with ``out``: a command that is killed before it has printed the
        result can be repeated.

    Returns
    -------
    Segmentation
        The published label image and the run record.

    Raises
    ------
    SlideError, ModelError, ProviderError, OutputError, AlignmentError
        See `open_slide`, `load_models`, `choose_provider`, `Draft.open`, `evaluate`; the
        reference is checked before the work begins. OutputError too where another process works on the
        label image, and ChangedSlideError where the slide changed meanwhile.
    OptionsError
        Loaded networks contradict the options.
    RoiError
        The region of interest cannot be read, or is off the slide.
    CancelledError
        ``cancel`` was set.

    Notes
    -----
    A run that is stopped leaves OUT.unfinished; the same call resumes it, if the slide is the same. What
    stops it has a note (`__notes__`) that says how much is kept. All outputs get their names at the end, at
    once; where a run is stopped just then, the same call completes it.
    """
    started = time.perf_counter()
    options = run_options(models, options)
    source = slide if isinstance(slide, Slide) else open_slide(slide)
    target = Path(out) if out is not None else default_out(source)
    earlier = settle(target)
    may_exist = overwrite or earlier is not None
    check_target(target, overwrite=may_exist, folder=True)
    outputs = run_outputs(target, options.layers, report=report is not None)
    check_outputs(source, target, options, outputs, inputs=[reference], overwrite=may_exist)
    with hold(target) as held:
        plan = make_plan(source, models, options)
        refuse_inputs(target, [plan.ensemble.models.path])
        if reference is not None:
            name = f"the label image of {source.name}"
            shown = AnnotatedSlide(source.grid, source.path)
            reference = open_reference(reference, plan.layout.grid, shown, name=name)
            classes = plan.layout.classes
            check_fits(reference, plan.layout.grid, classes, match, ignore=ignore, name=name)
        scored = Scored(reference, match, ignore)
        if earlier and earlier.maker == header_of(plan).key() and earlier.is_of(outputs):
            result = result_of(target, scored, report)
        else:
            check_outputs(source, target, options, outputs, inputs=[], overwrite=overwrite)
            draft = open_draft(plan, target, overwrite=overwrite, resume=options.resume)
            with keeping(draft, held):
                _compute(plan, draft, held, progress, cancel, client, since=started)
                result = finished(draft, scored, report, source, overwrite=overwrite)
    if ends:
        forget(target)
    return result


def _compute(
    plan: Plan,
    draft: Draft,
    held: Hold,
    progress: Report | None,
    cancel: Event | None,
    client: Any,
    *,
    since: float,
) -> None:
    """Compute the missing rows of a draft, here or on the workers of a Dask client."""
    if client is not None:
        compute_on(client, plan, draft, held, progress, cancel)
        return
    missing = draft.missing()
    if len(missing) < draft.row_count:
        logger.info(
            "%s: resumes, %d of %d rows missing", draft.target, len(missing), draft.row_count
        )
    write_rows(plan, draft, missing, progress, cancel, held=held, since=since)


def segment_array(
    image: Pixels,
    *,
    pixel_size_um: float,
    channel: str | int | None = None,
    models: Models = DEFAULT_MODELS,
    options: Options | None = None,
    progress: Report | None = None,
    cancel: Event | None = None,
) -> ArraySegmentation:
    """Segment an array; nothing is read from or written to disk but the models.

    Parameters
    ----------
    image : array of uint8, uint16 or float32, shape (M, N) or (C, M, N)
        The nuclei image, of NumPy, Dask, zarr or xarray; read window by window, see `slide_from_array`.
    pixel_size_um : float
        Side of a pixel in micrometres.
    channel : str or int, optional
        Channel of the nuclei where there are several.
    models, options, progress, cancel
        As for `segment`.

    Returns
    -------
    ArraySegmentation
        Labels, probabilities and, where the options ask for it, uncertainty, each as large as the
        label image.

    Raises
    ------
    SlideError, ModelError, ProviderError, OptionsError, RoiError, CancelledError
        As for `segment`.
    """
    plan = make_plan(slide_from_array(image, pixel_size_um, channel=channel), models, options)
    classes, grid = plan.layout.classes, plan.layout.grid
    labels = np.empty(grid.shape, np.uint8)
    total = np.empty((len(classes), *grid.shape), np.float32)
    uncertainty = np.empty(grid.shape, np.uint8) if plan.options.uncertainty else None
    count = tile_counter(plan, list(plan.tiling.windows()), progress, cancel)
    with closing(run_tiles(plan)) as tiles:
        for tile in tiles:
            labels[tile.positions.slices] = tile.fused.labels
            total[(slice(None), *tile.positions.slices)] = tile.fused.total
            if uncertainty is not None:
                uncertainty[tile.positions.slices] = normalised_entropy(tile.fused.total)
            count(tile.completes, tile.positions)
    counts = np.bincount(labels.ravel(), minlength=256)[: len(classes)].tolist()
    doubts = doubt_background(plan.image.slide.name, classes, counts)
    for doubt in doubts:
        logger.warning("%s", doubt)
    record = run_start(replace(plan, warnings=(*plan.warnings, *doubts)))
    return ArraySegmentation(labels, total, uncertainty, classes, grid, record)
