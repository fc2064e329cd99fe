"""Power cuts on a real file system: python tests/faults/block_device.py [--cuts N] (Linux, as root)

A command works on an ext4 file system that lies in a file. At a random moment, up to some seconds after its
end, it is stopped and the file is copied: a disk after a power cut, without all that had not reached it. The
copy is mounted, and must show under the final name the old result whole, the new one whole, or none. Then
the same command is run there, and must end with what an undisturbed run writes.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import tifffile

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

from harness import Row  # noqa: E402

from faults import results, slide  # noqa: E402

DISK_MB = 160
AFTER_S = 8
"""Seconds after the end of a command up to which power is cut."""
SEGMENT = ("segment", "s.zarr", "--out", "l.zarr", "--models", "phantom", "--skip-background", "off",
           "--tile", "256", "--threads", "1", "-q", "--probabilities")  # fmt: skip
COMMANDS = {
    "segment": SEGMENT,
    "segment --overwrite": (*SEGMENT, "--overwrite"),
    "convert": ("convert", "s.tif", "l.zarr", "--pixel-size", "0.65", "-q"),
}


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--cuts", default=20, show_default=True, help="Power cuts of each command.")
def main(cuts: int) -> None:
    """Cut the power at random moments and print what came of it; exit code 1 if anything was lost."""
    print("| power cut | trials | refused | mixed | different |\n| --- | --- | --- | --- | --- |")
    rows = []
    for kind in COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            row = cut(kind, cuts, Path(folder))
        rows.append(row)
        print(
            f"| {row.fault} | {row.trials} | {row.refused} | {row.mixed} | {row.different} |",
            flush=True,
        )
    sys.exit(any(not row.clean() for row in rows))


def cut(kind: str, cuts: int, folder: Path) -> Row:
    """Trials of one command."""
    row, moments = Row(kind), random.Random(kind)
    disk = folder / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK_MB * 10**6)
    subprocess.run(["mkfs.ext4", "-q", str(disk)], check=True)
    with mounted(disk) as place:
        prepare(place, kind)
        old = results(place)
    fresh, cut_off = folder / "fresh", folder / "cut"
    shutil.copyfile(disk, fresh)
    with mounted(fresh) as place:
        seconds = -time.monotonic()
        run(kind, place)
        seconds += time.monotonic()
        new = results(place)
    for _ in range(cuts):
        shutil.copyfile(disk, fresh)
        with mounted(fresh) as place, start(kind, place) as process:
            time.sleep(moments.uniform(0.2, seconds + AFTER_S))
            process.send_signal(signal.SIGSTOP)
            shutil.copyfile(fresh, cut_off)
            process.kill()
        row.trials += 1
        with mounted(cut_off) as place:
            row.mixed += results(place) not in ({}, old, new)
            row.refused += bool(run(kind, place)) and results(place) != new
            row.different += results(place) != new
    return row


def prepare(place: Path, kind: str) -> None:
    """Write the slide, and older results for a command that replaces them."""
    slide(place / "s.zarr")
    pixels = np.random.default_rng(1).integers(0, 255, (3000, 3000), np.uint8)
    tifffile.imwrite(place / "s.tif", pixels)
    if "--overwrite" in kind:
        command = [sys.executable, "-m", "morphinfer", *SEGMENT, "--stride", "4"]
        subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)


def start(kind: str, place: Path) -> subprocess.Popen[bytes]:
    """A command, in a process of its own."""
    command = [sys.executable, "-m", "morphinfer", *COMMANDS[kind]]
    return subprocess.Popen(
        command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def run(kind: str, place: Path) -> int:
    """A command to its end; gives its exit code."""
    with start(kind, place) as process:
        return process.wait()


@contextmanager
def mounted(disk: Path) -> Iterator[Path]:
    """Mount the file system in a file, always in one place, which records name; yields its folder."""
    place = disk.with_name("mounted")
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


if __name__ == "__main__":
    main()
