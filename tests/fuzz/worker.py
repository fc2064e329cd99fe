"""Tries the inputs of one kind, one after the other, and prints the outcome of each; started by fuzz.py."""

from __future__ import annotations

import faulthandler
import logging
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Protocol

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from fuzz import Campaign, keep_failure
from morphinfer.errors import MorphinferError

INPUTS = {
    "zarr": ("zarr_inputs", "ZarrInputs"),
    "tiff": ("tiff_inputs", "TiffInputs"),
    "tables": ("table_inputs", "TableInputs"),
    "onnx": ("onnx_inputs", "OnnxInputs"),
    "ngff": ("json_inputs", "NgffInputs"),
    "cards": ("json_inputs", "CardInputs"),
    "sidecars": ("json_inputs", "SidecarInputs"),
    "polygons": ("json_inputs", "PolygonInputs"),
    "drafts": ("json_inputs", "DraftInputs"),
}
LONGEST_MESSAGE = 1500
WAIT = 20
"""Times the limit that an input may take where other processes share the processor, or it waits for ever."""


class Inputs(Protocol):
    """A kind of damaged files. It is made with a folder for files that all trials share."""

    def write(self, rng: Random, trial: Path) -> Path:
        """Write an input into the folder of the trial; returns its path."""
        ...

    def use(self, path: Path, rng: Random) -> None:
        """Give it to morphinfer."""
        ...


def try_inputs(campaign: Campaign, first: int, stop: int, scratch: Path) -> None:
    """Try inputs; an input that takes too long ends the process with a traceback on stderr."""
    module, name = INPUTS[campaign.kind]
    (scratch / "shared").mkdir()
    inputs: Inputs = getattr(import_module(module), name)(scratch / "shared")
    _limit_memory(campaign.memory_mb)
    trial = scratch / "trial"
    for number in range(first, stop):
        shutil.rmtree(trial, ignore_errors=True)
        trial.mkdir()
        rng = Random(f"{campaign.kind} {campaign.seed} {number}")
        path = inputs.write(rng, trial)
        faulthandler.dump_traceback_later(WAIT * campaign.limit_s, exit=True)
        _limit_processor(campaign.limit_s)
        outcome, text = _try(inputs, path, rng)
        _limit_processor(0)
        faulthandler.cancel_dump_traceback_later()
        if outcome == "failed":
            keep_failure(campaign, number, trial, text)
        _report(outcome)


def _try(inputs: Inputs, path: Path, rng: Random) -> tuple[str, str]:
    try:
        inputs.use(path, rng)
    except MorphinferError as problem:
        message = str(problem)
        if "\n" in message or not 10 < len(message) < LONGEST_MESSAGE:
            return "failed", f"not one sentence: {message!r}"
        return "refused", message
    except BaseException:
        return "failed", traceback.format_exc()
    return "accepted", ""


def _limit_processor(seconds: float) -> None:
    """End the process with a traceback once it has used so many seconds of a processor; never for 0."""
    if hasattr(signal, "SIGPROF"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory(more_mb: int) -> None:
    """Limit what the process may allocate beyond what it has."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        limit = int(lines["VmData"].split()[0]) * 1024 + more_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _report(outcome: str) -> None:
    os.write(_REPORTS, f"{outcome}\n".encode())


if __name__ == "__main__":
    faulthandler.enable()
    if hasattr(signal, "SIGPROF"):
        faulthandler.register(signal.SIGPROF, chain=True)  # which ends the process
    warnings.simplefilter("ignore")
    logging.disable()
    # What libraries print must not mix with the outcomes.
    _REPORTS = os.dup(1)
    os.dup2(2, 1)
    kind, seed, first, stop, failures, scratch, limit_s, memory_mb = sys.argv[1:]
    try_inputs(
        Campaign(kind, int(seed), Path(failures), float(limit_s), int(memory_mb)),
        int(first), int(stop), Path(scratch),
    )  # fmt: skip
    os._exit(0)
