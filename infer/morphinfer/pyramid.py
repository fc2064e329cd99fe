"""Writing two-dimensional OME-Zarr images from top to bottom, with their pyramid, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.grid import ceil_div
from morphinfer.ngff import Version, image_attributes
from morphinfer.staging import staged

Reduction = Literal["mean", "mode"]
SMALLEST_LEVEL = 256


class PyramidWriter:
    """Takes rows in order and writes whole chunks of all levels, each level half of the one before."""

    def __init__(self, arrays: list[Any], reduction: Reduction) -> None:
        self._arrays = arrays
        self._reduce = halve_by_mean if reduction == "mean" else halve_by_mode
        self._pending: list[list[NDArray[Any]]] = [[] for _ in arrays]
        self._written = [0] * len(arrays)

    @property
    def rows_missing(self) -> int:
        """Rows of level 0 that were not written yet."""
        waiting = sum(len(rows) for rows in self._pending[0])
        return int(self._arrays[0].shape[0]) - self._written[0] - waiting

    def check_complete(self) -> None:
        """Raise where rows are missing.

        Raises
        ------
        ValueError
            Fewer rows were written than the image has.
        """
        if self.rows_missing:
            height = self._arrays[0].shape[0]
            raise ValueError(f"{self.rows_missing} of {height} rows were never written")

    def write(self, rows: NDArray[Any]) -> None:
        """Append rows (any number of them, full width) below those written before."""
        height, width = self._arrays[0].shape
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"rows of shape {rows.shape} for an image of {(height, width)}")
        self._push(0, rows)

    def _push(self, level: int, rows: NDArray[Any]) -> None:
        array = self._arrays[level]
        pending = self._pending[level]
        pending.append(rows)
        waiting = sum(len(part) for part in pending)
        last = self._written[level] + waiting == array.shape[0]
        chunk_rows = array.shards[0] if array.shards else array.chunks[0]
        ready = waiting if last else waiting // chunk_rows * chunk_rows
        if ready == 0:
            pending[-1] = rows.copy()  # the caller may fill its buffer anew
            return
        block = np.concatenate(pending) if len(pending) > 1 else pending[0]
        pending[:] = [block[ready:].copy()] if ready < waiting else []
        start = self._written[level]
        array[start : start + ready] = block[:ready]
        self._written[level] += ready
        if level + 1 < len(self._arrays):
            self._push(level + 1, self._reduce(block[:ready]))


@contextmanager
def create_image(
    path: str | Path,
    *,
    shape: tuple[int, int],
    dtype: Any,
    pixel_size_um: float | None,
    origin_um: tuple[float, float] | None = None,
    version: Version = "0.5",
    reduction: Reduction = "mean",
    chunk: int = 512,
    channel: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Iterator[PyramidWriter]:
    """Create an OME-Zarr image and yield its writer; the image appears only when it is complete.

    Parameters
    ----------
    path : str or Path
        Folder to publish.
    shape : tuple of int
        Rows and columns of level 0.
    dtype : dtype
        Data type of the pixels.
    pixel_size_um : float or None
        Side of a pixel in micrometres; None where it is not known.
    origin_um : tuple of float, optional
        Row and column of the centre of pixel (0, 0); half a pixel each by default, so that the
        outer corner of the image lies at (0, 0).
    version : {'0.4', '0.5'}
        NGFF version, with zarr format 2 or 3.
    reduction : {'mean', 'mode'}
        How 2 x 2 pixels become one of the next level.
    chunk : int
        Side of a chunk in pixels; an even number.
    channel : str, optional
        Channel label.
    attributes : Mapping, optional
        Further attributes; put beside 'multiscales' (0.4) or inside 'ome' (0.5), except those
        under the key 'morphinfer', which stay at the top.
    overwrite : bool
        Replace an image that stands there.

    Raises
    ------
    OutputError
        The target exists or cannot be written to, or the disk is full.
    """
    half = (pixel_size_um or 1.0) / 2
    with _create_levels(Path(path), shape, dtype, version, chunk, overwrite) as (group, arrays):
        writer = PyramidWriter(arrays, reduction)
        yield writer
        writer.check_complete()
        told = image_attributes(
            name=Path(path).stem,
            version=version,
            level_paths=[str(k) for k in range(len(arrays))],
            pixel_size_um=pixel_size_um,
            origin_um=origin_um or (half, half),
            channel=channel,
            windows=[] if channel is None else [display_window(arrays[-1][:])],
        )
        group.attrs.update(_merge(told, attributes or {}))


@dataclass(frozen=True, slots=True)
class _Plane:
    """One channel of a (c, y, x) array, as a two-dimensional array that takes rows."""

    array: Any
    channel: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[1], self.array.shape[2]

    @property
    def chunks(self) -> tuple[int, int]:
        return self.array.chunks[1], self.array.chunks[2]

    @property
    def shards(self) -> None:
        return None

    def __setitem__(self, rows: slice, block: NDArray[Any]) -> None:
        self.array[self.channel, rows] = block


@contextmanager
def create_channels(
    path: str | Path,
    *,
    shape: tuple[int, int],
    channels: Sequence[str],
    dtype: Any,
    pixel_size_um: float | None,
    origin_um: tuple[float, float] | None = None,
    version: Version = "0.5",
    chunk: int = 512,
    overwrite: bool = False,
) -> Iterator[list[PyramidWriter]]:
    """Create a (c, y, x) OME-Zarr image and yield one writer a channel, to be fed in any order.

    Parameters
    ----------
    path, dtype, pixel_size_um, origin_um, version, chunk, overwrite
        As for `create_image`.
    shape : tuple of int
        Rows and columns of level 0.
    channels : sequence of str
        Channel labels.

    Raises
    ------
    OutputError
        The target exists or cannot be written to, or the disk is full.
    """
    half = (pixel_size_um or 1.0) / 2
    full = (len(channels), *shape)
    with _create_levels(Path(path), full, dtype, version, chunk, overwrite) as (group, arrays):
        writers = [PyramidWriter([_Plane(a, c) for a in arrays], "mean") for c in range(full[0])]
        yield writers
        for writer in writers:
            writer.check_complete()
        told = image_attributes(
            name=Path(path).stem,
            version=version,
            level_paths=[str(k) for k in range(len(arrays))],
            pixel_size_um=pixel_size_um,
            origin_um=origin_um or (half, half),
            channels=channels,
            windows=[display_window(arrays[-1][c]) for c in range(len(channels))],
        )
        group.attrs.update(told)


@contextmanager
def _create_levels(
    path: Path, shape: tuple[int, ...], dtype: Any, version: Version, chunk: int, overwrite: bool
) -> Iterator[tuple[Any, list[Any]]]:
    """Yield a staged group and the empty arrays of its levels, to be filled and described."""
    import zarr

    needed = np.dtype(dtype).itemsize * math.prod(shape) // 2
    with staged(path, overwrite=overwrite, needed_bytes=needed, folder=True) as partial:
        group = zarr.open_group(str(partial), mode="w", zarr_format=2 if version == "0.4" else 3)
        arrays = [
            _create_array(group, str(k), (*shape[:-2], *level), dtype, chunk)
            for k, level in enumerate(level_shapes((shape[-2], shape[-1])))
        ]
        yield group, arrays


def _create_array(group: Any, name: str, shape: tuple[int, ...], dtype: Any, chunk: int) -> Any:
    kwargs: dict[str, Any] = {}
    if group.metadata.zarr_format == 2:
        kwargs["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    else:
        kwargs["dimension_names"] = ["c", "y", "x"][-len(shape) :]
    chunks = (1, chunk, chunk)[-len(shape) :]
    return group.create_array(
        name, shape=shape, chunks=chunks, dtype=np.dtype(dtype), fill_value=0, **kwargs
    )


def _merge(told: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    inner = told.get("ome", told)
    for key, value in more.items():
        (told if key == "morphinfer" else inner)[key] = value
    return told


def level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Shapes of the levels, halved (rounded up) until both sides are small.

    >>> level_shapes((600, 1025))
    [(600, 1025), (300, 513), (150, 257), (75, 129)]
    """
    shapes = [shape]
    while max(shapes[-1]) > SMALLEST_LEVEL:
        height, width = shapes[-1]
        shapes.append((ceil_div(height, 2), ceil_div(width, 2)))
    return shapes


