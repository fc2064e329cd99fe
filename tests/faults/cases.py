"""Calls of the library whose outputs must appear in one step, each with the folder to begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiff_files
from fakes import KEPT, FakePredictor, fake_ensemble, write_slide
from harness import Case

from morphinfer import finish, open_labels, open_slide, segment
from morphinfer.images.convert import convert
from morphinfer.phantom import make_phantom
from morphinfer.reports import ReportSettings, summarise, write_page, write_report
from morphinfer.runs import segment_shard
from networks import nuclei

LABELS = "l.zarr"
SHAPE = (60, 60)
"""Of the slide."""


def run(folder: Path, predictor: FakePredictor | None = None, **options: Any) -> None:
    """Segment s.zarr, with all layers and a report."""
    segment(
        folder / "s.zarr", models=fake_ensemble(predictor), out=folder / LABELS, options=KEPT,
        report=ReportSettings(), **options,
    )  # fmt: skip


def with_slide(start: Path) -> Path:
    """A folder that holds s.zarr."""
    start.mkdir()
    write_slide(start / "s.zarr", nuclei(*SHAPE))
    return start


def plain(start: Path) -> Case:
    """A first run."""
    return Case("segment", with_slide(start), run, LABELS)


def overwritten(start: Path) -> Case:
    """A run that replaces another."""
    run(with_slide(start), FakePredictor(dark=0))
    return Case("segment --overwrite", start, lambda folder: run(folder, overwrite=True), LABELS)


def sharded(start: Path) -> Case:
    """`finish` after all shards."""
    slide = open_slide(with_slide(start) / "s.zarr")
    for number in (1, 2):
        segment_shard(slide, (number, 2), models=fake_ensemble(), out=start / LABELS, options=KEPT)

    def call(folder: Path) -> None:
        finish(folder / LABELS, report=ReportSettings())

    return Case("finish", start, call, LABELS)


def converted(start: Path) -> Case:
    """`convert`."""
    start.mkdir()
    tiff_files.write(start / "a.tif", tiff_files.noise(40, 30), resolution=(20000, 20000))

    def call(folder: Path) -> None:
        convert(folder / "a.tif", folder / "a.zarr", pixel_size_um=0.5)

    return Case("convert", start, call, "a.zarr")


def phantom(start: Path) -> Case:
    """`phantom`."""
    start.mkdir()

    def call(folder: Path) -> None:
        make_phantom(folder / "p", seed=1, size=(64, 64))

    return Case("phantom", start, call, "p")


def report(start: Path) -> Case:
    """`report --picture-width --overwrite`."""
    run(with_slide(start))

    def call(folder: Path) -> None:
        labels, slide = open_labels(folder / LABELS), open_slide(folder / "s.zarr")
        summary = summarise(labels, None)
        page = folder / "l.html"
        write_page(page, labels, summary, slide=slide, picture_width=300, overwrite=True)

    return Case("report", start, call, "l.html")


def whole_report(start: Path) -> Case:
    """All files of a report beside labels that have none."""
    segment(with_slide(start) / "s.zarr", models=fake_ensemble(), out=start / LABELS)

    def call(folder: Path) -> None:
        labels, slide = open_labels(folder / LABELS), open_slide(folder / "s.zarr")
        write_report(slide, labels, summarise(labels, None))

    return Case("write_report", start, call, "l.html")


CASES: tuple[Callable[[Path], Case], ...] = (
    plain, overwritten, sharded, converted, phantom, report, whole_report,
)  # fmt: skip
