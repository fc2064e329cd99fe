"""Many slides in one command: a slide that fails does not stop the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from morphinfer.cli.console import Verbosity, complain, memory_problem, print_json, say
from morphinfer.cli.jobs import Job, RunSettings, do_job, load_networks, make_folder, make_job
from morphinfer.cli.outcome import print_slides
from morphinfer.cli.unexpected import logged_beside
from morphinfer.cli.wording import in_options
from morphinfer.errors import MorphinferError, OutputError, RecordError, SlideError
from morphinfer.records import BatchSummary, SlideFailure, Summary

Failure = MorphinferError | MemoryError
"""What ends a slide, and not the others; any other exception becomes one."""
FAILURES = (MorphinferError, MemoryError)


def segment_many(
    slides: Sequence[str], settings: RunSettings, choices: Mapping[str, Any], *, as_json: bool
) -> None:
    """Segment slides one after the other and print the outcome of each; exit code 1 if any failed."""
    slides, skipped = _without_results(slides, settings.verbosity)
    jobs = [open_job(slide, choices) for slide in slides]
    _refuse_clashes([job for job in jobs if isinstance(job, Job)])
    if any(isinstance(job, Job) for job in jobs):
        make_folder(choices["out_dir"])
        networks = load_networks(choices["models"], settings.options)
        settings = replace(settings, models=networks)
    skip = bool(choices["skip_done"])
    summaries = [
        attempt(
            slide, job, settings, f"segmenting {slide} ({number} of {len(jobs)})", skip_done=skip
        )
        for number, (slide, job) in enumerate(zip(slides, jobs, strict=True), 1)
    ]
    failed = sum("error" in summary for summary in summaries)
    if as_json:
        content: BatchSummary = {"slides": summaries, "failed": failed, "skipped": skipped}
        print_json(content)
    else:
        print_slides(summaries)
    if failed:
        click.get_current_context().exit(1)


def _without_results(paths: Sequence[str], verbosity: Verbosity) -> tuple[list[str], list[str]]:
    """The slides among several paths, and those that hold results, each of which is named on stderr.

    Raises
    ------
    SlideError
        All hold results.
    """
    from morphinfer.images import stored_result

    kinds = {path: stored_result(path) for path in paths}
    skipped = [path for path in paths if kinds[path]]
    for path in skipped:
        holds = f"skipped, since it holds the {kinds[path]} of a segmentation"
        say(verbosity, f"morphinfer: warning: {path}: {holds}")
    if len(skipped) == len(paths):
        raise SlideError(
            f"none of the {len(paths)} paths is a slide; all hold results of segmentations; name the slides"
        )
    return [path for path in paths if not kinds[path]], skipped


def open_job(slide: str, choices: Mapping[str, Any]) -> Job | Failure:
    """A job for a slide, or the error of opening it; only metadata is read."""
    try:
        with logged_beside(Path(choices["out_dir"] or "")):
            return make_job(slide, choices)
    except FAILURES as problem:
        return problem


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    """Refuse, before any work is done, slides whose label images would have the same path."""
    slides_of = defaultdict(list)
    for job in jobs:
        slides_of[job.target.resolve()].append(job.slide_path)
    for target, slides in slides_of.items():
        if len(slides) > 1:
            raise OutputError(
                f"{target}: the label images of {' and of '.join(slides)} would have the same path; "
                f"rename the slides, or segment them one by one with --out"
            )


def attempt(
    slide: str, job: Job | Failure, settings: RunSettings, label: str, *, skip_done: bool
) -> Summary | SlideFailure:
    """The summary of a slide, or its error, whatever that is."""
    try:
        if not isinstance(job, Job):
            raise job
        with logged_beside(job.target.parent):
            summary = _finished(job, settings) if skip_done else None
            if summary is not None:
                say(settings.verbosity, f"{slide}: {job.target} exists already")
                return {**summary, "slide": slide}
            result = do_job(job, settings, label=label)
    except FAILURES as problem:
        text = str(problem) if isinstance(problem, MorphinferError) else memory_problem(problem)
        about = "" if text.startswith(slide) else f"{slide}: "
        complain(f"{about}{text}", notes=getattr(problem, "__notes__", ()))
        return {"slide": slide, "error": in_options(text)}
    page = "" if result.report is None else f", {result.report.page}"
    say(settings.verbosity, f"{slide}: {result.summary['labels']}{page}")
    return {**result.summary, "slide": slide}


def _finished(job: Job, settings: RunSettings) -> Summary | None:
    """The summary of a slide whose outputs all exist; a report that is missing is written again."""
    from morphinfer.images import open_labels, settle
    from morphinfer.reports import recorded_slide, summarise, write_report
    from morphinfer.runs import run_outputs

    if settle(job.target) is not None or not job.target.exists():
        return None
    labels = open_labels(job.target)
    try:
        summary = summarise(labels, None)
    except RecordError as problem:
        raise OutputError(
            f"{job.target}: exists, but 'morphinfer segment' did not write it; name another --out-dir"
        ) from problem
    outputs = run_outputs(job.target, settings.options.layers, report=True)
    missing = [path for path in outputs if not path.exists()]
    for path in missing:
        if path.suffix == ".zarr":
            raise OutputError(
                f"{path}: does not exist, while {job.target} does; segment the slide again with "
                f"`overwrite=True`"
            )
    if missing:
        slide = recorded_slide(labels, job.slide_path)
        width = settings.picture_width
        write_report(slide, labels, summary, picture_width=width, overwrite=True)
    settings.also.make(job.source, labels, job.target, overwrite=False, again=False)
    return summary
