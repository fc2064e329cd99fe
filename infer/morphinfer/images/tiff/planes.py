"""Planes of TIFF files, read by window: uncompressed ones, and small ones that are kept decoded.

Rows run down, columns run right. A plane keeps no file open and may be read from several threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window
from morphinfer.images.tiff.source_file import SourceFile, read_into, too_short

RAW_CHUNK = (256, 4096)
"""Rows and columns of the blocks in which uncompressed rows are read, each row for itself."""
KEPT_CHUNK = 512
"""Side of the blocks in which an image is read that is kept in memory."""


class Plane(Protocol):
    """One plane of an image."""

    @property
    def file(self) -> SourceFile:
        """The file that holds it."""
        ...

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
        return too_short(self.file, self.offset + prod(self.shape) * self.stored.itemsize)

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
                read_into(file, part.data.cast("B"))
        cut = out[:, window.col : window.col_stop] if whole_rows else out
        return cut.astype(self.dtype, copy=False)


@dataclass(frozen=True, slots=True)
class KeptPlane:
    """A small plane, decoded as a whole when it is first read, and kept."""

    plane: Plane
    """The plane on the disk."""
    _kept: list[NDArray[Any]] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock)

    @property
    def file(self) -> SourceFile:
        """That of the plane on the disk."""
        return self.plane.file

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
