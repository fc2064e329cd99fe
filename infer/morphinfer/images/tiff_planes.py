"""Planes of TIFF files, read by window: only the tiles or strips that a window needs are decoded.

Rows run down, columns run right. A plane keeps no file open and may be read from several threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window, ceil_div

RAW_CHUNK = (256, 4096)
"""Rows and columns of the blocks in which uncompressed rows are read, each row for itself."""
KEPT_CHUNK = 512
"""Side of the blocks in which an image is read that is kept in memory."""
DECODERS = min(8, os.cpu_count() or 1)
"""Tiles of a window that are decoded at the same time."""
SMALL_BYTES = 64 * 2**20
"""Size up to which an image in compressed strips is kept decoded, instead of being decoded by window."""
MOST_EXPANDED = 2000
"""More than a strip or tile shrinks; deflate reaches 1032, and a damaged header claims what it likes."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, and by what a later version of it is recognised."""

    path: Path
    """The file."""
    size: int
    """Its bytes."""
    changed_ns: int
    """When it was changed last."""

    @classmethod
    def of(cls, path: str | Path) -> SourceFile:
        """The file of a path, as it is now."""
        status = Path(path).stat()
        return cls(Path(path), status.st_size, status.st_mtime_ns)

    @contextmanager
    def opened(self) -> Iterator[FileIO]:
        """The file, open for reading.

        Raises
        ------
        OSError
            It is gone, or was changed since, or while it was read.
        """
        with self.path.open("rb", buffering=0) as file:
            self._refuse_changed(file)
            try:
                yield file
            except OSError:
                self._refuse_changed(file)
                raise
            self._refuse_changed(file)

    def _refuse_changed(self, file: FileIO) -> None:
        status = os.fstat(file.fileno())
        if (status.st_size, status.st_mtime_ns) != (self.size, self.changed_ns):
            raise OSError(f"{self.path} was changed while it was read")


class Plane(Protocol):
    """One plane of an image."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the pixels, in native byte order."""
        ...

    @property
    def chunk(self) -> tuple[int, int]:
        """Rows and columns that are decoded at once."""
        ...

    @property
    def empty(self) -> int:
        """Tiles or strips of which nothing is stored."""
        ...

    @property
    def problem(self) -> str | None:
        """Why the file cannot hold the plane, or None; nothing is decoded for it."""
        ...

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window.

        Raises
        ------
        OSError
            A tile or strip is damaged, or the file is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class RawPlane:
    """Uncompressed pixels in one piece."""

    file: SourceFile
    """The file."""
    offset: int
    """Byte at which the plane begins."""
    shape: tuple[int, int]
    """Rows and columns."""
    stored: np.dtype[Any]
    """Data type as stored, with its byte order."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type in native byte order."""
        return self.stored.newbyteorder("=")

    @property
    def chunk(self) -> tuple[int, int]:
        """A wide block, as few long rows are read faster than many short ones."""
        return min(RAW_CHUNK[0], self.shape[0]), min(RAW_CHUNK[1], self.shape[1])

    @property
    def empty(self) -> int:
        """None: the plane is one piece."""
        return 0

    @property
    def problem(self) -> str | None:
        """A file that ends before the plane does."""
        return _too_short(self.file, self.offset + prod(self.shape) * self.stored.itemsize)

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window; see `Plane.read`."""
        size, (_, width) = self.stored.itemsize, self.shape
        whole_rows = 2 * window.width >= width
        out = np.empty((window.height, width if whole_rows else window.width), self.stored)
        start = self.offset + (window.row * width + (0 if whole_rows else window.col)) * size
        with self.file.opened() as file:
            parts: list[NDArray[Any]] = [out] if whole_rows else list(out)
            for number, part in enumerate(parts):
                file.seek(start + number * width * size)
                _read_into(file, part.data.cast("B"))
        cut = out[:, window.col : window.col_stop] if whole_rows else out
        return cut.astype(self.dtype, copy=False)


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
        return _too_short(self.file, int((offsets + counts).max()))

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
        _read_into(file, memoryview(data))
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


@dataclass(frozen=True, slots=True)
class KeptPlane:
    """A small plane, decoded as a whole when it is first read, and kept."""

    plane: Plane
    """The plane on the disk."""
    _kept: list[NDArray[Any]] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.plane.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type in native byte order."""
        return self.plane.dtype

    @property
    def chunk(self) -> tuple[int, int]:
        """A square block, as any part can be had."""
        return min(KEPT_CHUNK, self.shape[0]), min(KEPT_CHUNK, self.shape[1])

    @property
    def empty(self) -> int:
        """Those of the plane on the disk."""
        return self.plane.empty

    @property
    def problem(self) -> str | None:
        """That of the plane on the disk."""
        return self.plane.problem

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window; see `Plane.read`."""
        with self._lock:
            if not self._kept:
                self._kept.append(self.plane.read(Window(0, 0, *self.shape)))
        return self._kept[0][window.slices].copy()


def _read_into(file: FileIO, target: memoryview) -> None:
    """Fill a buffer from the file's present position."""
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])
        if not count:
            raise OSError(f"{file.name} ends {len(target) - done} bytes too early")
        done += count


def _too_short(file: SourceFile, need: int) -> str | None:
    if need <= file.size:
        return None
    return f"its pixels need {need} bytes and the file has {file.size}"
