"""The files of a report beside the label image: picture, JSON record and HTML page."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from morphinfer.classes import roles_by_name
from morphinfer.errors import SlideError
from morphinfer.images import LabelImage, Slide, check_targets, open_slide, staged_together
from morphinfer.records import (
    ReportFile,
    RunRecord,
    ScoredSummary,
    SeamFigures,
    SeamVerdict,
    Summary,
    scores_in,
)
from morphinfer.reports.figure import Figure, write_picture
from morphinfer.reports.maps import report_maps
from morphinfer.reports.overlay import label_map, overlay
from morphinfer.reports.page import Picture, page
from morphinfer.reports.seams import check_seams, seams_json
from morphinfer.scoring import Scores, scores_json


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Paths of the files of a report, beside the label image."""

    picture: Path
    """Overlay of the classes over the nuclei, PNG; as SVG beside it."""
    record: Path
    """The run record with the scores, JSON."""
    page: Path
    """Picture, record and tables in one HTML file that needs no other."""

    @classmethod
    def beside(cls, labels: Path) -> ReportPaths:
        """Paths for the label image at a path."""
        stem = labels.name.removesuffix(".zarr")
        return cls(*(labels.with_name(stem + ending) for ending in (".png", ".json", ".html")))

    @property
    def vector(self) -> Path:
        """The picture as SVG."""
        return self.picture.with_suffix(".svg")

    def all(self) -> list[Path]:
        """Every file, the page last."""
        return [self.picture, self.vector, self.record, self.page]


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What the report of a run shows."""

    picture_width: int | None = None
    """Width of the picture in pixels, see `overlay`; that of the page has the default width."""

    def write(
        self,
        paths: ReportPaths,
        slide: Slide,
        labels: LabelImage,
        summary: Summary,
        uncertainty: Path | None = None,
    ) -> None:
        """Write all files of a report to paths where nothing is.

        Parameters
        ----------
        paths : ReportPaths
            Files to write.
        slide : Slide
            The nuclei.
        labels : LabelImage
            The result, with the path that it has for a reader.
        summary : Summary
            The figures of the run (`summarise`), with the scores if there is a reference.
        uncertainty : Path, optional
            Where the uncertainty of the run lies now; beside the label image by default.

        Raises
        ------
        SlideError
            A chunk of the slide or of the label image cannot be read.
        """
        figure = overlay(slide, labels)
        width = self.picture_width
        wanted = figure if width is None else overlay(slide, labels, width)
        write_picture(wanted, paths.picture, paths.vector)
        seams = check_seams(labels)
        content: ReportFile = {**summary, "seams": seams_json(seams), "run": dict(labels.record)}
        paths.record.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        maps = report_maps(labels, scores_in(summary), uncertainty)
        text = page(labels, summary, Picture(figure.png(), True), maps, seams)
        paths.page.write_text(text, encoding="utf-8")


def write_report(
    slide: Slide,
    labels: LabelImage,
    summary: Summary,
    *,
    picture_width: int | None = None,
    overwrite: bool = False,
) -> ReportPaths:
    """Write picture, record and page beside a label image; they appear at once.

    Parameters
    ----------
    slide : Slide
        The nuclei.
    labels : LabelImage
        The published result.
    summary : Summary
        The figures of the run (`summarise`), with the scores if there is a reference.
    picture_width : int, optional
        Width of the picture in pixels, see `overlay`; that of the page has the default width.
    overwrite : bool
        Replace a report that exists.

    Returns
    -------
    ReportPaths
        The files that were written.

    Raises
    ------
    OutputError
        A file exists, or cannot be written.
    SlideError
        A chunk of the slide or of the label image cannot be read.
    """
    paths = ReportPaths.beside(labels.image.path or Path(labels.image.name))
    *others, main = paths.all()
    check_targets(main, *others, overwrite=overwrite)
    with staged_together(main, *others) as (new_page, picture, _, record):
        new = ReportPaths(picture, record, new_page)
        ReportSettings(picture_width).write(new, slide, labels, summary)
    return paths


def write_page(
    path: str | Path,
    labels: LabelImage,
    summary: Summary,
    *,
    slide: Slide | None = None,
    picture_width: int | None = None,
    overwrite: bool = False,
) -> SeamVerdict | SeamFigures:
    """Write only the page, for an existing label image; the picture too if its width is given.

    Parameters
    ----------
    path : str or Path
        File to publish; the picture has the same name with the endings .png and .svg.
    labels, summary, overwrite
        As for `write_report`.
    picture_width : int, optional
        Width of the picture in pixels.
    slide : Slide, optional
        The nuclei; without them the picture shows the classes alone.

    Returns
    -------
    dict
        The check for seams, as JSON values.

    Raises
    ------
    OutputError
        The file exists, or cannot be written.
    SlideError
        A chunk of the slide or of the label image cannot be read.
    """
    note = "synthetic section" if labels.run_record().slide.synthetic else ""

    def draw(width: int | None) -> Figure:
        if slide is None:
            return label_map(labels, width, note=note)
        return overlay(slide, labels, width)

    main, *others = page_paths(Path(path), picture_width)
    check_targets(main, *others, overwrite=overwrite)
    with staged_together(main, *others) as (partial, *pictures):
        if pictures:
            write_picture(draw(picture_width), *pictures)
        seams = check_seams(labels)
        picture = Picture(draw(None).png(), slide is not None)
        maps = report_maps(labels, scores_in(summary))
        partial.write_text(page(labels, summary, picture, maps, seams), encoding="utf-8")
    return seams_json(seams)


def page_paths(path: Path, picture_width: int | None) -> list[Path]:
    """What `write_page` writes: the page, and the picture as PNG and SVG if its width is given."""
    return [path, *([] if picture_width is None else map(path.with_suffix, (".png", ".svg")))]


def recorded_slide(labels: LabelImage, path: str | Path | None = None) -> Slide:
    """The slide that a label image was computed from, opened as its run record states.

    Parameters
    ----------
    labels : LabelImage
        A label image with a run record.
    path : str or Path, optional
        Present path of the slide; the path in the record by default.

    Raises
    ------
    RecordError
        The label image has no run record.
    SlideError
        The slide cannot be opened, or is another image.
    """
    recorded = labels.run_record().slide
    path = recorded.path if path is None else path
    z = None if recorded.axes and "z" not in recorded.axes else recorded.z
    slide = open_slide(
        path, channel=recorded.channel, z=z, pixel_size_um=recorded.pixel_size_um, series=recorded.series,
        follow_links=recorded.follow_links,
    )  # fmt: skip
    if slide.identity != recorded.identity:
        raise SlideError(f"{path}: is not the image that was segmented")
    return slide


def summarise(labels: LabelImage, scores: Scores | None) -> Summary:
    """The figures of a run, with Dice and IoU if there are scores.

    Raises
    ------
    RecordError
        The label image has no run record.
    """
    record = labels.run_record()
    bad = record.bad_chunks
    summary: Summary = {
        "slide": record.slide.path,
        "labels": str(labels.image.path),
        "models": record.models.name,
        "organism": _organism(record),
        "classes": list(record.classes),
        "roles": roles_by_name(labels.classes),
        "pixel_size_um": record.pixel_size_um,
        "stride_px": record.stride_px,
        "provider": record.provider.ran,
        "seconds": record.seconds,
        "megapixels_per_second": record.megapixels_per_second,
        "peak_rss_mb": peak_rss_mb(),
        "class_fractions": dict(record.class_fractions),
        "uncertain_fraction": record.uncertain_fraction,
        "bad_chunks": None if bad is None else {"chunks": bad.chunks, "positions": bad.positions},
        "warnings": list(record.warnings),
    }
    if scores is None:
        return summary
    scored: ScoredSummary = {**summary, **scores_json(scores)}
    return scored


def _organism(record: RunRecord) -> str | None:
    card = (record.models.provenance or {}).get("card", {})
    return str(card["organism"]) if card.get("organism") else None


def peak_rss_mb() -> float | None:
    """Largest resident memory of this process so far, in MB; None if the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows has no such counter in the standard library
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
