"""Segmentation of one slide, and the settings that all slides of a command share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.also import Also
from morphinfer.cli.choices import chosen_slide
from morphinfer.cli.console import Verbosity
from morphinfer.cli.progress import ProgressKind, tile_progress
from morphinfer.errors import OutputError, ProviderError

if TYPE_CHECKING:
    from morphinfer.images import Slide
    from morphinfer.networks import Ensemble, Options
    from morphinfer.runs import Models, Segmentation

DASK_SECONDS = 10
"""Time that a Dask scheduler has to answer."""


NOTHING_ELSE = Also()


@dataclass(frozen=True, slots=True)
class Job:
    """A slide and the path of its label image."""

    slide_path: str
    """The slide as the command named it."""
    source: Slide
    target: Path
    """Label image to write."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings that all slides of a command share."""

    models: Models
    options: Options
    overwrite: bool
    picture_width: int | None
    client: Any
    """Dask client, or None."""
    progress: ProgressKind
    verbosity: Verbosity
    also: Also = NOTHING_ELSE
    """What is made of each label image besides."""


def make_job(slide_path: str, choices: Mapping[str, Any]) -> Job:
    """Open a slide and choose the path of its label image."""
    from morphinfer.runs import default_out

    source = chosen_slide(slide_path, choices)
    target = default_out(source)
    if choices["out"]:
        target = Path(choices["out"])
    elif choices["out_dir"]:
        target = Path(choices["out_dir"]) / target.name
    return Job(slide_path, source, target)


def load_networks(models: str, options: Options) -> Ensemble:
    """Load the networks in a process that runs nothing else with ONNX Runtime."""
    from morphinfer.networks import load_ensemble

    return load_ensemble(models, options, own_environment=True)


@contextmanager
def loading(settings: RunSettings) -> Iterator[Callable[[], RunSettings]]:
    """Load the networks in a thread; yield a callable that waits for the settings with them."""
    with ThreadPoolExecutor(1, "morphinfer-load") as pool:
        networks = pool.submit(load_networks, str(settings.models), settings.options)
        yield lambda: replace(settings, models=networks.result())


def make_folder(folder: str | None) -> None:
    """Create the folder of --out-dir if it does not exist.

    Raises
    ------
    OutputError
        It cannot be created.
    """
    if folder is None:
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{folder}: the folder cannot be created ({problem.strerror}); name another --out-dir"
        ) from problem


def do_job(
    job: Job,
    settings: RunSettings,
    *,
    reference: str | None = None,
    match: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
    label: str = "segmenting",
) -> Segmentation:
    """Segment a slide, with picture, run record and page beside the label image."""
    from morphinfer.images import settle
    from morphinfer.reports import ReportSettings
    from morphinfer.runs import segment

    may_exist = settings.overwrite or settle(job.target) is not None
    settings.also.check(job.source, job.target, overwrite=may_exist)
    shown = tile_progress(label, job.slide_path, settings.progress, settings.verbosity)
    with shown as progress:
        result = segment(
            job.source,
            models=settings.models,
            out=job.target,
            reference=reference,
            match=match,
            ignore=ignore,
            options=settings.options,
            overwrite=settings.overwrite,
            report=ReportSettings(settings.picture_width),
            progress=progress,
            client=settings.client,
            ends=False,
        )
    forget_at_the_end(job.target)
    settings.also.make(job.source, result.labels, job.target, overwrite=may_exist)
    return result


def forget_at_the_end(target: Path) -> None:
    """Until this command has printed its results, the same one takes what it published for its own."""
    from morphinfer.images import forget

    click.get_current_context().find_root().call_on_close(partial(forget, target))


@contextmanager
def dask_client(address: str | None, timeout_s: float = DASK_SECONDS) -> Iterator[Any]:
    """Yield a client of the Dask scheduler at an address, or None without one.

    Raises
    ------
    ProviderError
        Dask is not installed, or no scheduler answers.
    """
    if address is None:
        yield None
        return
    try:
        distributed: Any = import_module("distributed")
    except ImportError as problem:
        raise ProviderError(
            f"--dask needs the package distributed ({problem}); install morphinfer[dask] with pip"
        ) from problem
    try:
        client = distributed.Client(address, timeout=timeout_s)
    except (OSError, ValueError) as problem:
        raise ProviderError(
            f"--dask {address}: no Dask scheduler answered within {timeout_s:g} s; start one with "
            f"'dask scheduler', or give the address that it prints"
        ) from problem
    with client:
        yield client
