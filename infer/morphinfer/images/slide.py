"""Slides: two-dimensional views of OME-Zarr images, plain zarr arrays and arrays in memory, read by window.

A slide is one channel, one z (or the maximum over z) and the first time point of an image. Rows run
down, columns run right; windows are in pixels of the level that is read.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.addresses import Address
from morphinfer.images.containers import OpenedImage, open_image
from morphinfer.images.folders import result_kind
from morphinfer.images.foreign_formats import is_tiff
from morphinfer.images.identities import hash_metadata, sample_windows
from morphinfer.images.level_arrays import level_array
from morphinfer.images.ngff import Version, parse_multiscale
from morphinfer.images.pixel_types import pixel_dtype, to_pixels
from morphinfer.images.reading import Selection, chunk_bytes, read_window, reading_bytes
from morphinfer.images.slide_checks import check_pixel_size, check_plain, pick_channel, pick_z
from morphinfer.images.slide_geometry import Level, place_levels
from morphinfer.images.watched_arrays import AbsentChunks, MissingChunks, Watch, WatchedArray

READ_ERRORS = (
    OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError, EOFError,
    SystemError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What zarr raises for a chunk that cannot be decoded."""
logger = logging.getLogger(__name__)


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
    as_stored: bool = False
    """Whether pixels are read in the data type of the file, as those of label images are."""
    warnings: tuple[str, ...] = ()
    """What was repaired, left out or could not be verified when it was opened, a sentence each; logged
    then, and kept in the run record (contract C9)."""

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
            A chunk is damaged, or has gone since the slide was opened; an integer does not fit into
            float32. A chunk that was never there counts as empty, as zarr has it, unless the slide was
            opened with ``missing_chunks='refuse'``.
        """
        try:
            return read_window(self.levels[level].array, window, self._selection())
        except SlideError:
            raise
        except READ_ERRORS as problem:
            raise SlideError(
                f"{self.name}: level {level}, rows {window.row} to {window.row_stop}, columns "
                f"{window.col} to {window.col_stop} cannot be read ({problem}); copy the slide again from "
                f"its source"
            ) from problem

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
        if not isinstance(array, WatchedArray):
            return None
        places: dict[str, int | slice] = {"t": 0, "c": self.channel, "z": self._z_index()}
        return array.list_absent(tuple(places.get(axis, slice(None)) for axis in self.axes))

    def check_source(self, level: int = 0) -> None:
        """Read the metadata of the slide and of a level again.

        Raises
        ------
        SlideError
            The slide was removed, replaced or disconnected, or its metadata have changed.
        """
        array = self.levels[level].array
        if isinstance(array, WatchedArray):
            array.check()

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


def open_slide(
    path: str | Path,
    *,
    channel: str | int | None = None,
    z: int | Literal["max"] | None = None,
    pixel_size_um: float | None = None,
    series: str | int | None = None,
    missing_chunks: MissingChunks = "fill",
) -> Slide:
    """Open an OME-Zarr image (0.1 to 0.5), a plain two-dimensional zarr array or a TIFF file as a slide.

    Parameters
    ----------
    path : str or Path
        Folder or zip file of the image group, of a container (bioformats2raw, SpatialData), or of a
        zarr array; a path into a zip file; or a URL of such a folder (http, https, s3, gs, file). Or a
        TIFF file, which is read where it lies.
    channel : str or int, optional
        Label or index. Without it an image of several channels must have exactly one whose label
        speaks of DAPI, Hoechst or nuclei.
    z : int or 'max', optional
        Index along z, or the maximum projection, which is the default. Stated, it also says that the
        pages of a plain TIFF file are planes, and not channels.
    pixel_size_um : float, optional
        Side of a pixel of level 0 in micrometres; overrides the metadata, which need none then.
    series : str or int, optional
        Path, name or index of an image inside a container, or a TIFF file. By default the largest of a
        bioformats2raw container or a TIFF file is taken, without macro and label images, or the only
        image of a SpatialData store.
    missing_chunks : {'fill', 'refuse'}
        What a chunk is that is absent, as sparse slides leave out empty ones: the fill value of the
        array, or an error.

    Raises
    ------
    SlideError
        No image at ``path``, no such channel or z, no pixel size, an unsupported version, transformation
        or data type.

    Notes
    -----
    A level with a translation of its own lies where that says; without one, all levels are taken
    to share their outer corner, as area-averaged pyramids do. A coarser level that is missing, or whose
    scale, translation or data type contradicts level 0, is left out with a warning (`place_levels`).
    """
    file = Address.of(path).path
    if file is not None and is_tiff(file):
        from morphinfer.images.tiff_slide import open_tiff_slide

        return open_tiff_slide(
            file, channel=channel, z=z, pixel_size_um=pixel_size_um, series=series,
            missing_chunks=missing_chunks,
        )  # fmt: skip
    opened = open_image(path, series)
    node, address = opened.node, opened.address
    if hasattr(node, "shape"):
        return _plain_slide(opened, pixel_size_um, Watch(opened, missing_chunks))
    attributes = dict(node.attrs)
    meta = parse_multiscale(attributes, str(address))
    watch = Watch(opened, missing_chunks)
    arrays = [level_array(node, d.path, watch) for d in meta.datasets]
    levels, left_out = place_levels(meta, arrays, str(address), pixel_size_um)
    axes, base = "".join(meta.axes), levels[0].array
    repaired = (*meta.warnings, *left_out)
    for warning in repaired:
        logger.warning("%s", warning)
    return Slide(
        name=opened.store.address.name,
        path=address.path,
        levels=tuple(levels),
        axes=axes,
        channels=meta.channels,
        channel=pick_channel(channel, meta.channels, axes, base.shape, address),
        z=pick_z("max" if z is None else z, axes, base.shape, address),
        version=meta.version,
        metadata_sha256=hash_metadata(attributes, base),
        synthetic=_is_synthetic(attributes),
        result=result_kind(attributes),
        missing_chunks=missing_chunks,
        url=address.url,
        warnings=(*opened.warnings, *repaired),
    )


def _plain_slide(opened: OpenedImage, pixel_size_um: float | None, watch: Watch) -> Slide:
    array, path = opened.node, opened.address
    check_plain(array, str(path))
    if pixel_size_um is None:
        raise SlideError(
            f"{path}: a plain zarr array has no pixel size; state it in micrometres, "
            f"for example `pixel_size_um=0.325`"
        )
    check_pixel_size(pixel_size_um, str(path))
    grid = PixelGrid(array.shape, pixel_size_um, (0.0, 0.0))
    level = Level(WatchedArray(array, watch), grid, array.chunks, verified=True)
    version: Version = "0.4" if array.metadata.zarr_format == 2 else "0.5"
    hashed = hash_metadata(dict(array.attrs), array)
    return Slide(
        opened.store.address.name, path.path, (level,), "yx", (), 0, "max", version, hashed,
        missing_chunks=watch.missing, url=path.url, warnings=opened.warnings,
    )  # fmt: skip


def _is_synthetic(attributes: Mapping[str, Any]) -> bool:
    ours = attributes.get("morphinfer")
    return isinstance(ours, Mapping) and ours.get("synthetic") is True
