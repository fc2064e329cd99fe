"""Planes of a TIFF image as an array that is decoded where it is sliced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images.stores import (
    SAMPLED_SIDE,
    Index,
    StoredContent,
    file_pieces,
    hash_pieces,
    stamp_files,
)
from morphinfer.images.tiff.planes import Plane
from morphinfer.images.tiff.source_file import SourceFile


class TiffArray:
    """One level of a TIFF image: axes y and x, before them c where it has several channels, and z.

    Holds no file open; may be read from several threads, and pickled, which opens the file again.
    """

    def __init__(
        self,
        planes: tuple[tuple[Plane | None, ...], ...],
        axes: str,
        reopen: tuple[Callable[..., TiffArray], tuple[Any, ...]],
    ) -> None:
        """Array over planes, by channel and by place along z; None for one that is not there.

        Parameters
        ----------
        planes : tuple of tuple of Plane
            All of one shape and data type.
        axes : str
            'yx', 'zyx', 'cyx' or 'czyx'.
        reopen : tuple
            A callable and its arguments, which make the same array in another process.
        """
        self._planes = planes
        self._reopen = reopen
        first = next(plane for stack in planes for plane in stack if plane is not None)
        lengths = {"c": len(planes), "z": len(planes[0]), "y": first.shape[0], "x": first.shape[1]}
        chunks = {"c": 1, "z": 1, "y": first.chunk[0], "x": first.chunk[1]}
        self.axes = axes
        self.shape = tuple(lengths[axis] for axis in axes)
        self.chunks = tuple(chunks[axis] for axis in axes)
        self.dtype = first.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    def planes(self, channel: int) -> tuple[Plane | None, ...]:
        """The planes of a channel, along z."""
        return self._planes[channel]

    def check(self) -> None:
        """Look at its files again.

        Raises
        ------
        SlideError
            One is gone, or has another size or time.
        """
        for file in self._files():
            if not file.is_unchanged():
                raise SlideError(
                    f"{file.path}: is no longer what was opened: it was removed or replaced, or its disk or "
                    f"share was disconnected; make it available and run the same command again"
                )

    def content(self, index: Index) -> StoredContent:
        """What its files hold now, whatever part is asked for."""
        files = self._files()
        count = max(2, SAMPLED_SIDE**2 // len(files))
        pixels = hash_pieces(piece for file in files for piece in file_pieces(file.path, count))
        folder, names = files[0].path.parent, [file.path.name for file in files]
        return StoredContent(stamp_files(folder, names), pixels)

    def _files(self) -> list[SourceFile]:
        """The files of its planes, each once."""
        stacks = [plane for stack in self._planes for plane in stack if plane is not None]
        return sorted({plane.file for plane in stacks}, key=lambda file: file.path)

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        """Part that integers and slices select.

        Raises
        ------
        OSError
            A tile or strip is damaged, or a file is gone.
        """
        chosen = dict(zip(self.axes, self._whole_index(index), strict=True))
        rows, cols = (range(n)[chosen[axis]] for axis, n in zip("yx", self.shape[-2:], strict=True))
        stacks = _as_range(chosen.get("c", 0), len(self._planes))
        depths = _as_range(chosen.get("z", 0), len(self._planes[0]))
        height, width = (_span(sides) for sides in (rows, cols))
        window = Window(height[0], width[0], height[1] - height[0], width[1] - width[0])
        block = np.empty((len(stacks), len(depths), window.height, window.width), self.dtype)
        for i, k in np.ndindex(block.shape[:2] if block.size else (0, 0)):
            block[i, k] = self._read(stacks[i], depths[k], window)
        picked = [
            0 if not isinstance(chosen.get(axis, 0), slice) else slice(None) for axis in "cz"
        ] + [_within(sides) for sides in (rows, cols)]
        part: NDArray[Any] = block[tuple(picked)]
        return part

    def _read(self, channel: int, depth: int, window: Window) -> NDArray[Any]:
        plane = self._planes[channel][depth]
        if plane is None:
            raise OSError(f"plane {depth} of channel {channel} is in a file that is not there")
        return plane.read(window)

    def _whole_index(self, index: Any) -> list[int | slice]:
        """An integer or slice for each axis."""
        parts = list(index) if isinstance(index, tuple) else [index]
        missing = self.ndim - sum(part is not Ellipsis for part in parts)
        if missing < 0 or parts.count(Ellipsis) > 1:
            raise IndexError(f"index {index} of an array with axes {self.axes}")
        at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
        return [*parts[:at], *[slice(None)] * missing, *parts[at + 1 :]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All pixels."""
        return np.asarray(self[...], dtype)

    def __reduce__(self) -> tuple[Callable[..., TiffArray], tuple[Any, ...]]:
        return self._reopen


def _as_range(index: int | slice, length: int) -> range:
    """Places along an axis."""
    places = range(length)[index]
    return places if isinstance(places, range) else range(places, places + 1)


def _span(places: int | range) -> tuple[int, int]:
    """First place, and one past the last, whatever the step between them."""
    if isinstance(places, int):
        return places, places + 1
    if not places:
        return 0, 0
    return min(places[0], places[-1]), max(places[0], places[-1]) + 1


def _within(places: int | range) -> int | slice:
    """The same places in a block that begins at the first of them."""
    if isinstance(places, int):
        return 0
    return slice(None, None, places.step)
