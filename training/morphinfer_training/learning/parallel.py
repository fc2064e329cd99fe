"""Networks trained side by side, each in a process of its own with its share of the threads.

One network on all threads waits for its slowest one after every layer; two networks on half of them
each do not. The processes hand nothing back but their checkpoints, from which `fit` goes on: a
run that is interrupted here is resumed like any other.
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
from morphinfer_training.learning.loop import Fitted, Progress, fit, network_name
from morphinfer_training.learning.patches import TileSampler
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.learning.validation import Judge

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess
    from multiprocessing.queues import Queue

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Work:
    """All that the training of any network of a set needs."""

    config: TrainConfig
    """What to train and how."""
    sections: list[Section]
    """Images and classes."""
    splits: list[Split]
    """Which cells are trained on and which are held out."""
    run: Path
    """Folder with one folder for each network."""
    device: torch.device
    """Where to compute."""

    def judge(self) -> Judge:
        """The held-out cells."""
        return Judge(self.sections, self.splits, self.config, self.device)

    def fit(self, patch_size_px: int, judge: Judge, *, resume: bool, progress: Progress) -> Fitted:
        """Train one network, see `loop.fit`."""
        sampler = TileSampler(self.sections, self.splits, self.config, patch_size_px, self.device)
        return fit(
            self.config, patch_size_px, sampler, judge, self.run / network_name(patch_size_px),
            device=self.device, resume=resume, progress=progress,
        )  # fmt: skip


def fit_side_by_side(work: Work, *, resume: bool, progress: Progress, jobs: int) -> None:
    """Train all networks to the end, ``jobs`` at a time; each leaves its last checkpoint.

    Parameters
    ----------
    work : Work
        The networks; each process gets a copy of the sections.
    resume : bool
        Continue from the checkpoints that are there.
    progress : Progress
        Told after every step of every network.
    jobs : int
        Most processes.

    Raises
    ------
    MorphinferError
        A process was ended from outside, or what `fit` raised in one of them.
    """
    context = multiprocessing.get_context("spawn")
    tasks: Queue[int | None] = context.Queue()
    told: Queue[tuple[str, int, float, float | None] | Exception] = context.Queue()
    for patch in sorted(work.config.patch_sizes_px, reverse=True):  # the longest first
        tasks.put(patch)
    threads = max(1, torch.get_num_threads() // jobs)
    workers = [
        context.Process(target=_work, args=(work, resume, threads, tasks, told), daemon=True)
        for _ in range(jobs)
    ]
    try:
        for worker in workers:
            tasks.put(None)
            worker.start()
        while any(worker.is_alive() for worker in workers) or not told.empty():
            _check(workers, work.run)
            try:
                message = told.get(timeout=POLL_S)
            except Empty:
                continue
            if isinstance(message, Exception):
                raise message
            progress(*message)
        _check(workers, work.run)
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.terminate()
                worker.join()


def _check(workers: list[SpawnProcess], run: Path) -> None:
    """Refuse to go on without a process."""
    if any(worker.exitcode for worker in workers):
        raise MorphinferError(
            f"{run}: a training process was ended from outside, for lack of memory perhaps; continue "
            f"with `resume=True`, and with fewer `jobs`"
        )


def _work(
    work: Work,
    resume: bool,
    threads: int,
    tasks: Queue[int | None],
    told: Queue[tuple[str, int, float, float | None] | Exception],
) -> None:
    """One process: networks from ``tasks`` until None comes; the one that started it ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    torch.set_num_threads(threads)

    def progress(network: str, step: int, loss: float, dice: float | None) -> None:
        told.put((network, step, loss, dice))

    try:
        judge = work.judge()
        while (patch := tasks.get()) is not None:
            work.fit(patch, judge, resume=resume, progress=progress)
    except Exception as problem:
        told.put(problem)
