"""Training of several networks at a time, each in its own process with its share of the threads.

One network on all threads waits for the slowest thread after every layer; two networks on half of the
threads each wait less. The processes return only their checkpoints, from which `fit` resumes, so an
interrupted run is resumed like any other.
"""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

import torch

from morphinfer.errors import MorphinferError
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning.allocator import keep_freed_memory
from morphinfer_training.learning.loop import Fitted, fit, network_name
from morphinfer_training.learning.patches import TileSampler
from morphinfer_training.learning.progress import Progress, StepReport
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.learning.validation import HeldOutScorer

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess
    from multiprocessing.queues import Queue

POLL_S = 0.2
"""Seconds between two checks whether all processes are alive."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Data and configuration for the training of any network of a set."""

    config: TrainConfig
    """Training configuration."""
    sections: list[Section]
    """Images and classes."""
    splits: list[Split]
    """Positions of each section for training and held out."""
    run: Path
    """Folder with one folder for each network."""
    device: torch.device
    """Where to compute."""

    def scorer(self) -> HeldOutScorer:
        """Scorer on the held-out positions."""
        return HeldOutScorer(self.sections, self.splits, self.config, self.device)

    def fit(
        self, patch_size_px: int, scorer: HeldOutScorer, *, resume: bool, progress: Progress
    ) -> Fitted:
        """Train one network; see `loop.fit`."""
        sampler = TileSampler(self.sections, self.splits, self.config, patch_size_px, self.device)
        folder = self.run / network_name(patch_size_px, self.config.brightness)
        folder.mkdir(exist_ok=True)
        return fit(
            self.config, patch_size_px, sampler, scorer, folder,
            device=self.device, resume=resume, progress=progress,
        )  # fmt: skip


def fit_side_by_side(job: TrainingJob, *, resume: bool, progress: Progress, jobs: int) -> None:
    """Train all networks, ``jobs`` at a time; each leaves its last checkpoint.

    Parameters
    ----------
    job : TrainingJob
        The networks to train; each process gets a copy of the sections.
    resume : bool
        Continue from existing checkpoints.
    progress : Progress
        Called after every step of every network.
    jobs : int
        Number of processes.

    Raises
    ------
    MorphinferError
        A process was ended from outside. An error that `fit` raises in a process is raised here.
    """
    context = multiprocessing.get_context("spawn")
    tasks: Queue[int | None] = context.Queue()
    reports: Queue[StepReport | Exception] = context.Queue()
    for patch in sorted(job.config.patch_sizes_px, reverse=True):  # the longest first
        tasks.put(patch)
    threads = max(1, torch.get_num_threads() // jobs)
    arguments = (job, resume, threads, tasks, reports)
    workers = [
        context.Process(target=_train_networks, args=arguments, daemon=True) for _ in range(jobs)
    ]
    try:
        for worker in workers:
            tasks.put(None)
            worker.start()
        while any(worker.is_alive() for worker in workers) or not reports.empty():
            _check(workers, job.run)
            try:
                report = reports.get(timeout=POLL_S)
            except Empty:
                continue
            if isinstance(report, Exception):
                raise report
            progress(report)
        _check(workers, job.run)
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.terminate()
                worker.join()


def _check(workers: list[SpawnProcess], run: Path) -> None:
    """Raise if a process has failed."""
    if any(worker.exitcode for worker in workers):
        raise MorphinferError(
            f"{run}: a training process was ended from outside, possibly because memory ran out; "
            f"continue with `resume=True` and fewer `jobs`"
        )


def _train_networks(
    job: TrainingJob,
    resume: bool,
    threads: int,
    tasks: Queue[int | None],
    reports: Queue[StepReport | Exception],
) -> None:
    """Train the networks whose patch sizes are in ``tasks``, until None; runs in a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    keep_freed_memory()
    torch.set_num_threads(threads)

    try:
        scorer = job.scorer()
        while (patch := tasks.get()) is not None:
            job.fit(patch, scorer, resume=resume, progress=reports.put)
    except Exception as problem:
        reports.put(problem)
