"""Many slides by one command: one that fails does not stop the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from morphinfer.cli.console import complain, print_json, say
from morphinfer.cli.jobs import How, Job, do_job, load_networks, make_folder, make_job
from morphinfer.cli.outcome import print_slides
from morphinfer.cli.wording import in_options
from morphinfer.errors import MorphinferError, OutputError, RecordError
from morphinfer.records import BatchSummary, SlideFailure, Summary


def segment_many(
    slides: Sequence[str], how: How, choices: Mapping[str, Any], *, as_json: bool
) -> None:
    """Segment slides one after the other, and print what became of each; exit code 1 if any failed."""
    jobs = _open_all(slides, choices)
    _refuse_clashes([job for job in jobs if isinstance(job, Job)])
    if any(isinstance(job, Job) for job in jobs):
        make_folder(choices["out_dir"])
        how = replace(how, models=load_networks(choices["models"], how.options))
    skip = bool(choices["skip_done"])
    told = [
        _attempt(given, job, how, f"segmenting {given} ({number} of {len(jobs)})", skip_done=skip)
        for number, (given, job) in enumerate(zip(slides, jobs, strict=True), 1)
    ]
    failed = sum("error" in summary for summary in told)
    if as_json:
        content: BatchSummary = {"slides": told, "failed": failed}
        print_json(content)
    else:
        print_slides(told)
    if failed:
        click.get_current_context().exit(1)


def _open_all(slides: Sequence[str], choices: Mapping[str, Any]) -> list[Job | MorphinferError]:
    """A job for each slide, or why there can be none; nothing but metadata is read."""
    jobs: list[Job | MorphinferError] = []
    for given in slides:
        try:
            jobs.append(make_job(given, choices))
        except MorphinferError as problem:
            jobs.append(problem)
    return jobs


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    """Refuse, before any work is done, slides of which one would replace the other's labels."""
    takers = defaultdict(list)
    for job in jobs:
        takers[job.target.resolve()].append(job.given)
    for target, given in takers.items():
        if len(given) > 1:
            raise OutputError(
                f"{target}: the labels of {' and of '.join(given)} cannot all stand there; give each "
                f"slide a name of its own, or segment them one by one with --out"
            )


def _attempt(
    given: str, job: Job | MorphinferError, how: How, label: str, *, skip_done: bool
) -> Summary | SlideFailure:
    """The summary of a slide, or the error that it ended with."""
    try:
        if isinstance(job, MorphinferError):
            raise job
        if skip_done and job.target.exists():
            summary = _finished(job)
            say(how.verbosity, f"{given}: {job.target} stands there already")
            return {**summary, "slide": given}
        result, report = do_job(job, how, label=label)
    except MorphinferError as problem:
        about = "" if str(problem).startswith(given) else f"{given}: "
        complain(f"{about}{problem}", notes=getattr(problem, "__notes__", ()))
        return {"slide": given, "error": in_options(str(problem))}
    say(how.verbosity, f"{given}: {result.summary['labels']}, {report.page}")
    return {**result.summary, "slide": given}


def _finished(job: Job) -> Summary:
    """The summary of a slide whose label image exists already."""
    from morphinfer.images import open_labels
    from morphinfer.reports import summarise

    labels = open_labels(job.target)
    try:
        return summarise(labels, None)
    except RecordError as problem:
        raise OutputError(
            f"{job.target}: stands there, but 'morphinfer segment' did not write it; name another "
            f"--out-dir"
        ) from problem
