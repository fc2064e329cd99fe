"""The stages of long work as lines on stderr, each with the time since the command began."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from morphinfer.cli.console import Verbosity, echo
from morphinfer.cli.progress import Clock

LOGGER = "morphinfer_training"
"""Its messages of level INFO name what begins."""


class _Stages(logging.Handler):
    """Prints what the library begins to do, with the time since the start of the command."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(logging.INFO)
        self._clock, self._began = clock, clock()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            seconds = self._clock() - self._began
            echo(f"[{seconds:4.0f} s] {record.getMessage()}", err=True)


@contextmanager
def stages_shown(verbosity: Verbosity, clock: Clock = perf_counter) -> Iterator[None]:
    """Print the stages of long work, which the library logs, as lines on stderr."""
    if verbosity == Verbosity.QUIET:
        yield
        return
    handler = _Stages(clock)
    logger = logging.getLogger(LOGGER)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
