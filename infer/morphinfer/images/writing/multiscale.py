"""New OME-Zarr images: their arrays, their pyramid, and the metadata that make them complete."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import OutputError
from morphinfer.images.ngff import Version, display_window, first_not_finite, image_attributes
from morphinfer.images.writing.downsampling import (
    Reduction,
    halve_by_mean,
    halve_by_mode,
    level_shapes,
)
from morphinfer.images.writing.pyramid_writer import PyramidWriter
from morphinfer.images.writing.staging import staged

OPENING = Lock()
GROUP_FILES = ("zarr.json", ".zgroup", ".zattrs")
HALVED_AT_ONCE = 32
"""Rows, an even number; halving takes several times their size for a moment."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What an image will be, before any pixel of it is written."""

    name: str
    """Name in its metadata."""
    shape: tuple[int, ...]
    """(rows, columns) of level 0, or (channels, rows, columns)."""
    dtype: np.dtype[Any]
    """Data type of the pixels."""
    pixel_size_um: float | None
    """Side of a pixel in micrometres; None where it is not known."""
    origin_um: tuple[float, float] | None = None
    """Centre of pixel (0, 0); half a pixel each by default, so that the outer corner lies at 0."""
    version: Version = "0.5"
    """NGFF version, with zarr format 2 (0.4) or 3 (0.5)."""
    reduction: Reduction = "mean"
    """How 2 x 2 pixels become one of the next level."""
    chunk: int = 512
    """Side of a chunk in pixels; an even number."""
    channels: tuple[str, ...] = ()
    """Labels of the channels; may be empty for a two-dimensional shape."""
    attributes: Mapping[str, Any] | None = None
    """Stored beside 'multiscales' (0.4) or inside 'ome' (0.5); the key 'morphinfer' at the top level."""
    levels: tuple[tuple[int, int], ...] = ()
    """Rows and columns of each level; halved by default."""

    def __post_init__(self) -> None:
        if self.chunk < 2 or self.chunk % 2:
            raise OutputError(
                f"{self.name}: chunks of {self.chunk} pixels; their side must be an even number, so "
                f"that a row of them is halved as a whole"
            )

    @property
    def level_shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of each level, from fine to coarse."""
        return list(self.levels) or level_shapes((self.shape[-2], self.shape[-1]))

    @property
    def needed_bytes(self) -> int:
        """Room that the image is likely to take on the disk."""
        return self.dtype.itemsize * math.prod(self.shape) // 2


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

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return np.asarray(self.array[self.channel, rows])

    def __setitem__(self, rows: slice, block: NDArray[Any]) -> None:
        self.array[self.channel, rows] = block


class NewImage:
    """An image whose arrays exist; readers recognise it once it is filled and described."""

    def __init__(self, folder: Path, spec: ImageSpec) -> None:
        """Open the arrays that ``create`` made."""
        import zarr

        from morphinfer.images.checked_codecs import check_headers  # imports numcodecs

        self.spec = spec
        try:
            self._group = zarr.open_group(str(folder), mode="r+")
        except (
            Exception
        ):  # zarr raises anything for what a power cut has torn; `describe` repairs it
            for name in GROUP_FILES:
                (folder / name).unlink(missing_ok=True)
            self._group = zarr.create_group(str(folder), zarr_format=_zarr_format(spec))
        count = len(spec.level_shapes)
        # An absent chunk means a lost one to those who read a slide, so empty chunks are written too.
        # An array takes the setting when it is opened; only nested changes of it are undone rightly.
        with OPENING, zarr.config.set({"array.write_empty_chunks": True}):
            self._arrays: list[Any] = [self._group[str(k)] for k in range(count)]
        for array in self._arrays:
            check_headers(array)

    @classmethod
    def create(cls, folder: Path, spec: ImageSpec) -> NewImage:
        """Make the empty arrays of all levels in a new folder."""
        _create_arrays(str(folder), spec)
        return cls(folder, spec)

    @staticmethod
    def is_as_created(folder: Path, spec: ImageSpec) -> bool:
        """Whether the arrays in a folder have the metadata that ``create`` gives them."""
        import zarr

        expected = _create_arrays({}, spec)
        try:
            return all(
                zarr.open_array(str(folder / key), mode="r").metadata.to_dict()
                == array.metadata.to_dict()
                for key, array in expected.arrays()
            )
        except Exception:  # zarr raises anything for damaged metadata
            return False

    def writers(self) -> list[PyramidWriter]:
        """One writer a channel, to be fed in any order; they fill all levels."""
        return [PyramidWriter(levels, self.spec.reduction) for levels in self._planes()]

    def read_rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows of level 0, of all channels."""
        return np.asarray(self._arrays[0][..., start:stop, :])

    def write_rows(self, start: int, rows: NDArray[Any], level: int = 0) -> None:
        """Write rows of a level, of all channels: whole rows of chunks, in any order, from any process."""
        self._arrays[level][..., start : start + rows.shape[-2], :] = rows

    def fill_levels(self) -> None:
        """Fill the coarser levels from level 0, once all its rows are written."""
        halve = halve_by_mean if self.spec.reduction == "mean" else halve_by_mode
        for base, *above in self._planes():
            if not above:
                continue
            writer = PyramidWriter(above, self.spec.reduction)
            for start in range(0, base.shape[0], self.spec.chunk):
                rows = np.asarray(base[start : start + self.spec.chunk])
                for first in range(0, len(rows), HALVED_AT_ONCE):
                    writer.write(halve(rows[first : first + HALVED_AT_ONCE]))

    def describe(self) -> None:
        """Write the metadata; the image is complete then."""
        spec, last = self.spec, self._arrays[-1][:]
        half = (spec.pixel_size_um or 1.0) / 2
        planes = last if last.ndim == 3 else [last] * bool(spec.channels)
        metadata = image_attributes(
            name=spec.name,
            version=spec.version,
            level_paths=[str(k) for k in range(len(self._arrays))],
            pixel_size_um=spec.pixel_size_um,
            origin_um=spec.origin_um or (half, half),
            channel=spec.channels[0] if spec.channels and last.ndim == 2 else None,
            channels=spec.channels if last.ndim == 3 else None,
            windows=[display_window(plane) for plane in planes],
        )
        merged = _merge(metadata, spec.attributes or {})
        place = first_not_finite(merged)
        if place is not None:
            raise OutputError(
                f"{spec.name}: its metadata would hold NaN or infinity at {place}, which is not JSON; state "
                f"the pixel size, or leave out what holds it"
            )
        self._group.attrs.update(merged)

    def _planes(self) -> list[list[Any]]:
        """The levels of each channel, as two-dimensional arrays."""
        if len(self.spec.shape) == 2:
            return [self._arrays]
        return [[_Plane(a, c) for a in self._arrays] for c in range(self.spec.shape[0])]


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
    channel : str, optional
        Channel label.
    overwrite : bool
        Replace an existing image.
    shape, dtype, pixel_size_um, origin_um, version, reduction, chunk, attributes
        See `ImageSpec`.

    Raises
    ------
    OutputError
        The target exists or cannot be written to, or the disk is full.
    """
    spec = ImageSpec(
        Path(path).stem, shape, np.dtype(dtype), pixel_size_um, origin_um, version, reduction,
        chunk, () if channel is None else (channel,), attributes,
    )  # fmt: skip
    with write_image(path, spec, overwrite=overwrite) as (writer,):
        yield writer


@contextmanager
def write_image(
    path: str | Path, spec: ImageSpec, *, overwrite: bool = False
) -> Iterator[list[PyramidWriter]]:
    """Create the image of a spec and yield one writer a channel; it appears when it is complete.

    Raises
    ------
    OutputError
        The target exists or cannot be written to, or the disk is full.
    """
    with staged(
        Path(path), overwrite=overwrite, needed_bytes=spec.needed_bytes, folder=True
    ) as partial:
        image = NewImage.create(partial, spec)
        writers = image.writers()
        yield writers
        for writer in writers:
            writer.check_complete()
        image.describe()


def _zarr_format(spec: ImageSpec) -> Any:
    return 2 if spec.version == "0.4" else 3


def _create_arrays(store: Any, spec: ImageSpec) -> Any:
    """A group with the empty arrays of all levels, in a new folder or in memory."""
    import zarr

    group = zarr.open_group(store, mode="w", zarr_format=_zarr_format(spec))
    for k, level in enumerate(spec.level_shapes):
        _create_array(group, str(k), (*spec.shape[:-2], *level), spec)
    return group


def _create_array(group: Any, name: str, shape: tuple[int, ...], spec: ImageSpec) -> None:
    kwargs: dict[str, Any] = {}
    if spec.version == "0.4":
        kwargs["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    else:
        kwargs["dimension_names"] = ["c", "y", "x"][-len(shape) :]
    chunks = (1, spec.chunk, spec.chunk)[-len(shape) :]
    dtype = np.dtype(np.dtype(spec.dtype).name)  # numpy has two of 64 bits, of which zarr knows one
    group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, fill_value=0, **kwargs)


def _merge(metadata: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    inner = metadata.get("ome", metadata)
    for key, value in more.items():
        (metadata if key == "morphinfer" else inner)[key] = value
    return metadata
