"""The end of a run: scores, report and publication, or the result of one that was stopped meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from morphinfer.errors import RecordError, SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images import LabelImage, Slide, check_target, forget, open_labels, settle
from morphinfer.records import Summary
from morphinfer.reports import ReportPaths, ReportSettings, recorded_slide, summarise
from morphinfer.runs.draft import Draft
from morphinfer.runs.holders import hold
from morphinfer.runs.outputs import run_outputs
from morphinfer.runs.results import Segmentation
from morphinfer.scoring import AnnotatedSlide, check_fits, evaluate, open_reference

logger = logging.getLogger(__name__)


def finish(
    out: str | Path,
    *,
    reference: str | Path | LabelImage | None = None,
    match: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
    overwrite: bool = False,
    report: ReportSettings | None = None,
    ends: bool = True,
) -> Segmentation:
    """Publish a label image whose shards are all done.

    Parameters
    ----------
    out : str or Path
        The label image that the shards were given as ``out``.
    reference : str, Path or LabelImage, optional
        Label image to score the result against.
    match, ignore
        As for `segment`.
    overwrite : bool
        Replace an existing label image.
    report : ReportSettings, optional
        As for `segment`; where the slide cannot be read any more, a warning says that there is no report.
    ends : bool
        As for `segment`.

    Raises
    ------
    OutputError
        There is no unfinished label image, rows of it are missing, or the target exists.
    AlignmentError
        The reference does not fit; checked before anything is published.
    """
    scored = Scored(reference, match, ignore)
    target = Path(out)
    with hold(target):
        if settle(target) is not None:
            result = result_of(target, scored, report)
        else:
            draft = Draft.load(target)
            for path in run_outputs(target, draft.layers, report=report is not None):
                check_target(path, overwrite=overwrite)
            if reference is not None:
                grid, classes = draft.layout.grid, draft.layout.classes
                reference = open_reference(reference, grid, _slide_of(draft), name=str(target))
                check_fits(reference, grid, classes, match, ignore=ignore, name=str(target))
                scored = Scored(reference, match, ignore)
            result = finished(draft, scored, report, None, overwrite=overwrite)
    if ends:
        forget(target)
    return result


def _slide_of(draft: Draft) -> AnnotatedSlide:
    """The slide of a draft, as far as its record says where it lies."""
    slide = draft.header.record.slide
    grid = PixelGrid(slide.shape, slide.pixel_size_um, draft.layout.grid.corner_um)
    return AnnotatedSlide(grid, Path(slide.path))


@dataclass(frozen=True, slots=True)
class Scored:
    """What a result is compared with, if anything."""

    reference: str | Path | LabelImage | None
    match: Mapping[str, str] | None
    ignore: Collection[str]

    def summary(self, labels: LabelImage) -> Summary:
        """The figures of a result, with its scores."""
        if self.reference is None:
            return summarise(labels, None)
        scores = evaluate(labels, self.reference, match=self.match, ignore=self.ignore)
        return summarise(labels, scores)


def finished(
    draft: Draft,
    scored: Scored,
    report: ReportSettings | None,
    slide: Slide | None,
    *,
    overwrite: bool,
) -> Segmentation:
    """Publish a draft with its report; ``slide`` is that of its record by default."""
    summaries: list[Summary] = []

    def write_extra() -> dict[Path, str | None]:
        labels = draft.staged_labels()
        summaries.append(scored.summary(labels))
        if report is None:
            return {}
        final, new = (
            ReportPaths.beside(draft.target).all(),
            ReportPaths.beside(draft.folder / "report"),
        )
        try:
            report.write(
                new, slide or recorded_slide(labels), labels, summaries[0],
                draft.folder / "uncertainty.zarr",
            )  # fmt: skip
        except (SlideError, RecordError) as problem:
            if slide is not None:
                raise
            logger.error("%s: is published without a report: %s", draft.target, problem)
            return dict.fromkeys(final)
        return {path: staged.name for path, staged in zip(final, new.all(), strict=True)}

    draft.finish(overwrite=overwrite, extra=write_extra, ends=False)
    return result_of(draft.target, scored, report, summaries[0])


def result_of(
    target: Path,
    scored: Scored,
    report: ReportSettings | None,
    summary: Summary | None = None,
) -> Segmentation:
    """What was published."""
    labels = open_labels(target)
    paths = ReportPaths.beside(target)
    written = report is not None and paths.page.exists()
    return Segmentation(labels, summary or scored.summary(labels), paths if written else None)
