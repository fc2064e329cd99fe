"""Slides: two-dimensional views of OME-Zarr images, plain zarr arrays and arrays in memory, read by window.

A slide is one channel, one z (or the maximum over z) and the first time point of an image. Rows run
down, columns run right; windows are in pixels of the level that is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import ChangedSlideError, SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.ngff import Version
from morphinfer.images.slides.bad_chunks import (
    READ_ERRORS,
    OnBadChunk,
    find_bad,
    is_damage,
    read_sound,
)
from morphinfer.images.slides.identities import sample_windows
from morphinfer.images.slides.levels import Level
from morphinfer.images.slides.pixel_types import pixel_dtype, to_pixels
from morphinfer.images.slides.reading import (
    Selection,
    chunk_bytes,
    read_window,
    read_windows,
    reading_bytes,
)
from morphinfer.images.stores import (
    AbsentChunks,
    Index,
    MissingChunks,
    StoredContent,
    Watched,
    WatchedArray,
)

LARGE_CHUNK_BYTES = 2**24
"""Larger chunks are decoded one by one."""
CHUNK_READERS = 4


@dataclass(frozen=True, slots=True, repr=False)
class Slide:
    """One nuclei image, ready to be read by window; nothing is loaded before ``read``."""

    name: str
    """Name for messages and records."""
    path: Path | None
    """Where it is on this machine; None for an array in memory, and for a remote one."""
    levels: tuple[Level, ...]
    """From fine to coarse."""
    axes: str
    """Axis order of the arrays, out of t, c, z, y, x."""
    channels: tuple[str, ...]
    """Labels of the channels, where known."""
    channel: int
    """Index of the channel that is read."""
    z: int | Literal["max"]
    """Index along z, or 'max' for the maximum projection."""
    version: Version
    """NGFF version of the image; outputs follow it."""
    metadata_sha256: str
    """SHA-256 of the metadata, shape and dtype."""
    synthetic: bool = False
    """Whether its metadata say that it was made by 'morphinfer phantom'."""
    result: str = ""
    """What it holds if that is no image of nuclei: 'label image', 'probabilities' or 'uncertainty'."""
    missing_chunks: MissingChunks = "fill"
    """What a chunk is that is absent."""
    url: str | None = None
    """Where it is, if it is remote."""
    series: int | None = None
    """Number of the image in a TIFF file; None elsewhere."""
    follow_links: bool = False
    """Whether it was opened although levels may be links out of its folder."""
    as_stored: bool = False
    """Whether pixels are read in the data type of the file, as those of label images are."""
    warnings: tuple[str, ...] = ()
    """What was repaired, left out or could not be verified when it was opened, a sentence each; logged
    then, and kept in the run record (contract C9)."""
    on_bad_chunk: OnBadChunk = "stop"
    """What a chunk is that cannot be decoded."""
    bad_chunks: tuple[Window, ...] | None = None
    """Those of the level that is read; None before they were looked for."""

    @property
    def identity(self) -> str:
        """SHA-256 of the metadata, shape and dtype; of an array in memory also of a sample of its pixels.

        The sample is read when this is asked for: up to 16 windows of 64 x 64 pixels, spread over the
        array, of the channel that is read.
        """
        if self.path is not None or self.url is not None:
            return self.metadata_sha256
        digest = hashlib.sha256(self.metadata_sha256.encode())
        for window in sample_windows(self.shape):
            digest.update(self.read(window).tobytes())
        return digest.hexdigest()

    @property
    def address(self) -> str:
        """What opens it again: absolute path or URL; the name of an array in memory."""
        return str(self.path.absolute()) if self.path else self.url or self.name

    @property
    def grid(self) -> PixelGrid:
        """The pixels of level 0, and where they lie."""
        return self.levels[0].grid

    def __repr__(self) -> str:
        height, width = self.shape
        name = self.channels[self.channel] if self.channel < len(self.channels) else self.channel
        return (
            f"<Slide {self.path or self.url or self.name}: {height} x {width} pixels of "
            f"{self.pixel_size_um:g} um, {self.dtype}, channel {name}, levels: {len(self.levels)}>"
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of level 0."""
        return self.grid.shape

    @property
    def pixel_size_um(self) -> float:
        """Side of a pixel of level 0 in micrometres."""
        return self.grid.pixel_size_um

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the pixels that are read, in native byte order."""
        stored = np.dtype(self.levels[0].array.dtype)
        return stored.newbyteorder("=") if self.as_stored else pixel_dtype(stored)

    def read(self, window: Window, level: int = 0) -> NDArray[Any]:
        """Pixels of a window that lies inside the level: 2-D, in the slide's data type.

        Raises
        ------
        SlideError
            A chunk is damaged and ``on_bad_chunk`` is not 'mask', or it has gone since the slide was
            opened; an integer does not fit into float32. A chunk that was never there counts as empty, as
            zarr has it, unless the slide was opened with ``missing_chunks='refuse'``.
        """
        read = self._reader(level)
        try:
            try:
                return read(window)
            except READ_ERRORS as problem:
                if isinstance(problem, SlideError) or self.on_bad_chunk == "stop":
                    raise
                return read_sound(read, window, self.levels[level].chunk, self.dtype)
        except SlideError:
            raise
        except READ_ERRORS as problem:
            raise self._unreadable(window, level, problem) from problem

    def read_together(self, windows: Sequence[Window], level: int = 0) -> list[NDArray[Any]]:
        """`read` of several windows, which need less time together where they are small."""
        try:
            return read_windows(self.levels[level].array, windows, self._selection())
        except READ_ERRORS:  # read alone, the window at fault is named, or its chunk left out
            return [self.read(window, level) for window in windows]

    def find_bad_chunks(self, level: int = 0) -> tuple[Window, ...]:
        """Windows of the chunks of a level that cannot be decoded; all of them are read.

        Raises
        ------
        SlideError
            A chunk cannot be read for another reason.
        """
        whole = Window(0, 0, *self.levels[level].shape)
        threads = 1 if self.chunk_bytes(level) > LARGE_CHUNK_BYTES else CHUNK_READERS
        try:
            return tuple(find_bad(self._reader(level), whole, self.levels[level].chunk, threads))
        except SlideError:
            raise
        except READ_ERRORS as problem:
            raise self._unreadable(whole, level, problem) from problem

    def _reader(self, level: int) -> Callable[[Window], NDArray[Any]]:
        array, selection = self.levels[level].array, self._selection()
        return lambda window: read_window(array, window, selection)

    def _unreadable(self, window: Window, level: int, problem: BaseException) -> SlideError:
        """The error on a window, with the file of the chunk where that can be found."""
        array = self.levels[level].array
        key = None
        if is_damage(problem) and isinstance(array, WatchedArray):
            index = list(self._part())
            for axis, part in zip("yx", window.slices, strict=True):
                index[self.axes.index(axis)] = part
            key = array.damaged_key(tuple(index))
        chunk = f"the chunk {key} is damaged: " if key else ""
        way = (
            ", or leave out what it shows with `on_bad_chunk='mask'`" if is_damage(problem) else ""
        )
        return SlideError(
            f"{self.name}: {chunk}level {level}, rows {window.row} to {window.row_stop}, columns "
            f"{window.col} to {window.col_stop} cannot be read ({problem}); copy the slide again from its "
            f"source{way}"
        )

    def list_absent(self, level: int = 0) -> AbsentChunks | None:
        """List the chunks of a level that are absent; from now on a chunk that goes is an error.

        Returns
        -------
        AbsentChunks or None
            None where chunks cannot be listed: of an array in memory, and over http.

        Raises
        ------
        SlideError
            The slide is no longer there.
        """
        array = self.levels[level].array
        return array.list_absent(self._part()) if isinstance(array, WatchedArray) else None

    def check_source(self, level: int = 0, since: StoredContent | None = None) -> None:
        """Look at the metadata of the slide and of a level again, and at what they hold.

        Parameters
        ----------
        level : int
            The level that is read.
        since : StoredContent, optional
            What ``content`` returned earlier.

        Raises
        ------
        SlideError
            The slide or a chunk was removed, replaced or disconnected, or its metadata have changed.
        ChangedSlideError
            Its files or pixels have changed since.
        """
        array = self.levels[level].array
        if isinstance(array, Watched):
            array.check()
        if since is not None and self.content(level) != since:
            if isinstance(array, WatchedArray):
                array.refuse_gone()
            raise ChangedSlideError(
                f"{self.address}: its files changed while it was read, so what was computed from them is "
                f"dropped; wait until nothing writes to it, and run the same command again"
            )

    def content(self, level: int = 0) -> StoredContent:
        """What the slide holds now of a level, so that a later look finds it changed.

        Sizes and times of all files that are read, and a hash of bytes of up to 25 chunks spread over the
        level; of a remote store the hash alone, and nothing of an array in memory (see ``identity``).

        Raises
        ------
        SlideError
            A remote store cannot be reached.
        """
        array = self.levels[level].array
        return array.content(self._part()) if isinstance(array, Watched) else StoredContent()

    def _part(self) -> Index:
        """The part of an array that is read."""
        places: dict[str, int | slice] = {"t": 0, "c": self.channel, "z": self._z_index()}
        return tuple(places.get(axis, slice(None)) for axis in self.axes)

    def _z_index(self) -> int | slice:
        return slice(None) if self.z == "max" else self.z

    def reading_mb(self, level: int = 0) -> float:
        """Memory that reading takes beside the pixels: chunks of several planes, and conversions."""
        return reading_bytes(self.levels[level].array, self._selection()) / 1e6

    def chunk_bytes(self, level: int = 0) -> int:
        """Size of a chunk with all its planes and channels, decoded."""
        return chunk_bytes(self.levels[level].array, self.axes)

    def _selection(self) -> Selection:
        convert = partial(to_pixels, dtype=self.dtype, name=self.name)
        return Selection(self.axes, self.channel, self.z, self.dtype, convert)

    def level_for(self, pixel_size_um: float) -> int:
        """Index of the coarsest level whose pixels are no larger than ``pixel_size_um``, else 0."""
        tolerance = 1.001
        fit = [i for i, v in enumerate(self.levels) if v.pixel_size_um <= pixel_size_um * tolerance]
        return max(fit, key=lambda i: self.levels[i].pixel_size_um, default=0)
