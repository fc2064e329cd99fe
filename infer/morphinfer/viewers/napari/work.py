"""What the plugin does besides the viewer: a slide segmented, a label image scored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from morphinfer.callbacks import OnCount
from morphinfer.geometry import Window
from morphinfer.images import Slide, make_folders
from morphinfer.networks import Options
from morphinfer.runs import Progress, default_out, segment
from morphinfer.scoring import Scores
from morphinfer.viewers.napari.layers import LayerData, label_layers
from morphinfer.viewers.napari.sources import Source


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A run that somebody asked for in the viewer."""

    source: Source
    """The layer of nuclei."""
    models: str
    """Name or folder of the model set."""
    folder: Path
    """For what is not kept: results without a name, and the region of a view."""
    out: Path | None = None
    """Where the label image is kept; by default beside the file of a whole slide."""
    view: Window | None = None
    """The part of level 0 that is segmented; None for all of it."""
    soft: bool = False
    """Whether probabilities and uncertainty become layers too."""
    overwrite: bool = False
    """Replace a label image that exists."""


def run(
    request: Request, progress: OnCount, cancel: Event
) -> tuple[list[LayerData], Sequence[str]]:
    """Segment; the layers of the result, and sentences on what was done and what to be careful about.

    Labels of a view are those that the whole slide would have there: intensities are measured on all of it.

    Raises
    ------
    MorphinferError
        As of `segment`; CancelledError where ``cancel`` was set.
    """
    slide, why = request.source.slide()
    out = request.out or _place(request, slide)
    make_folders(out.parent)
    roi = None if request.view is None else _write_view(request.view, out)
    options = Options(roi=roi, probabilities=request.soft, uncertainty=request.soft)

    def report(done: Progress) -> None:
        progress(done.tiles, done.all_tiles)

    result = segment(
        slide, models=request.models, out=out, options=options, progress=report, cancel=cancel,
        overwrite=request.overwrite,
    )  # fmt: skip
    said = [f"{out}: {_shares(result.summary['class_fractions'])}", *result.record.warnings]
    if why and request.source.file is not None:
        said.append(f"the pixels of the layer were segmented, not those of its file: {why}")
    return label_layers(out, request.source.over(slide)), said


def table_of(scores: Scores) -> list[str]:
    """Dice of each class in words, the mean first, and what could not be verified."""
    each = zip(scores.class_names, scores.dice, strict=True)
    return [
        f"mean Dice {scores.mean_dice:.3f} against {scores.reference}",
        *(f"{name}: {'n/a' if value is None else f'{value:.3f}'}" for name, value in each),
        *scores.warnings,
    ]


def _place(request: Request, slide: Slide) -> Path:
    """Where a result without a name goes: beside the slide, if it is all of a slide on disk."""
    if request.view is None and slide.path is not None:
        return default_out(slide)
    taken = len(list(request.folder.glob("*.zarr")))
    return request.folder / f"{slide.name.removesuffix('.zarr')}_{taken + 1}.zarr"


def _write_view(view: Window, out: Path) -> Path:
    """A view as a region of interest, in a file beside the label image."""
    top, left, bottom, right = view.row, view.col, view.row_stop, view.col_stop
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    path = out.with_name(f"{out.name.removesuffix('.zarr')}_view.geojson")
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}), encoding="utf-8")
    return path


def _shares(fractions: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in fractions.items())