def display_window(image: NDArray[Any]) -> dict[str, float]:
    """The omero 'window' of an image: shown from its darkest to its brightest pixel.

    >>> display_window(np.array([[3, 9]], np.uint8))
    {'start': 3.0, 'end': 9.0, 'min': 0.0, 'max': 255.0}
    """
    finite = image[np.isfinite(image)]
    start, end = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    end = end if end > start else start + 1
    top = (0.0, float(np.iinfo(image.dtype).max)) if image.dtype.kind == "u" else (start, end)
    return {"start": start, "end": end, "min": top[0], "max": top[1]}


def halve_by_mean(image: NDArray[Any]) -> NDArray[Any]:
    """Mean over 2 x 2 pixels, rounded to the data type; an odd last row or column counts twice."""
    quads = _quads(image)
    if image.dtype.kind == "f":
        mean: NDArray[Any] = quads.mean(axis=0, dtype=image.dtype)
        return mean
    total: NDArray[np.uint32] = quads.sum(axis=0, dtype=np.uint32)
    return ((total + 2) >> 2).astype(image.dtype)


def halve_by_mode(labels: NDArray[Any]) -> NDArray[Any]:
    """Most frequent value of 2 x 2 pixels, the smallest of those on a tie."""
    first, second, third, fourth = np.sort(_quads(labels), axis=0)
    later = np.where(second == third, second, np.where(third == fourth, third, first))
    mode: NDArray[Any] = np.where(first == second, first, later)
    return mode


def _quads(image: NDArray[Any]) -> NDArray[Any]:
    """The four pixels of each 2 x 2 block, shape (4, ceil(M / 2), ceil(N / 2))."""
    height, width = image.shape
    even = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    return np.stack([even[i::2, j::2] for i in (0, 1) for j in (0, 1)])
