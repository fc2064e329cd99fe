"""A large SYNTHETIC slide in seconds: one synthetic section, repeated by linking its encoded chunks.

    python benchmarks/big_slides.py OUT.zarr --side 65536 [--tissue 0.4] [--chunk 512] [--seed 1]

The section is that of `morphinfer phantom`, 4096 x 4096 pixels; the codec and the layout are those
of morphinfer's own writer. Every chunk that occurs several times, in any level of the pyramid, is
computed and encoded once, and its other places are hard links (copies where the disk has none): do
not write into such an image. Its files are few, so reading it measures decoding, not the disk.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import zarr
from numpy.typing import NDArray

from morphinfer import open_slide
from morphinfer.geometry import Window, ceil_div
from morphinfer.images.ngff.attributes import display_window, image_attributes
from morphinfer.images.writing.downsampling import halve_by_mean, level_shapes
from morphinfer.images.writing.files import remove
from morphinfer.images.writing.multiscale import create_image
from morphinfer.images.writing.staging import staged
from morphinfer.phantom.anatomy import BACKGROUND
from morphinfer.phantom.nuclei import GLOW, draw_animal
from morphinfer.phantom.section import Section

PERIOD = 4096
PIXEL_SIZE_UM = 0.65
CENTRE_UM = PIXEL_SIZE_UM / 2


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The pixels of level 0: the section everywhere inside a rounded square, darkness around it."""

    side: int
    tissue: float
    section: NDArray[np.uint8]
    background: NDArray[np.uint8]

    def outside(self, rows: Any, cols: Any) -> NDArray[np.float64]:
        """Distance in pixels from the rim of the rounded square, negative inside; broadcast.

        Little tissue is nearly a disc, much tissue nearly the square of the slide; the area is
        right for both.
        """
        roundness = 1 - self.tissue
        half = self.side / 2 * np.sqrt(self.tissue / (1 - (1 - np.pi / 4) * roundness**2))
        corner = half * roundness
        down, right = (abs(n - self.side / 2) - (half - corner) for n in (rows, cols))
        away = np.sqrt(np.maximum(down, 0) ** 2 + np.maximum(right, 0) ** 2)
        return np.asarray(away + np.minimum(np.maximum(down, right), 0) - corner)

    def pixels(self, window: Window) -> NDArray[np.uint8]:
        """Intensities of a window."""
        rows = np.arange(window.row, window.row_stop)
        cols = np.arange(window.col, window.col_stop)
        place = np.ix_(rows % PERIOD, cols % PERIOD)
        if self.tissue == 1:
            return self.section[place]
        inside = self.outside(rows[:, None] + 0.5, cols[None, :] + 0.5) < 0
        return np.where(inside, self.section[place], self.background[place])

    def key(self, window: Window) -> Hashable:
        """The same for windows of the same pixels; every window across the rim has its own."""
        place = (window.row % PERIOD, window.col % PERIOD, window.height, window.width)
        middle = window.row + window.height / 2, window.col + window.width / 2
        away = float(self.outside(*middle))
        if self.tissue < 1 and abs(away) <= np.hypot(window.height, window.width) / 2:
            return window
        return (self.tissue == 1 or away < 0, *place)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The chunks of one level, without repetitions."""

    numbers: NDArray[np.intp]
    """Index into ``chunks`` for each place of the chunk grid."""
    chunks: list[NDArray[np.uint8]]
    """Pixels, cut at the edges of the level."""


def draw_pattern(side: int, tissue: float, seed: int) -> Pattern:
    """The section of a synthetic animal, and a background with the noise of the same microscope."""
    section = Section(seed, (PERIOD, PERIOD), PIXEL_SIZE_UM).pixels(Window(0, 0, PERIOD, PERIOD))
    animal = draw_animal(seed)
    light = np.float32(GLOW[BACKGROUND] * animal.gain)
    rng = np.random.default_rng((seed, 7))
    noisy = rng.standard_normal((PERIOD, PERIOD), dtype=np.float32) * np.sqrt(0.5 * light + 4)
    noisy += light + np.float32(animal.offset + 0.5)
    return Pattern(side, tissue, section, np.clip(noisy, 0, 255).astype(np.uint8))


def finest(pattern: Pattern, chunk: int) -> Level:
    """Level 0."""
    count = ceil_div(pattern.side, chunk)
    numbers = np.empty((count, count), np.intp)
    known: dict[Hashable, int] = {}
    chunks: list[NDArray[np.uint8]] = []
    for row, col in np.ndindex(numbers.shape):
        height, width = (min(chunk, pattern.side - n * chunk) for n in (row, col))
        window = Window(row * chunk, col * chunk, height, width)
        key = pattern.key(window)
        if key not in known:
            known[key] = len(chunks)
            chunks.append(pattern.pixels(window))
        numbers[row, col] = known[key]
    return Level(numbers, chunks)


def coarser(level: Level) -> Level:
    """The next level; equal quadruples of chunks are halved once."""
    numbers = np.empty([ceil_div(n, 2) for n in level.numbers.shape], np.intp)
    known: dict[Hashable, int] = {}
    chunks: list[NDArray[np.uint8]] = []
    for row, col in np.ndindex(numbers.shape):
        quad = level.numbers[2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
        key = (quad.shape, quad.tobytes())
        if key not in known:
            known[key] = len(chunks)
            chunks.append(halve_by_mean(np.block([[level.chunks[n] for n in r] for r in quad])))
        numbers[row, col] = known[key]
    return Level(numbers, chunks)


def write_level(folder: Path, level: Level, side: int, metadata: dict[str, Any]) -> None:
    """Encode each chunk at its first place, by zarr, and link it to the others."""
    folder.mkdir()
    (folder / "zarr.json").write_text(json.dumps({**metadata, "shape": [side, side]}, indent=2))
    array = zarr.open_array(str(folder), mode="r+")
    chunk = array.chunks[0]
    first: dict[int, Path] = {}
    for row in range(len(level.numbers)):
        (folder / "c" / str(row)).mkdir(parents=True, exist_ok=True)
        for col, number in enumerate(level.numbers[row].tolist()):
            file = folder / "c" / str(row) / str(col)
            pixels = level.chunks[number]
            if number not in first:
                first[number] = file
                rows, cols = (slice(n * chunk, (n + 1) * chunk) for n in (row, col))
                array[rows, cols] = pixels
            elif first[number].exists():  # zarr writes no file for a chunk of zeros
                link(first[number], file)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where it can have no more."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def array_metadata(folder: Path, chunk: int) -> dict[str, Any]:
    """The zarr.json of an array as morphinfer writes it."""
    sample = folder / "sample.zarr"
    size = (chunk, chunk)
    with create_image(sample, shape=size, dtype=np.uint8, pixel_size_um=1.0, chunk=chunk) as image:
        image.write(np.zeros(size, np.uint8))
    metadata: dict[str, Any] = json.loads((sample / "0" / "zarr.json").read_text())
    remove(sample)
    return metadata


def make(
    path: Path,
    side: int,
    *,
    tissue: float = 1.0,
    chunk: int = 512,
    seed: int = 1,
    overwrite: bool = False,
) -> None:
    """Write a square slide of ``side`` pixels, the share ``tissue`` of which holds the section."""
    if side < 1 or not 0 < tissue <= 1 or chunk < 2 or chunk % 2 or PERIOD % chunk:
        raise ValueError(
            f"side {side}, tissue {tissue}, chunk {chunk}: the side must be above 0, the tissue "
            f"above 0 and at most 1, the chunk an even divisor of {PERIOD}"
        )
    pattern = draw_pattern(side, tissue, seed)
    with staged(Path(path), overwrite=overwrite, folder=True) as partial:
        group = zarr.open_group(str(partial), mode="w", zarr_format=3)
        metadata = array_metadata(partial, chunk)
        sides = [shape[0] for shape in level_shapes((side, side))]
        level = finest(pattern, chunk)
        for number, level_side in enumerate(sides):
            if number:
                level = coarser(level)
            write_level(partial / str(number), level, level_side, metadata)
        metadata = image_attributes(
            name=Path(path).stem, version="0.5", level_paths=[str(n) for n in range(len(sides))],
            pixel_size_um=PIXEL_SIZE_UM, origin_um=(CENTRE_UM, CENTRE_UM), channel="DAPI",
            windows=[display_window(np.concatenate([c.ravel() for c in level.chunks]))],
        )  # fmt: skip
        about: dict[str, Any] = {
            "synthetic": True,
            "seed": seed,
            "size": [side, side],
            "tissue": tissue,
        }
        group.attrs.update({**metadata, "morphinfer": {**about, "period": PERIOD}})
        check(partial, pattern)


def check(path: Path, pattern: Pattern, windows: int = 8) -> None:
    """Raise where the slide, opened as any other, differs from the pattern."""
    slide = open_slide(path)
    rng = np.random.default_rng(0)
    size = min(700, pattern.side)
    for _ in range(windows):
        row, col = rng.integers(0, pattern.side - size + 1, 2).tolist()
        window = Window(row, col, size, size)
        if not np.array_equal(slide.read(window), pattern.pixels(window)):
            raise RuntimeError(f"{path}: {window} is not what was written")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--side", type=int, required=True, help="Side of the slide in pixels.")
@click.option("--tissue", type=float, default=1.0, show_default=True, help="Share of the area.")
@click.option("--chunk", type=int, default=512, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Synthetic animal.")
@click.option("--overwrite", is_flag=True)
def main(out: Path, side: int, tissue: float, chunk: int, seed: int, overwrite: bool) -> None:
    """Make the slide OUT."""
    started = time.perf_counter()
    make(out, side, tissue=tissue, chunk=chunk, seed=seed, overwrite=overwrite)
    click.echo(f"{out}: {side} x {side} pixels in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
