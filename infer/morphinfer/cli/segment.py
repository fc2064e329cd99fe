"""``morphinfer segment``: write a label image, a picture and a report of each slide."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from morphinfer.cli.also import Also, also_option, into_slide_option
from morphinfer.cli.batch import segment_many
from morphinfer.cli.choices import chosen_options, engine_options, slide_options
from morphinfer.cli.console import ParamType, echo, print_json, verbosity_options
from morphinfer.cli.jobs import (
    RunSettings,
    dask_client,
    do_job,
    loading,
    make_folder,
    make_job,
)
from morphinfer.cli.matching import match_option
from morphinfer.cli.outcome import print_outcome
from morphinfer.cli.pictures import picture_width_option
from morphinfer.cli.plan import print_forecasts
from morphinfer.cli.progress import progress_option, tile_progress
from morphinfer.cli.unexpected import logged_beside
from morphinfer.records import ShardSummary


class Shard(ParamType):
    """One part of a run, and the number of parts."""

    name = "I/N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse I/N, with I from 1 to N."""
        if isinstance(value, tuple):
            return value
        index, _, shards = str(value).partition("/")
        if not (index.isdecimal() and shards.isdecimal()):
            self.fail(f"{value!r} is not I/N, for example 1/4", param, ctx)
        if not 1 <= int(index) <= int(shards):
            self.fail(
                f"{value!r} does not exist; name one of 1/{shards} to {shards}/{shards}", param, ctx
            )
        return int(index), int(shards)


@click.command()
@click.argument("slides", metavar="SLIDE...", nargs=-1, required=True, type=click.Path())
@slide_options
@click.option("--out", type=click.Path(), metavar="LABELS.zarr",
              help="Label image to write.  [default: SLIDE_labels.zarr beside the slide]")  # fmt: skip
@click.option("--out-dir", type=click.Path(), metavar="DIR",
              help="Folder for the label images of all slides; created if it does not exist.")  # fmt: skip
@click.option("--reference", type=click.Path(), metavar="REF.zarr",
              help="Label image to score the result against (Dice, IoU).")  # fmt: skip
@match_option
@engine_options
@click.option("--shard", type=Shard(),
              help="Compute only part I of N; after the last, run 'morphinfer finish'.")  # fmt: skip
@click.option("--dask", metavar="ADDRESS",
              help="Compute on the workers of a Dask scheduler, which must see the same files.")  # fmt: skip
@click.option("--skip-done", is_flag=True,
              help="Skip slides whose outputs all exist.")  # fmt: skip
@click.option("--resume", type=click.Choice(["auto", "never"]), default="auto", show_default=True,
              help="Resume an interrupted run, or discard what it has left.")  # fmt: skip
@picture_width_option
@also_option
@into_slide_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@click.option("--dry-run", is_flag=True, help="Print what 'morphinfer plan' prints; write nothing.")
@progress_option
@verbosity_options
def segment(slides: tuple[str, ...], as_json: bool, dry_run: bool, **choices: Any) -> None:
    """Segment each SLIDE into an OME-Zarr label image.

    SLIDE is an image of nuclei, OME-Zarr or TIFF: its folder or file, a path into a zip file, a URL, or a
    folder of slides.

    Beside LABELS.zarr it writes LABELS.png and LABELS.svg (the classes over the nuclei), LABELS.json (the run
    record) and LABELS.html (both, with the tables); with --probabilities and --uncertainty also
    LABELS_probabilities.zarr and LABELS_uncertainty.zarr. An interrupted run leaves
    LABELS.zarr.unfinished; the same command resumes it.
    """
    _refuse_wrong_usage(slides, choices)
    slides, of_folders = _expanded(slides)
    _refuse_wrong_usage(slides, choices)
    if dry_run:
        _plan_all(slides, choices, as_json=as_json)
        return
    with dask_client(choices["dask"]) as client:
        settings = RunSettings(
            choices["models"], chosen_options(choices), choices["overwrite"],
            choices["picture_width"], client, choices["progress"], choices["verbosity"],
            Also(choices["also"], choices["into_slide"]),
        )  # fmt: skip
        if choices["shard"] is not None:
            _segment_shard(slides[0], settings, choices, as_json=as_json)
        elif len(slides) > 1 or of_folders or choices["skip_done"]:
            segment_many(slides, settings, choices, as_json=as_json)
        else:
            _segment_one(slides[0], settings, choices, as_json=as_json)


