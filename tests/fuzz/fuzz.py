"""Give damaged files to morphinfer: each must be read, or refused by one sentence.

    python tests/fuzz/fuzz.py zarr --count 20000 --seed 1

An input fails if it ends in anything but a `MorphinferError` of one line, takes more processor time than
--limit-s (or 20 times that on the clock), makes the process allocate more than --memory-mb, or ends the
process. Its files are kept below --failures, with what happened in FAILURE.txt. Input K of a seed is
always the same: '--first K --count 1' repeats it alone. Inputs are tried in a process of their own
(worker.py).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

KINDS = ("zarr", "tiff", "tables", "onnx", "ngff", "cards", "sidecars", "polygons", "drafts")
WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Campaign:
    """Which inputs are tried, and what one may take."""

    kind: str
    seed: int
    failures: Path
    limit_s: float = 5.0
    memory_mb: int = 1024


def run(campaign: Campaign, count: int, first: int = 0) -> Counter[str]:
    """Numbers of 'accepted', 'refused' and 'failed' inputs among ``count``, from number ``first`` on."""
    outcomes: Counter[str] = Counter()
    number, stop = first, first + count
    while number < stop:
        number = _watch(campaign, number, stop, outcomes)
    return outcomes


def _watch(campaign: Campaign, number: int, stop: int, outcomes: Counter[str]) -> int:
    """Run a worker until it ends; returns the number of the first input that it did not try."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "worker.log"
        options = (campaign.failures, scratch, campaign.limit_s, campaign.memory_mb)
        words = map(str, (campaign.kind, campaign.seed, number, stop, *options))
        with log.open("wb") as stderr:
            worker = subprocess.Popen(
                [sys.executable, str(WORKER), *words],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert worker.stdout is not None
        for line in worker.stdout:
            outcomes[line.strip()] += 1
            number += 1
        if worker.wait() == 0:
            return number
        text = (
            f"the process ended with {worker.returncode}\n{log.read_text(errors='replace')[-8000:]}"
        )
        trial = Path(scratch) / "trial"
        if not trial.exists():
            raise RuntimeError(f"the worker did not start: {text}")
        keep_failure(campaign, number, trial, text)
        outcomes["failed"] += 1
        return number + 1


def keep_failure(campaign: Campaign, number: int, trial: Path, text: str) -> None:
    """Move the files of a failed input into a folder of its own."""
    import shutil

    folder = campaign.failures / f"{campaign.kind}-{campaign.seed}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(trial, folder)
    (folder / "FAILURE.txt").write_text(text, errors="backslashreplace")


def main() -> int:
    """Parse the command, run, print the counts; exit code 1 where an input failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--failures", type=Path, default=Path("fuzz_failures"))
    parser.add_argument("--limit-s", type=float, default=5.0)
    parser.add_argument("--memory-mb", type=int, default=1024)
    chosen = parser.parse_args()
    campaign = Campaign(chosen.kind, chosen.seed, chosen.failures, chosen.limit_s, chosen.memory_mb)
    outcomes = run(campaign, chosen.count, chosen.first)
    print(", ".join(f"{outcomes[name]} {name}" for name in ("accepted", "refused", "failed")))
    return int(outcomes["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
