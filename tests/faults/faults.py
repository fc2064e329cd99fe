"""Trials of faults, with what was lost: python tests/faults/faults.py [--every N] [--kills N] [--json FILE]

File events: each call of `cases` dies at every N-th rename, flush, opening for writing, new folder or
removal, is stopped there by a full disk, or loses power with all files that were not flushed. Random
moments: the command `morphinfer segment` is killed at a random moment, plain, over older results, as a shard,
and with Dask workers, and is run again. Sources: a slide that vanishes or changes while it is read. What
comes out must be what an undisturbed run writes. Slides are synthetic, networks of the random moments those
of 'phantom'.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

from cases import CASES, converted, overwritten, plain, sharded  # noqa: E402
from harness import Row, fail_everywhere, kill_everywhere, outputs  # noqa: E402
from training_cases import TRAINING_CASES, references, trained_again  # noqa: E402

from morphinfer.images import create_image  # noqa: E402

SIDE = 2000
"""Of the slide of the random moments, in pixels."""
OPTIONS = {
    "plain": [],
    "--overwrite": ["--overwrite"],
    "--shard": ["--shard", "1/2"],
    "--dask": ["--dask"],
}
"""Options of the command of each kind of run at random moments."""
COLUMNS = ("trials", "refused", "mixed", "different", "lost", "left")


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--every", default=25, show_default=True, help="Which file events are tried; 1: all.")
@click.option(
    "--kills", default=6, show_default=True, help="Kills at random moments, of each kind."
)
@click.option(
    "--json", "path", type=click.Path(path_type=Path), help="Write the rows into this file."
)
def main(every: int, kills: int, path: Path | None) -> None:
    """Try all faults and print what came of them; exit code 1 if anything was lost."""
    rows: list[Row] = []
    print("| fault | " + " | ".join(COLUMNS) + " |\n" + "| --- " * (len(COLUMNS) + 1) + "|")
    for trial in [*at_file_events(every), *at_random_moments(kills), *of_the_source()]:
        with tempfile.TemporaryDirectory() as folder:
            row = trial(Path(folder))
        rows.append(row)
        figures = " | ".join(str(getattr(row, name)) for name in COLUMNS)
        print(f"| {row.fault} | {figures} |", flush=True)
    print(
        f"{sum(row.trials for row in rows)} trials, {sum(not row.clean() for row in rows)} rows not clean"
    )
    if path is not None:
        path.write_text(
            json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8"
        )
    sys.exit(any(not row.clean() for row in rows))


Trial = Callable[[Path], Row]


def at_file_events(every: int) -> Sequence[Trial]:
    """Deaths, full disks and power cuts at the file events of calls of the library."""

    def died(make: Callable[[Path], object], folder: Path, *, power: bool = False) -> Row:
        return kill_everywhere(make(folder / "start"), folder / "work", every=every, power=power)

    def full(make: Callable[[Path], object], folder: Path) -> Row:
        problem = partial(OSError, errno.ENOSPC, "No space left on device")
        row = fail_everywhere(make(folder / "start"), folder / "work", problem, every=every)
        row.fault = row.fault.replace("OSError", "full disk")
        return row

    every_case = (*CASES, *TRAINING_CASES)
    cut = (plain, overwritten, sharded, converted, references, trained_again)
    return [
        *(partial(died, make) for make in every_case),
        *(partial(died, make, power=True) for make in cut),
        *(partial(full, make) for make in every_case),
    ]


def at_random_moments(kills: int) -> Sequence[Trial]:
    """Kills of the command while it segments."""
    return [partial(killed, kind, kills) for kind in ("plain", "--overwrite", "--shard", "--dask")]


def killed(kind: str, kills: int, folder: Path) -> Row:
    """Kill the command at random moments, then run it again, and compare with an undisturbed run."""
    row = Row(f"segment, {kind}, killed at a random moment")
    slide(folder / "s.zarr")
    with scheduler() if kind == "--dask" else nullcontext("") as address:
        _kill_at_random(kind, [*OPTIONS[kind], *address.split()], row, kills, folder)
    return row


def _kill_at_random(kind: str, options: list[str], row: Row, kills: int, folder: Path) -> None:
    moments, old = random.Random(kind), dict[str, bytes]()
    if kind == "--overwrite":
        run(folder, "--stride", "4")
        old = results(folder)
        assert old, "the run whose results are replaced failed"
        copy_results(folder, folder / "old")
    seconds = -time.monotonic()
    start(folder, *options).communicate()
    seconds += time.monotonic()
    run(folder, *options)  # with a shard, the other one, and what publishes both
    new = results(folder)
    while row.trials < kills:
        clear(folder)
        if kind == "--overwrite":
            copy_results(folder / "old", folder)
        process = start(folder, *options)
        time.sleep(moments.uniform(0.2, seconds))
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            continue  # it had ended
        row.trials += 1
        if kind == "--dask":
            wait_for_tasks(options[1])
        seen = results(folder)
        row.mixed += bool(seen) and seen not in (old, new)
        failed = any(each.returncode for each in run(folder, *options))
        row.refused += failed and seen != new  # the same call after one that was done is refused
        row.different += results(folder) != new
        row.left += any(
            ".unfinished" in each.name or each.name.startswith(".") for each in folder.iterdir()
        )


@contextmanager
def scheduler() -> Iterator[str]:
    """A Dask scheduler with two workers, each a process of its own; yields its address."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def wait_for_tasks(address: str) -> None:
    """Wait until each worker has ended the task that outlives its killed client: it holds the draft."""
    from distributed import Client, wait

    with Client(address) as client:
        workers = client.scheduler_info()["workers"]
        wait([client.submit(int, workers=[each], pure=False) for each in workers])


