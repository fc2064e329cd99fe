"""How far a training is, and an estimate of the time that is left."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from morphinfer.cli.progress import Clock, duration
from morphinfer_training.learning import network_names

if TYPE_CHECKING:
    from morphinfer_training.config import TrainConfig
    from morphinfer_training.learning import StepReport

SETTLED_STEPS = 5
"""Steps after which the pace of a network counts."""


class Pace:
    """Reports of the networks so far, and an estimate of the time that is left.

    A network keeps its own pace, measured over all its steps. For one that has not begun, the pace is
    that of the others in proportion to the pixels of its tiles. A network that is trained, also one that
    stopped early, no longer counts; the others are expected to take all their steps.

    Parameters
    ----------
    config : TrainConfig
        The networks and their greatest number of steps.
    jobs : int
        Networks trained at a time.
    clock : callable
        Returns seconds.
    """

    def __init__(self, config: TrainConfig, jobs: int, clock: Clock = perf_counter) -> None:
        self.steps = config.training.steps
        self._jobs, self._clock = jobs, clock
        sizes = network_names(config)
        names = sorted(sizes, key=lambda n: sizes[n], reverse=True) if jobs > 1 else list(sizes)
        beyond = config.stride_px * (config.training.tile_cells - 1)
        self._pixels = {name: (sizes[name] + beyond) ** 2 for name in names}
        self._first: dict[str, tuple[int, float]] = {}
        self._latest: dict[str, tuple[int, float]] = {}
        self.reports: dict[str, StepReport] = {}

    @property
    def networks(self) -> int:
        """Number of networks."""
        return len(self._pixels)

    @property
    def trained(self) -> int:
        """Number of networks that are trained."""
        return sum(report.finished for report in self.reports.values())

    def add(self, report: StepReport) -> bool:
        """Add a report; returns whether it has a new evaluation."""
        earlier = self.reports.get(report.network)
        moment = (report.step, self._clock())
        self._first.setdefault(report.network, moment)
        self._latest[report.network] = moment
        self.reports[report.network] = report
        return report.dice is not None and (earlier is None or earlier.dice != report.dice)

    def seconds_left(self) -> float | None:
        """Seconds until all networks have taken all their steps; None before any pace is known."""
        paces = {n: pace for n in self._first if (pace := self._seconds_per_step(n)) is not None}
        if not paces:
            return None
        per_pixel = sum(p / self._pixels[n] for n, p in paces.items()) / len(paces)
        loads = [0.0] * self._jobs
        for name in sorted(self._pixels, key=lambda n: n not in self.reports):  # running ones first
            report = self.reports.get(name)
            if report is None or not report.finished:
                steps = self.steps - (report.step if report else 0)
                loads[loads.index(min(loads))] += steps * paces.get(
                    name, per_pixel * self._pixels[name]
                )
        return max(loads)

    def _seconds_per_step(self, name: str) -> float | None:
        (first, began), (latest, now) = self._first[name], self._latest[name]
        return (now - began) / (latest - first) if latest - first >= SETTLED_STEPS else None

    def left(self) -> str:
        """The time that is left, in words; empty before it is known, and at the end."""
        seconds = self.seconds_left()
        return "" if not seconds else f"at most {duration(seconds)} left"
