"""Tries the inputs of one kind, one after the other, and prints the outcome of each; started by fuzz.py."""

from __future__ import annotations

import faulthandler
import logging
import os
import resource
import shutil
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
}
LONGEST_MESSAGE = 1500


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
        faulthandler.dump_traceback_later(campaign.limit_s, exit=True)
        outcome, text = _try(inputs, path, rng)
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
