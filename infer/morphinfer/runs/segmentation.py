"""Segmentation: the one place that composes slide, networks and label image.

`segment` works from disk to disk in bounded memory, `segment_array` on an array in memory. The label
image of a slide is the same for any tile size, number of workers and split (contract C2).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import LabelClass
from morphinfer.images import LabelImage, Slide, open_labels, open_slide, slide_from_array
from morphinfer.networks import Options
from morphinfer.records import RunRecord, Summary
from morphinfer.reports import summarise
from morphinfer.runs.draft import Draft
from morphinfer.runs.engine import run_tiles
from morphinfer.runs.outputs import default_out, refuse_inputs
from morphinfer.runs.sharding import compute_on
from morphinfer.runs.steps import (
    Models,
    Report,
    check_outputs,
    make_plan,
    open_draft,
    run_options,
    teller,
    write_rows,
)
from morphinfer.scoring import check_fits, evaluate

DEFAULT_MODELS = "hippocampus"


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A finished segmentation on disk."""

    labels: LabelImage
    """The published label image."""
    summary: Summary
    """The outcome in figures, with Dice where a reference was given."""

    @property
    def record(self) -> RunRecord:
        """The run record (contract C8), as stored in the label image."""
        return self.labels.run_record()


@dataclass(frozen=True, slots=True)
class ArraySegmentation:
    """A finished segmentation in memory."""

    labels: NDArray[np.uint8]
    """Class values, shape (rows, cols) in cells."""
    probabilities: NDArray[np.float32]
    """Fused probabilities, shape (classes, rows, cols)."""
    classes: tuple[LabelClass, ...]
    """Names, colours and roles; the value of a class is its index."""
    pixel_size_um: float
    """Side of a cell in micrometres; cell (0, 0) begins at the array's outer corner."""


def segment(
    slide: str | Path | Slide,
    *,
    models: Models = DEFAULT_MODELS,
    out: str | Path | None = None,
    reference: str | Path | LabelImage | None = None,
    match: Mapping[str, str] | None = None,
    options: Options | None = None,
    overwrite: bool = False,
    progress: Report | None = None,
    client: Any = None,
) -> Segmentation:
    """Segment a slide into an OME-Zarr label image.

    Parameters
    ----------
    slide : str, Path or Slide
        An OME-Zarr image, or what `open_slide` returned.
    models : str, Path, ModelSet or Ensemble
        Name of a shipped model set, a folder of ONNX files, one ONNX file, or what `load_models`
        returned; what `load_ensemble` returned serves any number of slides.
    out : str or Path, optional
        Folder of the label image; beside the slide, as SLIDE_labels.zarr, by default.
    reference : str, Path or LabelImage, optional
        Label image to score the result against.
    match : Mapping, optional
        Our name for a class name of the reference, as for `evaluate`.
    options : Options, optional
        Mode, stride, provider, threads, memory, probabilities; those of the ensemble by default where
        ``models`` is one.
    overwrite : bool
        Replace results that stand there.
    progress : callable, optional
        Called with a `Progress` after each tile.
    client : distributed.Client, optional
        Dask client whose workers compute; they must see the same files.

    Returns
    -------
    Segmentation
        The published label image and the run record.

    Raises
    ------
    SlideError, ModelError, ProviderError, OutputError, AlignmentError
        See `open_slide`, `load_models`, `choose_provider`, `Draft.open`, `evaluate`; the
        reference is checked before the work begins.

    Notes
    -----
    A run that was interrupted leaves OUT.unfinished; the same call goes on from there.
    """
    started = time.perf_counter()
    options = run_options(models, options)
    source = slide if isinstance(slide, Slide) else open_slide(slide)
    target = Path(out) if out is not None else default_out(source)
    check_outputs(source, target, options, inputs=[reference], overwrite=overwrite)
    plan = make_plan(source, models, options)
    refuse_inputs(target, [plan.ensemble.models.path])
    if reference is not None:
        reference = reference if isinstance(reference, LabelImage) else open_labels(reference)
        name = f"the label image of {source.name}"
        check_fits(reference, plan.layout.grid, plan.layout.classes, match, name=name)
    draft = open_draft(plan, target, overwrite=overwrite)
    try:
        if client is None:
            write_rows(plan, draft, draft.missing(), progress, since=started)
        else:
            compute_on(client, plan, draft, progress)
    except BaseException:
        draft.discard_if_empty()
        raise
    return _finished(draft, reference, match, overwrite=overwrite)


def finish(
    out: str | Path,
    *,
    reference: str | Path | LabelImage | None = None,
    match: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Segmentation:
    """Publish a label image whose shards are all done.

    Parameters
    ----------
    out : str or Path
        The label image that the shards were given as ``out``.
    reference : str, Path or LabelImage, optional
        Label image to score the result against.
    match : Mapping, optional
        As for `segment`.
    overwrite : bool
        Replace a label image that stands there.

    Raises
    ------
    OutputError
        There is no unfinished label image, rows of it are missing, or the target exists.
    AlignmentError
        The reference does not fit; checked before anything is published.
    """
    draft = Draft.load(Path(out))
    if reference is not None:
        reference = reference if isinstance(reference, LabelImage) else open_labels(reference)
        name = str(draft.target)
        check_fits(reference, draft.layout.grid, draft.layout.classes, match, name=name)
    return _finished(draft, reference, match, overwrite=overwrite)


def _finished(
    draft: Draft,
    reference: LabelImage | None,
    match: Mapping[str, str] | None,
    *,
    overwrite: bool,
) -> Segmentation:
    draft.finish(overwrite=overwrite)
    labels = open_labels(draft.target)
    scores = None if reference is None else evaluate(labels, reference, match=match)
    return Segmentation(labels, summarise(labels, scores))


def segment_array(
    image: NDArray[Any],
    *,
    pixel_size_um: float,
    models: Models = DEFAULT_MODELS,
    options: Options | None = None,
    progress: Report | None = None,
) -> ArraySegmentation:
    """Segment an array in memory; nothing is read from or written to disk but the models.

    Parameters
    ----------
    image : ndarray of uint8, uint16 or float32, shape (M, N)
        The nuclei image.
    pixel_size_um : float
        Side of a pixel in micrometres.
    models, options, progress
        As for `segment`.

    Raises
    ------
    SlideError, ModelError, ProviderError
        As for `segment`.
    """
    plan = make_plan(slide_from_array(image, pixel_size_um), models, options)
    classes, shape = plan.layout.classes, plan.layout.grid.shape
    labels = np.empty(shape, np.uint8)
    total = np.empty((len(classes), *shape), np.float32)
    tell = teller(plan, [(0, shape[0])], progress)
    for tile in run_tiles(plan):
        labels[tile.cells.slices] = tile.fused.labels
        total[(slice(None), *tile.cells.slices)] = tile.fused.total
        tell(1, tile.cells.height, tile.cells.width)
    return ArraySegmentation(labels, total, classes, plan.layout.grid.pixel_size_um)
