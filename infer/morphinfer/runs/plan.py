"""What will be computed for a slide, where the result lies, and how the run record describes it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import roles_by_name, values_of
from morphinfer.errors import RoiError, SlideError
from morphinfer.geometry import PixelGrid, Window, ceil_div, patch_offset
from morphinfer.images import Layout, Roi, Slide, StoredContent, open_roi
from morphinfer.networks import Ensemble, ModelSet, Options, provenance_of
from morphinfer.records import (
    RunBadChunks,
    RunFit,
    RunIntensity,
    RunModels,
    RunProvider,
    RunRoi,
    RunSlide,
    RunStart,
    RunTiling,
    Skipping,
)
from morphinfer.runs.masking import Masked, masked_positions, masked_warning, with_masked
from morphinfer.tiles import Intensity, ModelImage, Tiling, measure_intensity

SMALLEST_SHARED_PX = 256
"""Smaller tiles cost more by their halo than a second worker gains."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be computed, and where the result lies."""

    image: ModelImage
    """The slide at the model's pixel size."""
    intensity: Intensity
    """How its intensities become input."""
    ensemble: Ensemble
    """The networks."""
    tiling: Tiling
    """The blocks and tiles."""
    layout: Layout
    """Place and meaning of the label image."""
    skipping: Skipping
    """Whether empty positions are skipped."""
    options: Options
    """The options of the run."""
    warnings: tuple[str, ...] = ()
    """Those of slide and model set, and what else the result cannot be trusted for, a sentence each."""
    fit: RunFit | None = None
    """Whether the slide looks like those that the networks were trained on; see `with_fit`."""
    roi: Roi | None = None
    """The region of interest, outside of which positions are unlabelled; None for the whole slide."""
    roi_positions: int = 0
    """Number of positions inside it."""
    content: StoredContent = field(default_factory=StoredContent)
    """What the slide held when it was planned for."""
    masked: Masked = field(default_factory=Masked)
    """Positions that are unlabelled, since they see a chunk that cannot be decoded."""
    bad_chunks: RunBadChunks | None = None
    """Their number, for the run record; None where all chunks can be decoded or that stops the run."""

    @classmethod
    def of(cls, slide: Slide, ensemble: Ensemble, options: Options) -> Plan:
        """Plan for a slide.

        Raises
        ------
        SlideError
            The slide cannot be read.
        RoiError
            The region of interest cannot be read, or contains no position.
        """
        card = ensemble.models.card
        image = ModelImage.of(slide, card.pixel_size_um)
        slide = image.slide
        ensemble = ensemble.beside(slide.reading_mb(image.level))
        stride, patch = ensemble.predictor.stride_px, ensemble.predictor.patch_size_px
        tiling = fit_tiling(Tiling(image, patch, stride, 0), ensemble, options.tile_px)
        # Half a model pixel where a patch cannot be centred on its position, see `patch_offset`.
        shift_um = (patch_offset(patch, stride) - (stride - patch) / 2) * card.pixel_size_um
        row, col = slide.grid.corner_um
        corner_um = (row + shift_um, col + shift_um)
        grid = PixelGrid(tiling.shape, card.pixel_size_um * stride, corner_um)
        layout = Layout(grid, card.classes, slide.version, options.label_chunk)
        may_be_empty = options.on_empty == "background"
        warnings = (
            *slide.warnings, *absent_warning(slide, image.level), *ensemble.models.warnings
        )  # fmt: skip
        content = slide.content(image.level)  # before any pixel of the level is read
        if options.on_bad_chunk == "mask":
            slide = with_masked(slide, image.level)
            image = replace(image, slide=slide)
            tiling = replace(tiling, image=image)
        intensity = measure_intensity(
            slide, card.normalisation, card.pixel_size_um, may_be_empty=may_be_empty
        )
        undecided = Skipping(on=False, reason="not decided")
        plan = cls(
            image,
            intensity,
            ensemble,
            tiling,
            layout,
            undecided,
            options,
            warnings,
            content=content,
        )
        if options.roi is not None:
            plan = _inside(plan, open_roi(options.roi, slide.grid))
        return _without_bad(plan) if slide.bad_chunks else plan

    @property
    def background(self) -> tuple[int, ...]:
        """Values of the classes whose role is background; there may be none."""
        return values_of(self.layout.classes, "background")

    def unlabelled(self, window: Window) -> NDArray[np.bool_] | None:
        """Which positions of a window get no label, shape (height, width); None for none of the slide."""
        masked = self.masked.covers(window) if self.masked.windows else None
        if self.roi is None:
            return masked
        outside = ~self.roi.mask(self.layout.grid, window)
        return outside if masked is None else outside | masked

    def touches(self, window: Window) -> bool:
        """Whether any position of a window is inside the region of interest."""
        return self.roi is None or bool(self.roi.mask(self.layout.grid, window).any())

    @property
    def halo_positions(self) -> int:
        """Positions by which the mean patch reaches past its own; the cost of a window at its rim."""
        patches = [f.card.patch_size_px for f in self.ensemble.models.used]
        return round(sum(patches) / len(patches) / self.tiling.stride_px) - 1


