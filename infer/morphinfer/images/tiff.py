"""TIFF files read in bands of rows: plain, OME and ImageJ; tiled, striped and pyramidal.

Rows run down, columns run right. Each tile or strip is decoded once where bands are multiples of
``TiffImage.band_rows``; memory depends on the band, except where a file holds a whole compressed
image as one strip.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer.images.slide_checks import SUPPORTED_DTYPES
from morphinfer.images.tiff_metadata import channel_names, pixel_size

BAND_ROWS = 512
"""Rows that are decoded at once."""
CHANNEL_AXES = "CSQI"
"""Axes that become channels: channels, planar samples, and pages of unknown meaning."""
UNREADABLE = (tifffile.TiffFileError, ValueError, LookupError, struct.error, OSError)
"""What damaged files raise; TiffFileError is a ValueError from tifffile 2025.9.20 on only."""


@dataclass(frozen=True, slots=True)
class TiffImage:
    """The full-resolution image of an open TIFF file, at its first time point."""

    source: str
    """Name of the file for messages."""
    shape: tuple[int, int]
    """Rows and columns."""
    dtype: np.dtype[Any]
    """Data type, in native byte order."""
    band_rows: int
    """Rows of a whole number of tiles or strips."""
    pixel_size_um: float | None
    """Side of a pixel in micrometres, where the file states it."""
    channels: tuple[str, ...]
    """Channel names; their numbers where the file gives none."""
    planes: tuple[tuple[_Plane, ...], ...]
    """The planes along z of each channel."""

    def read(self, channel: int, row: int, stop: int) -> NDArray[Any]:
        """Full-width rows of a channel, the maximum over z.

        Raises
        ------
        SlideError
            A tile or strip is damaged.
        """
        try:
            parts = (plane.read(row, stop) for plane in self.planes[channel])
            block = reduce(np.maximum, parts)
        except (*UNREADABLE, RuntimeError) as problem:
            raise SlideError(
                f"{self.source}: channel {self.channels[channel]}, rows {row} to {stop} cannot be "
                f"decoded ({problem}); copy the file again from its source"
            ) from problem
        return np.ascontiguousarray(block, dtype=self.dtype)


@dataclass(frozen=True, slots=True)
class _Plane:
    """One two-dimensional image in the file: memory-mapped, or stored in tiles or strips."""

    mapped: NDArray[Any] | None
    page: Any
    sample: int
    pool: ThreadPoolExecutor

    def read(self, row: int, stop: int) -> NDArray[Any]:
        """Full-width rows."""
        if self.mapped is not None:
            return np.asarray(self.mapped[row:stop])
        key = self.page.keyframe
        tall = key.tilelength if key.is_tiled else key.rowsperstrip
        across = -(-key.imagewidth // key.tilewidth) if key.is_tiled else 1
        first = self.sample * -(-key.imagelength // tall) * across
        indices = range(first + row // tall * across, first + -(-stop // tall) * across)
        out = np.zeros((stop - row, key.imagewidth), key.dtype)
        segments = self.page.parent.filehandle.read_segments(
            [self.page.dataoffsets[i] for i in indices],
            [self.page.databytecounts[i] for i in indices],
            indices=list(indices),
            sort=False,
        )
        tables = {"jpegtables": self.page.jpegtables, "jpegheader": key.jpegheader}
        for block, place, _ in self.pool.map(lambda s: key.decode(*s, **tables), segments):
            if block is None:
                continue
            top, left = place[2], place[3]
            cut = block[0, max(0, row - top) : stop - top, : key.imagewidth - left, 0]
            start = max(0, top - row)
            out[start : start + len(cut), left : left + cut.shape[1]] = cut
        return out


@contextmanager
def open_tiff(
    path: str | Path, *, pixel_size_um: float | None = None, band_rows: int = BAND_ROWS
) -> Iterator[TiffImage]:
    """Open the largest image of a TIFF file; it can be read until the context ends.

    Parameters
    ----------
    path : str or Path
        The file.
    pixel_size_um : float, optional
        Side of a pixel in micrometres; overrides what the file says.
    band_rows : int
        Rows to decode at once, rounded down to whole tiles or strips, of which there is at least one.

    Raises
    ------
    SlideError
        The file is missing, no TIFF, truncated, in colour, or of an unsupported data type.
    """
    path = Path(path)
    if not path.is_file():
        raise SlideError(f"{path}: no such file; name a TIFF file")
    with ThreadPoolExecutor(2) as pool, _opened(path) as (file, index, series):
        _check_kind(series, path)
        _check_complete(series, path)
        planes = _planes(series, path, pool)
        key = series.keyframe
        tall = key.tilelength if key.is_tiled else min(key.rowsperstrip, key.imagelength)
        if planes[0][0].mapped is not None:
            tall = 1
        height, width = series.shape[-2:]
        yield TiffImage(
            source=str(path),
            shape=(height, width),
            dtype=np.dtype(series.dtype).newbyteorder("="),
            band_rows=tall * max(1, band_rows // tall),
            pixel_size_um=pixel_size_um or pixel_size(file, index, path),
            channels=channel_names(file, index, len(planes)),
            planes=planes,
        )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, int, Any]]:
    """The file, and its series of the largest area at full resolution with its number."""
    try:
        file = tifffile.TiffFile(path)
    except UNREADABLE as problem:
        raise _unreadable(path, problem) from problem
    with file:
        try:
            series = list(file.series)
            index = max(range(len(series)), key=lambda i: prod(series[i].shape[-2:]))
            chosen = series[index].levels[0]
            usable = chosen.keyframe is not None and len(chosen.pages) > 0
        except (*UNREADABLE, AttributeError) as problem:
            raise _unreadable(path, problem) from problem
        if not usable:
            raise _unreadable(path, "no image in it")
        yield file, index, chosen


def _unreadable(path: Path, problem: object) -> SlideError:
    return SlideError(
        f"{path}: not a TIFF file, or cut short ({problem}); copy it again from its source, or save "
        f"it as TIFF or OME-TIFF"
    )


def _check_kind(series: Any, path: Path) -> None:
    key = series.keyframe
    photometric = getattr(key.photometric, "name", str(key.photometric))
    if photometric != "MINISBLACK" or not series.axes.endswith("YX"):
        raise SlideError(
            f"{path}: a {photometric} image with axes {series.axes}; nuclei stains are single "
            f"channels where 0 is dark: save the nuclei channel as a grey TIFF first"
        )
    name = np.dtype(series.dtype).name if series.dtype is not None else "unknown"
    if name not in SUPPORTED_DTYPES:
        raise SlideError(
            f"{path}: data type {name}; supported are {', '.join(SUPPORTED_DTYPES)}: save the image "
            f"as uint16 or float32 first"
        )


def _check_complete(series: Any, path: Path) -> None:
    """Refuse a file whose last bytes are missing before anything is written."""
    for page in series.pages:
        if page is None:
            raise SlideError(f"{path}: planes of the image are missing; copy all files of it again")
        expected = prod(page.keyframe.chunked) if not page.is_contiguous else 1
        size = page.parent.filehandle.size
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if len(ends) < expected or max(ends, default=0) > size:
            raise SlideError(
                f"{path}: cut short: its pixels need {max(ends, default=0)} bytes and the file has "
                f"{size}; copy it again from its source"
            )
    if series.dataoffset is not None:
        need = series.dataoffset + prod(series.shape) * np.dtype(series.dtype).itemsize
        size = series.parent.filehandle.size
        if need > size:
            raise SlideError(
                f"{path}: cut short: its pixels need {need} bytes and the file has {size}; copy it "
                f"again from its source"
            )


def _planes(series: Any, path: Path, pool: ThreadPoolExecutor) -> tuple[tuple[_Plane, ...], ...]:
    """Planes by channel and z; the first of every other axis."""
    axes, dims = series.axes[:-2], series.shape[:-2]
    samples = dims[-1] if axes.endswith("S") else 1
    if series.dataoffset is None and len(series.pages) * samples != prod(dims):
        raise SlideError(
            f"{path}: {len(series.pages)} pages for {prod(dims)} planes (axes {series.axes}); save "
            f"the nuclei channel as an image of its own first"
        )
    whole = None
    if series.dataoffset is not None:
        stored = np.dtype(series.dtype).newbyteorder(series.parent.byteorder)
        whole = np.memmap(path, stored, "r", series.dataoffset, (prod(dims), *series.shape[-2:]))
    planes: dict[tuple[int, ...], list[_Plane]] = {}
    for number, place in enumerate(np.ndindex(*dims)):
        channel = tuple(i for axis, i in zip(axes, place, strict=True) if axis in CHANNEL_AXES)
        if any(i for axis, i in zip(axes, place, strict=True) if axis not in CHANNEL_AXES + "Z"):
            continue
        page = None if whole is not None else series.pages[number // samples]
        mapped = None if whole is None else whole[number]
        planes.setdefault(channel, []).append(_Plane(mapped, page, number % samples, pool))
    return tuple(tuple(planes[channel]) for channel in sorted(planes))