def _refuse_wrong_usage(slides: Sequence[str], choices: Mapping[str, Any]) -> None:
    many, shard = len(slides) > 1, choices["shard"] is not None
    for wrong, message in (
        (choices["out"] and choices["out_dir"], "--out and --out-dir exclude each other"),
        (many and choices["out"], f"--out names one label image and there are {len(slides)} slides; "
         "name a folder for all with --out-dir"),
        (choices["skip_done"] and choices["overwrite"], "--skip-done and --overwrite exclude each "
         "other"),
        (many and choices["reference"], f"--reference scores one slide and there are {len(slides)}; "
         "score each with 'morphinfer evaluate'"),
        (many and choices["roi"], f"--roi is drawn on one slide and there are {len(slides)}; segment "
         "each by a command of its own"),
        (choices["match"] and not choices["reference"], "--match needs a --reference; give one"),
        (choices["ignore"] and not choices["reference"], "--ignore needs a --reference; give one"),
        (shard and many, f"--shard takes one slide and there are {len(slides)}"),
        (shard and choices["reference"], "--shard computes only a part; give --reference to "
         "'morphinfer finish'"),
        (shard and (choices["also"] or choices["into_slide"]), "--shard computes only a part; after "
         "'morphinfer finish', give --also and --into-slide to 'morphinfer export'"),
        (shard and choices["overwrite"], "--shard replaces nothing; delete the old label image, or "
         "name another --out"),
        (shard and choices["resume"] == "never", "--shard adds to what other shards have left; delete "
         "LABELS.zarr.unfinished to start over"),
        (shard and choices["dask"], "--shard and --dask exclude each other"),
    ):  # fmt: skip
        if wrong:
            raise click.UsageError(message)


def _expanded(paths: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The slides, with those in a folder in its place, and whether there was such a folder."""
    from morphinfer.images import is_folder_of_slides, slides_in

    folders = [path for path in paths if is_folder_of_slides(path)]
    inside = {path: [str(slide) for slide in slides_in(path)] for path in folders}
    slides = [slide for path in paths for slide in inside.get(path) or [path]]
    return tuple(slides), any(inside.values())


def _plan_all(slides: Sequence[str], choices: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the forecast of each slide, and refuse a label image that exists."""
    from morphinfer.images import check_target

    jobs = [make_job(slide, choices) for slide in slides]
    for job in jobs:
        if not (choices["skip_done"] and job.target.exists()):
            check_target(
                job.target, overwrite=choices["overwrite"] or choices["shard"], folder=True
            )
    print_forecasts([job.source for job in jobs], choices, as_json=as_json)


def _segment_one(
    slide: str, settings: RunSettings, choices: Mapping[str, Any], *, as_json: bool
) -> None:
    with loading(settings) as ready:
        job = make_job(slide, choices)
        make_folder(choices["out_dir"])
    comparison = {key: choices[key] for key in ("reference", "match", "ignore")}
    with logged_beside(job.target.parent):
        result = do_job(job, ready(), **comparison)
    print_outcome(result, as_json=as_json, verbosity=settings.verbosity)


def _segment_shard(
    slide: str, settings: RunSettings, choices: Mapping[str, Any], *, as_json: bool
) -> None:
    """Compute one shard; print which rows of chunks are done and which are missing."""
    from morphinfer.runs import segment_shard, shard_rows

    with loading(settings) as ready:
        job = make_job(slide, choices)
        make_folder(choices["out_dir"])
    settings = ready()
    index, shards = choices["shard"]
    label = f"shard {index}/{shards}"
    shown = tile_progress(label, slide, settings.progress, settings.verbosity)
    with logged_beside(job.target.parent), shown as progress:
        draft = segment_shard(
            job.source,
            (index, shards),
            models=settings.models,
            out=job.target,
            options=settings.options,
            progress=progress,
        )
    missing = draft.missing()
    own = shard_rows(draft.row_count, index, shards)
    if as_json:
        content: ShardSummary = {
            "slide": slide, "labels": str(job.target), "shard": index, "shards": shards,
            "rows": list(own), "all_rows": draft.row_count, "missing_rows": missing,
        }  # fmt: skip
        print_json(content)
        return
    done = f"rows {own[0]} to {own[-1]} are done" if own else "it has no rows"
    done = f"row {own[0]} is done" if len(own) == 1 else done
    echo(f"{label}: {done}; {len(missing)} of {draft.row_count} rows of chunks are missing")
    when = "when all shards are done" if missing else "all shards are done"
    echo(f"{when}, run: morphinfer finish {shlex.quote(str(job.target))}")
