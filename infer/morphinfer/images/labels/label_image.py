"""Label images: OME-Zarr images of class values, written as uint8 by tile and read by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.classes import Codes
from morphinfer.images.ngff import Version, label_attributes
from morphinfer.images.slides import Slide
from morphinfer.images.writing import ImageSpec, PyramidWriter, write_image
from morphinfer.records import RunRecord

LABEL_CHUNK = 256
"""Side of the chunks of a label image, in pixels."""
Layer = Literal["probabilities", "uncertainty"]
"""An image that may be kept beside the labels, on the same grid."""
LAYERS: tuple[Layer, ...] = ("probabilities", "uncertainty")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a label image lies and what its values mean."""

    grid: PixelGrid
    """Its pixels, and where they lie in the slide's frame."""
    classes: tuple[LabelClass, ...]
    """Names, colours and roles; the value of a class is its index."""
    version: Version = "0.5"
    """NGFF version."""
    chunk: int = LABEL_CHUNK
    """Side of a chunk in pixels; an even number."""

    def labels(self, name: str, record: Mapping[str, Any] | None = None) -> ImageSpec:
        """The image of class values; ``record`` is stored under the attribute 'morphinfer'."""
        named = [(value, c.name, c.colour, c.role) for value, c in enumerate(self.classes)]
        attributes: dict[str, Any] = label_attributes(
            [*named, (UNLABELLED, "unlabelled", "#00000000", None)], self.version
        )
        attributes["morphinfer"] = {} if record is None else record
        return ImageSpec(
            name, self.grid.shape, np.dtype(np.uint8), self.grid.pixel_size_um,
            self.grid.origin_um, self.version, "mode", self.chunk, attributes=attributes,
        )  # fmt: skip

    def layer(self, layer: Layer, name: str) -> ImageSpec:
        """The image of a layer, uint8.

        Probabilities have one channel a class (255 is 1); uncertainty has no axis of channels (255:
        all classes are equally likely).
        """
        channels: tuple[str, ...] = (layer,)
        shape: tuple[int, ...] = self.grid.shape
        if layer == "probabilities":
            channels = tuple(c.name for c in self.classes)
            shape = (len(channels), *shape)
        return ImageSpec(
            name, shape, np.dtype(np.uint8), self.grid.pixel_size_um, self.grid.origin_um,
            self.version, chunk=self.chunk, channels=channels,
        )  # fmt: skip


class LabelWriter:
    """Takes tiles of class values in reading order, band by band, and hands full rows to a pyramid."""

    def __init__(self, pyramid: PyramidWriter, width: int) -> None:
        self._pyramid = pyramid
        self._width = width
        self._band: NDArray[np.uint8] | None = None

    def write(self, window: Window, block: NDArray[np.uint8]) -> None:
        """Place one tile; the last tile of a band completes it.

        Parameters
        ----------
        window : Window
            Where the tile lies, in pixels of the label image; all tiles of a band have the same rows.
        block : ndarray of uint8, shape (window.height, window.width)
            Class values.
        """
        if self._band is None:
            self._band = np.empty((window.height, self._width), np.uint8)
        self._band[:, window.col : window.col_stop] = block
        if window.col_stop == self._width:
            self._pyramid.write(self._band)
            self._band = None


@contextmanager
def create_labels(
    path: str | Path,
    *,
    grid: PixelGrid,
    classes: tuple[LabelClass, ...],
    version: Version = "0.5",
    chunk: int = LABEL_CHUNK,
    record: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Iterator[LabelWriter]:
    """Create a label image and yield its writer; it appears at ``path`` only when it is complete.

    Parameters
    ----------
    path : str or Path
        Folder to publish.
    grid, classes, version, chunk
        See `Layout`.
    record : Mapping, optional
        Stored under the attribute 'morphinfer', as it is when the writer closes.
    overwrite : bool
        Replace an existing label image.

    Raises
    ------
    OutputError
        The target exists or cannot be written to, or the disk is full.
    """
    layout = Layout(grid, classes, version, chunk)
    spec = layout.labels(Path(path).stem, record)
    with write_image(path, spec, overwrite=overwrite) as (pyramid,):
        yield LabelWriter(pyramid, grid.shape[1])


@dataclass(frozen=True, slots=True, repr=False)
class LabelImage:
    """A label image on disk."""

    image: Slide
    """Its pixels and geometry."""
    classes: tuple[LabelClass, ...]
    """The classes, without 'unlabelled'."""
    record: Mapping[str, Any]
    """What its writer says of it, under the attribute 'morphinfer'; empty where there is nothing."""
    codes: Codes | None = None
    """Values as they are stored; None where those are 0, 1, ... and 255 for unlabelled."""
    warnings: tuple[str, ...] = ()
    """What could not be verified when it was opened, a sentence each; logged then (contract C9)."""

    def __repr__(self) -> str:
        height, width = self.image.shape
        return (
            f"<LabelImage {self.image.path or self.image.name}: {height} x {width} pixels of "
            f"{self.image.pixel_size_um:g} um; {', '.join(c.name for c in self.classes)}>"
        )

    def run_record(self) -> RunRecord:
        """The record of the run that wrote it.

        Raises
        ------
        RecordError
            No run of 'morphinfer segment' wrote it.
        """
        return RunRecord.from_json(self.record, self.image.name)

    def read(self, window: Window, level: int = 0) -> NDArray[np.uint8]:
        """Class values of a window of a level, shape (window.height, window.width).

        Raises
        ------
        AlignmentError
            A stored value has no name.
        """
        block = self.image.read(window, level)
        return block if self.codes is None else self.codes.decode(block, self.image.name)

    def look_up(self, grid: PixelGrid, window: Window, level: int = 0) -> NDArray[np.uint8]:
        """Class values of a level at the pixels of another grid.

        Parameters
        ----------
        grid : PixelGrid
            The other grid, in the same micrometre frame.
        window : Window
            Which of its pixels, none or more; the centre of each lies on the level
            (`PixelGrid.window`).
        level : int
            Index of the level.

        Returns
        -------
        ndarray of uint8, shape (window.height, window.width)
        """
        shape = (window.height, window.width)
        if not all(shape):
            return np.empty(shape, np.uint8)
        own = self.image.levels[level].grid
        rows = own.locate(grid, 0, np.arange(window.row, window.row_stop))
        cols = own.locate(grid, 1, np.arange(window.col, window.col_stop))
        row, col = int(rows[0]), int(cols[0])
        block = self.read(Window(row, col, int(rows[-1]) + 1 - row, int(cols[-1]) + 1 - col), level)
        if block.shape == shape:
            return block
        return block.take(rows - row, axis=0).take(cols - col, axis=1)


def layer_path(labels: Path, layer: Layer) -> Path:
    """Path of a layer of a label image.

    >>> layer_path(Path("l.zarr"), "uncertainty").name
    'l_uncertainty.zarr'
    """
    return labels.with_name(f"{labels.name.removesuffix('.zarr')}_{layer}.zarr")


def published_paths(labels: Path, layers: Sequence[Layer], *, overwrite: bool) -> list[Path]:
    """What a run would write, or with ``overwrite`` remove: labels, and layers beside them."""
    return [labels, *(layer_path(labels, layer) for layer in (LAYERS if overwrite else layers))]
