"""One slide after the other: what is the same for all of them, and the run of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphinfer.cli.choices import chosen_slide
from morphinfer.cli.console import ProgressKind, Verbosity, tile_progress
from morphinfer.errors import OutputError, ProviderError

if TYPE_CHECKING:
    from morphinfer.images import Slide
    from morphinfer.networks import Ensemble, Options
    from morphinfer.reports import ReportPaths
    from morphinfer.runs import Models, Segmentation

DASK_SECONDS = 10
"""How long a Dask scheduler may take to answer."""


@dataclass(frozen=True, slots=True)
class Job:
    """A slide, and where its label image will stand."""

    given: str
    """The slide as the command named it."""
    source: Slide
    target: Path


@dataclass(frozen=True, slots=True)
class How:
    """What is the same for all slides of a command."""

    models: Models
    options: Options
    overwrite: bool
    client: Any
    """Dask client, or None."""
    progress: ProgressKind
    verbosity: Verbosity


def make_job(given: str, choices: Mapping[str, Any]) -> Job:
    """Open a slide and say where its label image will stand."""
    from morphinfer.runs import default_out

    source = chosen_slide(given, choices)
    target = default_out(source)
    if choices["out"]:
        target = Path(choices["out"])
    elif choices["out_dir"]:
        target = Path(choices["out_dir"]) / target.name
    return Job(given, source, target)


def load_networks(models: str, options: Options) -> Ensemble:
    """Load the networks in a process that runs nothing else with ONNX Runtime."""
    from morphinfer.networks import load_ensemble

    return load_ensemble(models, options, own_environment=True)


@contextmanager
def loading(how: How) -> Iterator[Callable[[], How]]:
    """Load the networks in a thread meanwhile; the callable that is yielded waits for them."""
    with ThreadPoolExecutor(1, "morphinfer-load") as pool:
        loaded = pool.submit(load_networks, str(how.models), how.options)
        yield lambda: replace(how, models=loaded.result())


def make_folder(folder: str | None) -> None:
    """Make the folder of --out-dir, where there is none.

    Raises
    ------
    OutputError
        It cannot be made.
    """
    if folder is None:
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{folder}: the folder cannot be made ({problem.strerror}); name another --out-dir"
        ) from problem


def do_job(
    job: Job,
    how: How,
    *,
    reference: str | None = None,
    match: Mapping[str, str] | None = None,
    label: str = "segmenting",
) -> tuple[Segmentation, ReportPaths]:
    """Segment a slide, and write picture, record and page beside the label image."""
    from morphinfer.images import check_target
    from morphinfer.reports import ReportPaths, write_report
    from morphinfer.runs import segment

    check_target(job.target, overwrite=how.overwrite, folder=True)
    ReportPaths.beside(job.target).check(overwrite=how.overwrite)
    told = tile_progress(label, job.given, how.progress, how.verbosity)
    with resumable(job.target), told as progress:
        result = segment(
            job.source,
            models=how.models,
            out=job.target,
            reference=reference,
            match=match,
            options=how.options,
            overwrite=how.overwrite,
            progress=progress,
            client=how.client,
        )
    return result, write_report(job.source, result.labels, result.summary, overwrite=how.overwrite)


@contextmanager
def resumable(target: Path) -> Iterator[None]:
    """Note on an error or an interruption that rows were done which the same command will find."""
    from morphinfer.runs import JOURNALS, draft_folder

    folder = draft_folder(target)
    before = set(folder.glob(JOURNALS))
    try:
        yield
    except (Exception, KeyboardInterrupt) as problem:
        if set(folder.glob(JOURNALS)) - before:
            problem.add_note(
                f"what was done stands in {folder}; the same command goes on from there"
            )
        raise


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
