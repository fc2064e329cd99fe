"""Segmentation: the one place that composes slide, tiling, networks, fusion and label image.

`segment` works from disk to disk in bounded memory, `segment_array` on an array in memory; both run
`predict_bands`. The label image of a slide is the same for any tile size (contract C2).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import LabelClass
from morphinfer.errors import ModelError
from morphinfer.fusion import Fused, fuse, quantise
from morphinfer.grid import TileGrid, Window, patch_offset, receptive_window
from morphinfer.labels import LabelImage, create_labels, create_probabilities, open_labels
from morphinfer.model_image import ModelImage
from morphinfer.normalising import Intensity, measure_intensity
from morphinfer.predictor import DensePredictor, Predictor, WindowPredictor
from morphinfer.runtime import Provider, ProviderChoice, choose_provider
from morphinfer.session import ModelSet, Session, available_cores, load_models
from morphinfer.slide import Slide, open_slide, slide_from_array
from morphinfer.staging import check_target
from morphinfer.tiling import gather_tile, read_bands

Mode = Literal["dense", "windows"]
Progress = Callable[[int, int], None]
DEFAULT_MODELS = "hippocampus"


@dataclass(frozen=True, slots=True)
class Options:
    """How to segment; the defaults suit any slide."""

    mode: Mode | None = None
    """Dense, or patch by patch; None takes dense where the networks allow it."""
    stride_px: int | None = None
    """Distance of predictions in model pixels; None takes the networks' own."""
    provider: Provider = "auto"
    """ONNX Runtime execution provider."""
    threads: int = 0
    """Threads of each network; 0 takes all cores that the process may use."""
    tile_px: int = 1024
    """Side of a tile in model pixels, without its halo."""
    probabilities: bool = False
    """Whether the fused probabilities are kept too, as uint8."""


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


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Networks loaded on a provider, ready to predict."""

    models: ModelSet
    provider: ProviderChoice
    mode: Mode
    predictor: Predictor

    @property
    def cell_um(self) -> float:
        """Side of a cell in micrometres."""
        return self.models.card.pixel_size_um * self.predictor.stride_px


def load_ensemble(models: str | Path | ModelSet, options: Options) -> Ensemble:
    """Load a model set on the provider that the options ask for.

    Raises
    ------
    ModelError
        The set is damaged, or its networks cannot run in the mode or at the stride asked for.
    ProviderError
        The provider does not run here.
    """
    found = models if isinstance(models, ModelSet) else load_models(models)
    if options.stride_px is not None and options.stride_px < 1:
        raise ModelError(f"stride {options.stride_px} px: it must be at least 1")
    mode: Mode = options.mode or ("dense" if found.padding_free else "windows")
    if mode == "dense" and not found.padding_free:
        raise ModelError(
            f"{found.path}: its networks pad inside, so a large tile does not give what patches "
            f"give; use --mode windows"
        )
    choice = choose_provider(options.provider, found.files[0].path.read_bytes())
    sessions = [Session(file, choice, options.threads) for file in found.files]
    kind = DensePredictor if mode == "dense" else WindowPredictor
    return Ensemble(found, choice, mode, kind(sessions, options.stride_px))


def predict_bands(
    image: ModelImage, intensity: Intensity, ensemble: Ensemble, grid: TileGrid
) -> Iterator[tuple[Window, Fused]]:
    """Fused prediction of every tile, in reading order.

    Yields
    ------
    window : Window
        The tile, in cells.
    fused : Fused
        Labels and probabilities of its cells.
    """
    predictor = ensemble.predictor
    weights = [f.card.fusion_weight for f in ensemble.models.files]
    geometry = (predictor.patch_size_px, predictor.stride_px)
    for band in read_bands(image, grid, *geometry):
        for window in band.tiles:
            tile = gather_tile(band, image.shape, receptive_window(window, *geometry), intensity)
            outputs = predictor.predict(tile, (window.height, window.width))
            yield window, fuse(outputs, weights)


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
    for path in [target, *([probabilities_path(target)] if options.probabilities else [])]:
        check_target(path, overwrite=overwrite)
    started = time.perf_counter()
    ensemble = load_ensemble(models, options)
    image, intensity, grid = _plan(source, ensemble, options)
    record = _record(source, ensemble, options, image, intensity)
    geometry: dict[str, Any] = {
        "shape": (grid.height, grid.width),
        "pixel_size_um": ensemble.cell_um,
        "corner_um": _cells_corner(source, ensemble),
        "classes": ensemble.models.card.classes,
        "version": source.version,
        "overwrite": overwrite,
    }
    counts = np.zeros(len(ensemble.models.card.classes), np.int64)
    with (
        create_labels(target, record=record, **geometry) as writer,
        create_probabilities(target, keep=options.probabilities, **geometry) as soft,
    ):
        for done, (window, fused) in enumerate(
            predict_bands(image, intensity, ensemble, grid), start=1
        ):
            writer.write(window, fused.labels)
            if soft is not None:
                soft.write(window, quantise(fused.total))
            counts += np.bincount(fused.labels.ravel(), minlength=len(counts))
            if progress is not None:
                progress(done, len(grid))
        writer.record.update(_outcome(image, counts, time.perf_counter() - started, ensemble))
    labels = open_labels(target)
    scores = None if reference is None else evaluate(labels, reference)
    return Segmentation(labels, _summary(labels, scores))


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
    model_image, intensity, grid = _plan(source, ensemble, options)
    classes = ensemble.models.card.classes
    labels = np.empty((grid.height, grid.width), np.uint8)
    total = np.empty((len(classes), grid.height, grid.width), np.float32)
    tiles = predict_bands(model_image, intensity, ensemble, grid)
    for done, (window, fused) in enumerate(tiles, start=1):
        labels[window.slices] = fused.labels
        total[(slice(None), *window.slices)] = fused.total
        if progress is not None:
            progress(done, len(grid))
    return ArraySegmentation(labels, total, classes, ensemble.cell_um)


def default_out(slide: Slide) -> Path:
    """SLIDE_labels.zarr beside the slide."""
    path = slide.path or Path(slide.name)
    return path.with_name(path.name.removesuffix(".zarr").removesuffix(".ome") + "_labels.zarr")


def probabilities_path(labels: Path) -> Path:
    """Where the probabilities of a label image stand."""
    return labels.with_name(labels.name.removesuffix(".zarr") + "_probabilities.zarr")


def _plan(
    slide: Slide, ensemble: Ensemble, options: Options
) -> tuple[ModelImage, Intensity, TileGrid]:
    card = ensemble.models.card
    image = ModelImage.of(slide, card.pixel_size_um)
    intensity = measure_intensity(slide, card.normalisation)
    return image, intensity, TileGrid.over(image.shape, ensemble.predictor.stride_px, options.tile_px)


def _cells_corner(slide: Slide, ensemble: Ensemble) -> tuple[float, float]:
    """Outer corner of cell (0, 0), so that each cell lies around the centre of its patch."""
    stride = ensemble.predictor.stride_px
    patch = ensemble.predictor.patch_size_px
    shift_px = patch_offset(patch, stride) - (stride - patch) / 2
    shift_um = shift_px * ensemble.models.card.pixel_size_um
    row, col = slide.corner_um
    return row + shift_um, col + shift_um


def _record(
    slide: Slide, ensemble: Ensemble, options: Options, image: ModelImage, intensity: Intensity
) -> dict[str, Any]:
    models = ensemble.models
    return {
        "morphinfer": version("morphinfer"),
        "slide": {
            "path": str(slide.path or slide.name),
            "shape": list(slide.shape),
            "pixel_size_um": slide.pixel_size_um,
            "level": image.level,
            "channel": slide.channel,
            "z": slide.z,
            "identity": slide.identity,
        },
        "models": {"name": models.name, "sha256": {f.path.name: f.sha256 for f in models.files}},
        "classes": [c.name for c in models.card.classes],
        "pixel_size_um": models.card.pixel_size_um,
        "stride_px": ensemble.predictor.stride_px,
        "mode": ensemble.mode,
        "provider": {"ran": ensemble.provider.name, "why": ensemble.provider.reason},
        "options": asdict(replace(options, threads=options.threads or available_cores())),
        "intensity": asdict(intensity),
    }


def _outcome(
    image: ModelImage, counts: NDArray[np.int64], seconds: float, ensemble: Ensemble
) -> dict[str, Any]:
    megapixels = image.shape[0] * image.shape[1] / 1e6
    names = [c.name for c in ensemble.models.card.classes]
    return {
        "seconds": seconds,
        "megapixels_per_second": megapixels / seconds,
        "class_fractions": dict(zip(names, (counts / counts.sum()).tolist(), strict=True)),
    }


def _summary(labels: LabelImage, scores: Scores | None) -> dict[str, Any]:
    record = labels.record
    told = {
        "slide": record["slide"]["path"],
        "labels": str(labels.image.path),
        "models": record["models"]["name"],
        "classes": record["classes"],
        "pixel_size_um": record["pixel_size_um"],
        "stride_px": record["stride_px"],
        "provider": record["provider"]["ran"],
        "seconds": record["seconds"],
        "megapixels_per_second": record["megapixels_per_second"],
        "peak_rss_mb": peak_rss_mb(),
        "class_fractions": record["class_fractions"],
    }
    return told if scores is None else {**told, **scores_json(scores)}
