"""Rows of chunks that are not complete: what tiles have covered of them, in memory and on the disk.

On the disk it is the file ``part-ROW-NAME.bin`` in the folder of a draft: a line of JSON with the tiles,
checksums, and a hash as the lines of the journal have, then the values of the labels and of each layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window
from morphinfer.records import parse_fields, to_plain
from morphinfer.runs.journal import checksum, signed, verified

PARTS = "part-{row}-*.bin"
MOST_LINE_BYTES = 2**24
"""More than the line of a part has."""


@dataclass(frozen=True, slots=True)
class Part:
    """What the file of a part claims."""

    row: int
    """Number of the row of chunks."""
    tiles: tuple[tuple[int, int, int, int], ...]
    """What is covered, in positions: row, column, height and width of each tile."""
    checksums: tuple[int, ...]
    """CRC-32 of the values of each image."""
    uncertain: int
    """Uncertain positions of tissue among those that are covered."""
    seconds: float
    """What they took."""


@dataclass(slots=True, eq=False)
class OpenRow:
    """A row of chunks that is being put together."""

    number: int
    """Its number from the top."""
    window: Window
    """Its positions."""
    blocks: list[NDArray[np.uint8]]
    """Its part of each image."""
    tiles: list[Window] = field(default_factory=list)
    """What is covered, in positions."""
    uncertain: int = 0
    """Uncertain positions of tissue among those that are covered."""
    seconds: float = 0.0
    """What earlier runs have spent on it."""
    left: int = 0
    """Positions that no tile has covered yet."""

    @classmethod
    def empty(cls, number: int, window: Window, planes: Sequence[tuple[int, ...]]) -> Self:
        """One of which nothing is covered; ``planes`` are the leading axes of each image."""
        shape = window.height, window.width
        blocks = [np.zeros((*leading, *shape), np.uint8) for leading in planes]
        return cls(number, window, blocks, left=math.prod(shape))

    def missing(self, tile: Window) -> NDArray[np.bool_]:
        """Which positions of a tile inside the row are not covered yet."""
        return uncovered(tile, self.tiles)

    def place(
        self, tile: Window, blocks: Sequence[NDArray[np.uint8]], uncertain: NDArray[np.bool_]
    ) -> None:
        """Take what a tile inside the row covers; positions that are covered already are left alone."""
        fresh = self.missing(tile)
        top = tile.row - self.window.row
        inside = slice(top, top + tile.height), slice(tile.col, tile.col_stop)
        for target, block in zip(self.blocks, blocks, strict=True):
            np.copyto(target[(..., *inside)], block, where=fresh)
        self.uncertain += int(np.count_nonzero(uncertain & fresh))
        self.left -= int(np.count_nonzero(fresh))
        self.tiles.append(tile)

    def save(self, folder: Path, name: str, run: str, seconds: float) -> None:
        """Write it into the folder of a draft, in place of what this process has written of it before."""
        tiles = tuple((t.row, t.col, t.height, t.width) for t in self.tiles)
        sums = tuple(checksum(block) for block in self.blocks)
        part = Part(self.number, tiles, sums, self.uncertain, self.seconds + seconds)
        file = folder / PARTS.format(row=self.number).replace("*", name)
        fresh = file.with_suffix(".new")
        with fresh.open("wb") as opened:
            opened.write(signed(run, to_plain(part)))
            for block in self.blocks:
                opened.write(block.data)
        fresh.replace(file)

    @classmethod
    def load(
        cls, file: Path, run: str, number: int, window: Window, planes: Sequence[tuple[int, ...]]
    ) -> Self | None:
        """What a process has written of a row; None where it is of another draft, or damaged."""
        row = cls.empty(number, window, planes)
        with file.open("rb") as opened:
            claims = verified(run, opened.readline(MOST_LINE_BYTES))
            for block in row.blocks:
                opened.readinto(block.data.cast("B"))
        try:
            part = parse_fields(Part, claims)
        except (ValueError, TypeError, OverflowError):
            return None
        if part.row != number or part.checksums != tuple(map(checksum, row.blocks)):
            return None
        row.tiles = [Window(*tile) for tile in part.tiles]
        row.uncertain, row.seconds = part.uncertain, part.seconds
        return row if row._is_possible() else None

    def _is_possible(self) -> bool:
        """Whether its tiles lie inside it, and its numbers can be true; counts what is left."""
        inside = all(
            tile.height > 0
            and tile.width > 0
            and self.window.row <= tile.row
            and tile.row_stop <= self.window.row_stop
            and tile.col >= 0
            and tile.col_stop <= self.window.width
            for tile in self.tiles
        )
        if not inside:
            return False
        self.left = int(np.count_nonzero(uncovered(self.window, self.tiles)))
        covered = math.prod(self.blocks[0].shape) - self.left
        return 0 <= self.uncertain <= covered and 0 <= self.seconds < math.inf


def part_files(folder: Path, row: int | None = None) -> list[Path]:
    """Files of the parts of a row of chunks, or of all rows, in the folder of a draft."""
    return list(folder.glob(PARTS.format(row="*" if row is None else row)))


def part_rows(folder: Path) -> set[int]:
    """Numbers of the rows of chunks of which there are parts in the folder of a draft."""
    numbers = {file.name.split("-")[1] for file in part_files(folder)}
    return {int(number) for number in numbers if number.isascii() and number.isdecimal()}


def uncovered(window: Window, tiles: Sequence[Window]) -> NDArray[np.bool_]:
    """Which positions of a window no tile covers.

    >>> uncovered(Window(1, 0, 2, 3), [Window(0, 1, 2, 5)])
    array([[ True, False, False],
           [ True,  True,  True]])
    """
    fresh = np.ones((window.height, window.width), bool)
    for tile in tiles:
        rows = slice(max(0, tile.row - window.row), max(0, tile.row_stop - window.row))
        cols = slice(max(0, tile.col - window.col), max(0, tile.col_stop - window.col))
        fresh[rows, cols] = False
    return fresh
