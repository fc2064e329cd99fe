"""Segmentation: the one place that composes slide, tiling, networks, fusion and label image.

`segment` works from disk to disk in bounded memory, `segment_array` on an array in memory; both run
`predict`. The label image of a slide is the same for any tile size (contract C2).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import LabelClass
from morphinfer.ensemble import Options, load_ensemble
from morphinfer.evaluation import check_fits, evaluate
from morphinfer.fusion import Fused, fuse, quantise
from morphinfer.grid import Window, receptive_window
from morphinfer.labels import LabelImage, create_labels, create_probabilities, open_labels
from morphinfer.outputs import default_out, probabilities_path, refuse_inputs
from morphinfer.plan import Plan, run_record
from morphinfer.report import summarise
from morphinfer.session import ModelSet
from morphinfer.slide import Slide, open_slide, slide_from_array
from morphinfer.staging import check_target, remove
from morphinfer.tiling import gather_tile, read_bands

Progress = Callable[[int, int], None]
DEFAULT_MODELS = "hippocampus"


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A finished segmentation on disk."""

    labels: LabelImage
    """The published label image."""
    summary: dict[str, Any]
    """What ``--json`` prints: the outcome in figures, with Dice where a reference was given."""

    @property
    def record(self) -> dict[str, Any]:
        """The run record (contract C8), as stored in the label image."""
        return self.labels.record


@dataclass(frozen=True, slots=True)
class ArraySegmentation:
    """A finished segmentation in memory."""

    labels: NDArray[np.uint8]
    """Class values, shape (rows, cols) in cells."""
    probabilities: NDArray[np.float32]
    """Fused probabilities, shape (classes, rows, cols)."""
    classes: tuple[LabelClass, ...]
    """Names and colours; the value of a class is its index."""
    pixel_size_um: float
    """Side of a cell in micrometres; cell (0, 0) begins at the array's outer corner."""


def predict(plan: Plan, progress: Progress | None = None) -> Iterator[tuple[Window, Fused]]:
    """Fused prediction of every tile, in reading order.

    Yields
    ------
    window : Window
        The tile, in cells.
    fused : Fused
        Labels and probabilities of its cells.
    """
    predictor = plan.ensemble.predictor
    files = plan.ensemble.models.files
    weights = [f.card.fusion_weight for f in files] if len(files) > 1 else [1.0]
    geometry = (predictor.patch_size_px, predictor.stride_px)
    done = 0
    for band in read_bands(plan.image, plan.grid, *geometry):
        for window in band.tiles:
            seen = receptive_window(window, *geometry)
            tile = gather_tile(band, plan.image.shape, seen, plan.intensity)
            outputs = predictor.predict(tile, (window.height, window.width))
            yield window, fuse(outputs, weights)
            done += 1
            if progress is not None:
                progress(done, len(plan.grid))


def segment(
    slide: str | Path | Slide,
    *,
    models: str | Path | ModelSet = DEFAULT_MODELS,
    out: str | Path | None = None,
    reference: str | Path | LabelImage | None = None,
    options: Options | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Segmentation:
    """Segment a slide into an OME-Zarr label image.

    Parameters
    ----------
    slide : str, Path or Slide
        An OME-Zarr image, or what `open_slide` returned.
    models : str, Path or ModelSet
        Name of a shipped model set, a folder of ONNX files, one ONNX file, or what `load_models`
        returned.
    out : str or Path, optional
        Folder of the label image; beside the slide, as SLIDE_labels.zarr, by default.
    reference : str, Path or LabelImage, optional
        Label image to score the result against.
    options : Options, optional
        Mode, stride, provider, threads, tile size, probabilities.
    overwrite : bool
        Replace results that stand there.
    progress : callable, optional
        Called with the number of tiles done and of all tiles.

    Returns
    -------
    Segmentation
        The published label image and the run record.

    Raises
    ------
    SlideError, ModelError, ProviderError, OutputError, AlignmentError
        See `open_slide`, `load_models`, `choose_provider`, `create_labels`, `evaluate`; the
        reference is checked before the work begins.
    """
    options = options or Options()
    source = slide if isinstance(slide, Slide) else open_slide(slide)
    target = Path(out) if out is not None else default_out(source)
    refuse_inputs(target, [source.path, reference])
    outputs = [target, *([probabilities_path(target)] if options.probabilities else [])]
    for path in outputs:
        check_target(path, overwrite=overwrite, folder=True)
    started = time.perf_counter()
    ensemble = load_ensemble(models, options)
    refuse_inputs(target, [ensemble.models.path])
    plan = Plan.of(source, ensemble, options)
    if reference is not None:
        reference = reference if isinstance(reference, LabelImage) else open_labels(reference)
        check_fits(reference, plan.frame, [c.name for c in ensemble.models.card.classes])
    _write(
        plan,
        target,
        outputs[1:],
        run_record(source, plan, options),
        overwrite,
        progress,
        started,
    )
    if overwrite and not options.probabilities:
        remove(probabilities_path(target))  # those of an earlier run no longer belong to the labels
    labels = open_labels(target)
    scores = None if reference is None else evaluate(labels, reference)
    return Segmentation(labels, summarise(labels, scores))


def segment_array(
    image: NDArray[Any],
    *,
    pixel_size_um: float,
    models: str | Path | ModelSet = DEFAULT_MODELS,
    options: Options | None = None,
    progress: Progress | None = None,
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
    options = options or Options()
    source = slide_from_array(image, pixel_size_um)
    ensemble = load_ensemble(models, options)
    plan = Plan.of(source, ensemble, options)
    classes = ensemble.models.card.classes
    labels = np.empty(plan.frame.shape, np.uint8)
    total = np.empty((len(classes), *plan.frame.shape), np.float32)
    for window, fused in predict(plan, progress):
        labels[window.slices] = fused.labels
        total[(slice(None), *window.slices)] = fused.total
    return ArraySegmentation(labels, total, classes, ensemble.cell_um)


def _write(
    plan: Plan,
    target: Path,
    soft_targets: list[Path],
    record: dict[str, Any],
    overwrite: bool,
    progress: Progress | None,
    started: float,
) -> None:
    """Run the plan and publish the label image, and the probabilities where they are wanted."""
    models = plan.ensemble.models
    geometry: dict[str, Any] = {
        "shape": plan.frame.shape,
        "pixel_size_um": plan.frame.pixel_size_um,
        "corner_um": plan.frame.corner_um,
        "classes": models.card.classes,
        "version": plan.image.slide.version,
        "overwrite": overwrite,
    }
    counts = np.zeros(len(models.card.classes), np.int64)
    with ExitStack() as stack:
        writer = stack.enter_context(create_labels(target, record=record, **geometry))
        soft = [stack.enter_context(create_probabilities(p, **geometry)) for p in soft_targets]
        for window, fused in predict(plan, progress):
            writer.write(window, fused.labels[None])
            for each in soft:
                each.write(window, quantise(fused.total))
            counts += np.bincount(fused.labels.ravel(), minlength=len(counts))
        seconds = time.perf_counter() - started
        names = [c.name for c in models.card.classes]
        writer.record["seconds"] = seconds
        writer.record["megapixels_per_second"] = math.prod(plan.image.shape) / 1e6 / seconds
        shares = (counts / counts.sum()).tolist()
        writer.record["class_fractions"] = dict(zip(names, shares, strict=True))
