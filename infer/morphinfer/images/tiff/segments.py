"""Planes of TIFF files in tiles or strips: only those that a window needs are decoded."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window, ceil_div
from morphinfer.images.tiff.source_file import SourceFile, read_into, too_short

DECODERS = min(8, os.cpu_count() or 1)
"""Tiles of a window that are decoded at the same time."""
SMALL_BYTES = 64 * 2**20
"""Size up to which an image in compressed strips is kept decoded, instead of being decoded by window."""
MOST_EXPANDED = 2000
"""More than a strip or tile shrinks; deflate reaches 1032, and a damaged header claims what it likes."""


@dataclass(frozen=True, slots=True)
class SegmentPlane:
    """Pixels in tiles or strips."""

    file: SourceFile
    """The file."""
    page: Any
    """The page of tifffile that decodes."""
    offsets: NDArray[np.int64]
    """Byte at which each tile or strip begins."""
    counts: NDArray[np.int64]
    """Bytes of each; 0 where nothing is stored, which counts as 0."""
    sample: int
    """Which sample of a pixel."""
    jpeg: tuple[bytes | None, bytes | None]
    """Tables and header that the tiles of a JPEG image share."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.page.imagelength), int(self.page.imagewidth)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type in native byte order."""
        native: np.dtype[Any] = np.dtype(self.page.dtype).newbyteorder("=")
        return native

    @property
    def chunk(self) -> tuple[int, int]:
        """Rows and columns of a tile or strip."""
        page = self.page
        if page.is_tiled:
            return int(page.tilelength), int(page.tilewidth)
        return int(min(page.rowsperstrip, page.imagelength)), int(page.imagewidth)

    @property
    def segments(self) -> int:
        """Number of tiles or strips."""
        return self._range()[1]

    @property
    def empty(self) -> int:
        """Tiles or strips of which nothing is stored."""
        first, count = self._range()
        return int(np.count_nonzero(self.counts[first : first + count] <= 0))

    @property
    def problem(self) -> str | None:
        """A file that lacks tiles, ends before they do, or claims tiles that cannot be true."""
        first, count = self._range()
        if min(len(self.offsets), len(self.counts)) < first + count:
            return f"{len(self.offsets)} of {first + count} tiles or strips are listed"
        offsets, counts = (a[first : first + count] for a in (self.offsets, self.counts))
        if counts.min() < 0 or offsets.min() < 0:
            return "negative places of tiles or strips"
        decoded = prod(self.chunk) * self.page.samplesperpixel * self.dtype.itemsize
        if decoded > SMALL_BYTES and decoded > MOST_EXPANDED * int(counts.max()):
            return f"tiles or strips of {decoded} bytes out of {int(counts.max())}"
        return too_short(self.file, int((offsets + counts).max()))

    def _range(self) -> tuple[int, int]:
        """First tile or strip, and how many."""
        rows, cols = (ceil_div(n, m) for n, m in zip(self.shape, self.chunk, strict=True))
        return (self.sample * rows * cols if self._planar else 0), rows * cols

    @property
    def _planar(self) -> bool:
        return bool(self.page.planarconfig == 2 and self.page.samplesperpixel > 1)

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window; see `Plane.read`."""
        tall, wide = self.chunk
        first, _ = self._range()
        across = ceil_div(self.shape[1], wide)
        out = np.zeros((window.height, window.width), self.dtype)
        needed = [
            first + row * across + col
            for row in range(window.row // tall, ceil_div(window.row_stop, tall))
            for col in range(window.col // wide, ceil_div(window.col_stop, wide))
            if self.counts[first + row * across + col] > 0
        ]

        def paste(index: int, data: bytes) -> None:
            block, top, left = self._decode(index, data)
            rows = max(window.row, top), min(window.row_stop, top + block.shape[0])
            cols = max(window.col, left), min(window.col_stop, left + block.shape[1])
            out[
                rows[0] - window.row : rows[1] - window.row,
                cols[0] - window.col : cols[1] - window.col,
            ] = block[rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left]

        with self.file.opened() as file:
            if len(needed) < 2:
                for index in needed:
                    paste(index, self._read_segment(file, index))
                return out
            with ThreadPoolExecutor(DECODERS, "morphinfer-decode") as pool:
                pasted = [pool.submit(paste, i, self._read_segment(file, i)) for i in needed]
                for future in pasted:
                    future.result()
        return out

    def _read_segment(self, file: FileIO, index: int) -> bytes:
        data = bytearray(int(self.counts[index]))
        file.seek(int(self.offsets[index]))
        read_into(file, memoryview(data))
        return bytes(data)

    def _decode(self, index: int, data: bytes) -> tuple[NDArray[Any], int, int]:
        """Pixels of a tile or strip, its first row and its first column."""
        tables, header = self.jpeg
        try:
            block, place, _ = self.page.decode(data, index, jpegtables=tables, jpegheader=header)
        except Exception as problem:  # codecs raise errors of their own, of any class
            raise OSError(f"tile or strip {index} is damaged: {problem}") from problem
        if block.dtype.newbyteorder("=") != self.dtype:
            raise OSError(f"tile or strip {index} holds {block.dtype}, not {self.dtype}")
        sample = 0 if self._planar else self.sample
        if sample >= block.shape[3]:
            raise OSError(f"tile or strip {index} holds {block.shape[3]} sample(s) of each pixel")
        return block[0, :, :, sample], place[2], place[3]
