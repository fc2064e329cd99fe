"""``morphinfer watch``: segment slides as a scanner finishes writing them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.also import Also, also_option
from morphinfer.cli.batch import attempt, open_job
from morphinfer.cli.choices import chosen_options, engine_options, slide_options
from morphinfer.cli.console import LOGGERS, say, verbosity_options
from morphinfer.cli.jobs import Job, RunSettings, load_networks, make_folder
from morphinfer.cli.pictures import picture_width_option
from morphinfer.cli.progress import progress_option
from morphinfer.cli.wording import in_options
from morphinfer.names import printable

if TYPE_CHECKING:
    from morphinfer.records import SlideFailure, Summary

LOG = "watch.log"
LOG_BYTES, OLD_LOGS = 1_000_000, 5


@click.command()
@click.argument("folder", metavar="FOLDER",
                type=click.Path(exists=True, file_okay=False, path_type=Path))  # fmt: skip
@click.option("--out-dir", required=True, type=click.Path(), metavar="DIR",
              help="Folder for the results, the log and the status; outside FOLDER.")  # fmt: skip
@click.option("--settle", "settle_s", type=click.FloatRange(min=0), default=60, show_default=True,
              metavar="SECONDS",
              help="A slide is complete once nothing of it has changed for so long.")  # fmt: skip
@click.option("--every", "every_s", type=click.FloatRange(min=0.01), default=10, show_default=True,
              metavar="SECONDS", help="Shortest pause between two looks at FOLDER.")  # fmt: skip
@click.option("--once", is_flag=True, help="End once every slide is done or has failed.")
@click.option("--overwrite", "again", is_flag=True,
              help="Segment a slide again whose files changed after it was segmented.")  # fmt: skip
@slide_options
@engine_options
@also_option
@picture_width_option
@progress_option
@verbosity_options
def watch(
    folder: Path, settle_s: float, every_s: float, once: bool, again: bool, **choices: Any
) -> None:
    """Segment slides in FOLDER as a scanner finishes writing them.

    One slide runs at a time, and FOLDER is only read. DIR gets what 'morphinfer segment' writes, in the same
    folders as the slides, and watch.log and watch.json (what became of each slide). A slide that fails stops
    no other; it is tried three times. Stopped and started again, the same command goes on.
    """
    from morphinfer.runs import WatchSettings
    from morphinfer.runs import watch as watch_folder

    if choices["roi"]:
        raise click.UsageError(
            "--roi is drawn on one slide, and a folder may have many; leave it out"
        )
    out_dir = Path(choices["out_dir"]).resolve()
    make_folder(str(out_dir))
    networks = load_networks(choices["models"], chosen_options(choices))
    settings = RunSettings(
        networks, chosen_options(choices), False, choices["picture_width"], None, choices["progress"],
        choices["verbosity"], Also(choices["also"], None),
    )  # fmt: skip

    def segment_one(slide: Path, replaced: bool) -> Summary | SlideFailure:
        place = out_dir / slide.relative_to(folder).parent
        return _segment_one(
            slide, {**choices, "out": None, "out_dir": str(place)}, settings, replaced
        )

    say(settings.verbosity, f"watching {folder}; results, {LOG} and watch.json are in {out_dir}")
    with _log_file(out_dir / LOG):
        status = watch_folder(
            folder, out_dir, segment_one, WatchSettings(settle_s, every_s, once, again)
        )
    if any(slide.state != "done" for slide in status.slides.values()):
        click.get_current_context().exit(1)


def _segment_one(
    slide: Path, choices: Mapping[str, Any], settings: RunSettings, replaced: bool
) -> Summary | SlideFailure:
    """The summary of a slide, or its error; results of an earlier run are kept unless they are replaced."""
    from morphinfer.images import forget

    make_folder(choices["out_dir"])
    job = open_job(str(slide), choices)
    settings = replace(settings, overwrite=replaced)
    try:
        return attempt(str(slide), job, settings, f"segmenting {slide}", skip_done=not replaced)
    finally:
        if isinstance(job, Job):
            forget(job.target)


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Write the messages of the library into a file, of which old ones are kept."""
    from logging.handlers import RotatingFileHandler

    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8")
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logger, watching = logging.getLogger(LOGGERS[0]), logging.getLogger("morphinfer.watch")
    level = watching.level
    logger.addHandler(handler)
    watching.setLevel(logging.INFO)
    try:
        yield
    finally:
        watching.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


class _OneLine(logging.Formatter):
    """Lines as the terminal shows them: options, and control characters spelled out."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(in_options(super().format(record)))
