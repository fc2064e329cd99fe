"""One label image from many processes: shards that know nothing of each other, or tasks of Dask.

Each computes whole rows of chunks of one draft and writes them itself, so all need to see the same
files. The bytes are those of a single process (contract C2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from itertools import chain, pairwise
from pathlib import Path
from threading import Event
from typing import Any

from morphinfer.errors import OutputError, ProviderError
from morphinfer.images import Slide, roi_file
from morphinfer.networks import Ensemble, Options, SkipBackground, load_ensemble
from morphinfer.runs.draft import Draft
from morphinfer.runs.holders import SHARDS, Hold, hold
from morphinfer.runs.outputs import default_out
from morphinfer.runs.plan import Plan
from morphinfer.runs.steps import (
    Models,
    Report,
    check_outputs,
    keeping,
    make_plan,
    open_draft,
    run_options,
    tile_counter,
    write_rows,
)
from morphinfer.runs.stretches import stretches

TASKS_PER_THREAD = 2
"""So that a slow worker holds up little."""


def shard_rows(count: int, index: int, shards: int) -> range:
    """Rows of chunks of shard ``index`` of ``shards``, counted from 1; may be none.

    >>> [list(shard_rows(5, k, 3)) for k in (1, 2, 3)]
    [[0], [1, 2], [3, 4]]

    Raises
    ------
    OutputError
        There is no such shard.
    """
    if not 1 <= index <= shards:
        raise OutputError(
            f"shard {index}/{shards}: there are the shards 1/{shards} to {shards}/{shards}"
        )
    return range((index - 1) * count // shards, index * count // shards)


def segment_shard(
    slide: Slide,
    shard: tuple[int, int],
    *,
    models: Models,
    out: Path | None = None,
    options: Options | None = None,
    progress: Report | None = None,
) -> Draft:
    """Compute one shard of a label image; `finish` publishes it when all are done.

    Parameters
    ----------
    slide : Slide
        The slide; all shards must be given the same.
    shard : tuple of int
        Which shard, from 1, and of how many.
    models, out, options, progress
        As for `segment`; models and options that move the result must be the same for all shards.

    Returns
    -------
    Draft
        The label image in the making.

    Raises
    ------
    OutputError
        No such shard, an unfinished run of another kind exists, or a process that computes no shard
        works on the label image; see `segment` for others.
    """
    shard_rows(0, *shard)  # refuses a shard that does not exist, before anything is written
    options = run_options(models, options)
    target = out or default_out(slide)
    check_outputs(slide, target, options, inputs=[], overwrite=False)
    with hold(target, SHARDS) as held:
        plan = make_plan(slide, models, options)
        draft = open_draft(plan, target, alone=held.is_alone())
        with keeping(draft, held):
            missing = set(draft.missing())
            own = shard_rows(draft.row_count, *shard)
            write_rows(plan, draft, [row for row in own if row in missing], progress, held=held)
    return draft


def compute_on(
    client: Any,
    plan: Plan,
    draft: Draft,
    held: Hold,
    progress: Report | None = None,
    cancel: Event | None = None,
) -> None:
    """Compute the missing rows of a draft on the workers of a Dask client, one thread a task.

    The tasks hold the label image together with the process that calls.

    Raises
    ------
    ProviderError
        The scheduler has no worker, or the networks run on a caller's own settings of ONNX Runtime,
        which its workers do not have.
    """
    if not plan.ensemble.by_options:
        raise ProviderError(
            "networks with providers or session options of the caller's own cannot be computed on "
            "Dask workers, which load them by the options alone; load them without"
        )
    distributed: Any = import_module("distributed")  # installed where there is a client
    threads = sum(client.nthreads().values())
    if not threads:
        raise ProviderError(
            "the Dask scheduler has no worker; start one with 'dask worker ADDRESS'"
        )
    models = str(plan.ensemble.models.path.absolute())
    decided: SkipBackground = "on" if plan.skipping.on else "off"
    threads_each = plan.options.threads or 1
    own = replace(plan.options, threads=threads_each, skip_background=decided, roi=_roi(plan))
    task = plan.image.slide, models, own, draft.target.absolute(), held.group
    parts = split(draft.missing(), TASKS_PER_THREAD * threads)
    futures = {
        client.submit(compute_rows, *task, part, pure=False): [
            tile for stretch in stretches(draft, part) for tile in stretch.missing(plan.tiling)
        ]
        for part in parts
    }
    count = tile_counter(plan, list(chain(*futures.values())), progress, cancel)
    try:
        for future in distributed.as_completed(list(futures)):
            future.result()
            for tile in futures[future]:
                count(1, tile)
        plan.image.slide.check_source(plan.image.level, plan.content)
    finally:
        client.cancel(list(futures))


def compute_rows(
    slide: Slide, models: str, options: Options, target: Path, group: str, rows: Sequence[int]
) -> None:
    """One task: rows of chunks of the draft of a target, held by a group."""
    with hold(target, group) as held:
        plan = make_plan(slide, _ensemble(models, options), options)
        write_rows(plan, open_draft(plan, target, alone=False), rows, held=held)


def _roi(plan: Plan) -> str | None:
    """The region of interest, by a path that holds in any folder."""
    if plan.options.roi is None:
        return None
    prefix, path = roi_file(str(plan.options.roi))
    return f"{prefix}{Path(path).absolute()}"


@lru_cache(maxsize=1)
def _ensemble(models: str, options: Options) -> Ensemble:
    """Networks stay loaded between the tasks of a worker."""
    return load_ensemble(models, options)


def split(rows: Sequence[int], parts: int) -> list[list[int]]:
    """Rows in about ``parts`` runs of nearly equal length.

    >>> split([0, 1, 2, 3, 4], 2)
    [[0, 1], [2, 3, 4]]
    """
    parts = min(parts, len(rows))
    edges = [len(rows) * k // parts for k in range(parts + 1)] if parts else []
    return [list(rows[a:b]) for a, b in pairwise(edges)]