def of_the_source() -> Sequence[Trial]:
    """Slides that vanish or change under a run."""

    def trial(what: str, damage: Callable[[Path], None], folder: Path) -> Row:
        row = Row(f"segment, its slide {what}")
        slide(folder / "s.zarr")
        run(folder)
        new = results(folder)
        clear(folder)
        shutil.copytree(folder / "s.zarr", folder / "kept.zarr")
        process = start(folder)
        while not (folder / "l.zarr.unfinished").exists():
            if process.poll() is not None:
                raise RuntimeError(
                    f"the run ended before its draft was there: {process.communicate()}"
                )
            time.sleep(0.01)
        damage(folder / "s.zarr")
        row.trials += 1
        process.communicate()
        row.lost += process.returncode == 0  # it took a damaged slide for a whole one
        shutil.rmtree(folder / "s.zarr", ignore_errors=True)
        (folder / "kept.zarr").rename(folder / "s.zarr")
        row.refused += any(each.returncode for each in run(folder))
        row.different += results(folder) != new
        return row

    def vanish(path: Path) -> None:
        path.rename(path.with_name("gone"))

    def change(path: Path) -> None:
        slide(path.with_name("other.zarr"), seed=2)
        shutil.rmtree(path)
        path.with_name("other.zarr").rename(path)

    return [partial(trial, "vanishes", vanish), partial(trial, "changes", change)]


def slide(path: Path, seed: int = 1) -> None:
    """A slide of noise with bright spots."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 40, (SIDE, SIDE), np.uint8)
    image[rng.random((SIDE, SIDE)) < 0.02] = 220
    with create_image(path, shape=image.shape, dtype=image.dtype, pixel_size_um=0.65) as writer:
        writer.write(image)


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """The command on the slide of a folder, in a process of its own."""
    words = ["segment", str(folder / "s.zarr"), "--out", str(folder / "l.zarr"), "--models", "phantom",
             "--skip-background", "off", "--tile", "256", "--threads", "1", "-q", *more]  # fmt: skip
    command = [sys.executable, "-m", "morphinfer", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path, *more: str) -> list[subprocess.Popen[str]]:
    """The command to its end; with a shard also the other shard, and `finish`."""
    commands = [start(folder, *more)]
    commands[0].communicate()
    if "--shard" in more:
        commands.append(start(folder, "--shard", "2/2"))
        commands[1].communicate()
        words = [sys.executable, "-m", "morphinfer", "finish", str(folder / "l.zarr"), "-q"]
        commands.append(
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        commands[2].communicate()
    return commands


def results(folder: Path) -> dict[str, bytes]:
    """What a reader sees beside the slide."""
    return {name: content for name, content in outputs(folder).items() if name.startswith("l")}


def copy_results(source: Path, target: Path) -> None:
    """Copy the results of a run into another folder."""
    target.mkdir(exist_ok=True)
    for path in source.glob("l*"):
        shutil.copytree(path, target / path.name) if path.is_dir() else shutil.copy2(path, target)


def clear(folder: Path) -> None:
    """Remove the results of a run."""
    for path in folder.iterdir():
        if path.name.startswith(("l", ".l")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