def _inside(plan: Plan, roi: Roi) -> Plan:
    """The plan for a region of interest alone."""
    positions = roi.count(plan.layout.grid)
    if not positions:
        raise RoiError(
            f"{roi.path}: its polygons contain the centre of no position of "
            f"{plan.layout.grid.pixel_size_um:g} micrometres; draw a larger one"
        )
    return replace(plan, roi=roi, roi_positions=positions)


def _without_bad(plan: Plan) -> Plan:
    """The plan that leaves out what sees a bad chunk."""
    masked, shape, roi = masked_positions(plan.tiling), plan.tiling.shape, plan.roi

    def inside(window: Window) -> NDArray[np.bool_]:
        if roi is None:
            return np.ones((window.height, window.width), bool)
        return roi.mask(plan.layout.grid, window)

    bad = RunBadChunks(chunks=masked.chunks, positions=masked.count(shape, inside))
    counted = math.prod(shape) if roi is None else plan.roi_positions
    warning = masked_warning(plan.image.slide, bad, counted)
    return replace(plan, masked=masked, bad_chunks=bad, warnings=(*plan.warnings, warning))


def absent_warning(slide: Slide, level: int) -> tuple[str, ...]:
    """A sentence on the chunks of a level that are absent, or that cannot be listed; else none.

    Raises
    ------
    SlideError
        There are some, and the slide was opened with ``missing_chunks='refuse'``.
    """
    absent = slide.list_absent(level)
    if absent is None:
        if slide.url is None:
            return ()
        return (
            f"{slide.name}: its chunks cannot be listed at {slide.url}; any that is absent is taken as the "
            f"fill value",
        )
    if not absent.count:
        return ()
    counted = f"{absent.count} of {absent.total} {absent.kind} of level {level} are absent"
    if slide.missing_chunks == "refuse":
        raise SlideError(
            f"{slide.name}: {counted}; copy the slide again from its source, or take absent chunks as empty "
            f"with `missing_chunks='fill'`"
        )
    return (f"{slide.name}: {counted} and taken as the fill value",)


def fit_tiling(whole: Tiling, ensemble: Ensemble, requested_px: int | None) -> Tiling:
    """Tiles of the size that the resources allow, smaller where a small slide would leave workers idle."""
    stride = whole.stride_px
    tile_px = ensemble.resources.tile_px
    while requested_px is None and tile_px > SMALLEST_SHARED_PX:
        height, width = (ceil_div(side, tile_px) for side in whole.image.shape)
        if height * width >= 2 * ensemble.resources.workers:
            break
        tile_px //= 2
    return replace(whole, tile=max(1, tile_px // stride))


def tile_edges(tiling: Tiling, axis: int) -> list[int]:
    """First position of each tile but the first along an axis (0: rows, 1: columns).

    Rows are those of an uninterrupted run; shards, and resumed runs, begin at rows of
    chunks.
    """
    tiles = [tile for span in tiling.spans(axis) for tile in span.tiles(tiling.tile)]
    return [first for first, _ in tiles[1:]]


def run_start(plan: Plan) -> RunStart:
    """The run record (contract C8) as far as it is known before the run."""
    ensemble = plan.ensemble
    card = ensemble.models.card
    return RunStart(
        morphinfer=version("morphinfer"),
        slide=_slide(plan.image.slide, plan.image.level),
        models=_models(ensemble.models),
        classes=tuple(c.name for c in card.classes),
        roles=roles_by_name(card.classes),
        pixel_size_um=card.pixel_size_um,
        stride_px=ensemble.predictor.stride_px,
        mode=ensemble.mode,
        provider=RunProvider(ran=ensemble.provider.name, why=ensemble.provider.reason),
        model_shape=plan.image.shape,
        skipping=plan.skipping,
        options=asdict(plan.options),
        tiling=_tiling(plan),
        intensity=RunIntensity(**asdict(plan.intensity)),
        warnings=plan.warnings,
        fit=plan.fit,
        roi=None if plan.roi is None else RunRoi(**plan.roi.record(), positions=plan.roi_positions),
        bad_chunks=plan.bad_chunks,
    )


def _slide(slide: Slide, level: int) -> RunSlide:
    return RunSlide(
        path=slide.address,
        shape=slide.shape,
        pixel_size_um=slide.pixel_size_um,
        level=level,
        channel=slide.channel,
        z=slide.z,
        identity=slide.identity,
        synthetic=slide.synthetic,
        axes=slide.axes,
        series=slide.series,
        follow_links=slide.follow_links,
    )


def _models(models: ModelSet) -> RunModels:
    return RunModels(
        name=models.name,
        sha256={file.path.name: file.sha256 for file in models.files},
        provenance=provenance_of(models),
    )


def _tiling(plan: Plan) -> RunTiling:
    resources = {
        **asdict(plan.ensemble.resources),
        "tile_px": plan.tiling.tile * plan.tiling.stride_px,
    }
    return RunTiling(
        **resources,
        row_edges=tuple(tile_edges(plan.tiling, 0)),
        col_edges=tuple(tile_edges(plan.tiling, 1)),
    )
