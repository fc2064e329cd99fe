"""``morphinfer segment``: a label image, a picture and a report from each slide."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from morphinfer.cli.batch import segment_many
from morphinfer.cli.choices import chosen_options, engine_options, slide_options
from morphinfer.cli.console import (
    ParamType,
    print_json,
    progress_option,
    tile_progress,
    verbosity_options,
)
from morphinfer.cli.jobs import (
    How,
    dask_client,
    do_job,
    loading,
    make_folder,
    make_job,
    resumable,
)
from morphinfer.cli.matching import match_option
from morphinfer.cli.outcome import print_outcome
from morphinfer.records import ShardSummary


class Shard(ParamType):
    """Which part of how many."""

    name = "I/N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse two numbers with a slash between them, the first from 1 to the second."""
        if isinstance(value, tuple):
            return value
        index, _, shards = str(value).partition("/")
        if not (index.isdecimal() and shards.isdecimal()):
            self.fail(f"{value!r} is not I/N, for example 1/4", param, ctx)
        if not 1 <= int(index) <= int(shards):
            self.fail(
                f"{value!r}: there are the shards 1/{shards} to {shards}/{shards}", param, ctx
            )
        return int(index), int(shards)


@click.command()
@click.argument("slides", metavar="SLIDE...", nargs=-1, required=True, type=click.Path())
@slide_options
@click.option("--out", type=click.Path(), metavar="LABELS.zarr",
              help="Label image to write.  [default: SLIDE_labels.zarr beside the slide]")  # fmt: skip
@click.option("--out-dir", type=click.Path(), metavar="DIR",
              help="Folder for the label images of all slides; made where there is none.")  # fmt: skip
@click.option("--reference", type=click.Path(), metavar="REF.zarr",
              help="Label image to score the result against (Dice, IoU).")  # fmt: skip
@match_option
@engine_options
@click.option("--shard", type=Shard(),
              help="Compute only part I of N; 'morphinfer finish' publishes when all are done.")  # fmt: skip
@click.option("--dask", metavar="ADDRESS",
              help="Compute on the workers of a Dask scheduler, which must see the same files.")  # fmt: skip
@click.option("--skip-done", is_flag=True,
              help="Leave slides alone whose label image stands there already.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace results that stand there.")
@progress_option
@verbosity_options
def segment(slides: tuple[str, ...], as_json: bool, **choices: Any) -> None:
    """Segment each SLIDE, an OME-Zarr image of nuclei, into an OME-Zarr label image.

    Beside LABELS.zarr stand LABELS.png (the classes over the nuclei), LABELS.json (the run record)
    and LABELS.html (both, with the tables); LABELS_probabilities.zarr and LABELS_uncertainty.zarr
    where they are asked for. A run that was interrupted leaves LABELS.zarr.unfinished; the same
    command goes on from there.
    """
    _refuse_wrong_usage(slides, choices)
    with dask_client(choices["dask"]) as client:
        how = How(
            choices["models"], chosen_options(choices), choices["overwrite"], client,
            choices["progress"], choices["verbosity"],
        )  # fmt: skip
        if choices["shard"] is not None:
            _segment_shard(slides[0], how, choices, as_json=as_json)
        elif len(slides) > 1 or choices["skip_done"]:
            segment_many(slides, how, choices, as_json=as_json)
        else:
            _segment_one(slides[0], how, choices, as_json=as_json)


def _refuse_wrong_usage(slides: Sequence[str], choices: Mapping[str, Any]) -> None:
    many, shard = len(slides) > 1, choices["shard"] is not None
    for wrong, told in (
        (choices["out"] and choices["out_dir"], "--out and --out-dir exclude each other"),
        (many and choices["out"], f"--out names one label image and there are {len(slides)} slides; "
         "name a folder for all with --out-dir"),
        (choices["skip_done"] and choices["overwrite"], "--skip-done and --overwrite exclude each "
         "other"),
        (many and choices["reference"], f"--reference scores one slide and there are {len(slides)}; "
         "score each with 'morphinfer evaluate'"),
        (choices["match"] and not choices["reference"], "--match says how to compare with a "
         "--reference; give one"),
        (shard and many, f"--shard takes one slide and there are {len(slides)}"),
        (shard and choices["reference"], "--shard makes a part only; give --reference to "
         "'morphinfer finish'"),
        (shard and choices["overwrite"], "--shard replaces nothing; remove the old label image, or "
         "name another --out"),
        (shard and choices["dask"], "--shard and --dask exclude each other"),
    ):  # fmt: skip
        if wrong:
            raise click.UsageError(told)


def _segment_one(given: str, how: How, choices: Mapping[str, Any], *, as_json: bool) -> None:
    with loading(how) as ready:
        job = make_job(given, choices)
        make_folder(choices["out_dir"])
    told = {key: choices[key] for key in ("reference", "match")}
    result, report = do_job(job, ready(), **told)
    print_outcome(result, report, as_json=as_json, verbosity=how.verbosity)


def _segment_shard(given: str, how: How, choices: Mapping[str, Any], *, as_json: bool) -> None:
    """Compute one shard, and say which rows are done and what is left to do."""
    from morphinfer.runs import segment_shard, shard_rows

    with loading(how) as ready:
        job = make_job(given, choices)
        make_folder(choices["out_dir"])
    how = ready()
    index, shards = choices["shard"]
    told = tile_progress(f"shard {index}/{shards}", given, how.progress, how.verbosity)
    with resumable(job.target), told as progress:
        draft = segment_shard(
            job.source,
            (index, shards),
            models=how.models,
            out=job.target,
            options=how.options,
            progress=progress,
        )
    missing = draft.missing()
    own = shard_rows(draft.row_count, index, shards)
    if as_json:
        content: ShardSummary = {
            "slide": given, "labels": str(job.target), "shard": index, "shards": shards,
            "rows": list(own), "all_rows": draft.row_count, "missing_rows": missing,
        }  # fmt: skip
        print_json(content)
        return
    done = f"rows {own[0]} to {own[-1]} are done" if own else "no row falls to it"
    done = f"row {own[0]} is done" if len(own) == 1 else done
    click.echo(
        f"shard {index}/{shards}: {done}; {len(missing)} of {draft.row_count} rows of chunks are "
        f"missing"
    )
    when = "when all shards are done" if missing else "all shards are done"
    click.echo(f"{when}, publish: morphinfer finish {shlex.quote(str(job.target))}")
