"""What a segmentation returns; it shows itself in a few words, and in Jupyter as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import LabelClass
from morphinfer.geometry import PixelGrid
from morphinfer.images import LabelImage, Layer, Pixels, layer_path, open_slide, slide_from_array
from morphinfer.records import RunRecord, RunStart, Summary, scores_in
from morphinfer.reports import ReportPaths, label_map

PICTURE_SIDE = 800
"""Longest side of the picture of a result in pixels."""


@dataclass(frozen=True, slots=True, repr=False)
class Segmentation:
    """A finished segmentation on disk."""

    labels: LabelImage
    """The published label image."""
    summary: Summary
    """The outcome in figures, with Dice where a reference was given."""
    report: ReportPaths | None = None
    """The files of its report, where one was written."""

    @property
    def record(self) -> RunRecord:
        """The run record (contract C8), as stored in the label image."""
        return self.labels.run_record()

    @property
    def grid(self) -> PixelGrid:
        """Shape, pixel size and place of the label image, in the micrometre frame of the slide."""
        return self.labels.image.grid

    @property
    def probabilities(self) -> Pixels | None:
        """Fused probabilities, a zarr array of uint8, shape (classes, rows, cols); 255 is 1.

        None unless the options asked for them. Nothing is read before the array is sliced.

        Raises
        ------
        SlideError
            The layer was removed or damaged since.
        """
        return self._layer("probabilities")

    @property
    def uncertainty(self) -> Pixels | None:
        """Uncertainty of each position, a zarr array of uint8, shape (rows, cols); 0 is certain.

        At 255 all classes are equally likely. None, and errors, as for ``probabilities``.
        """
        return self._layer("uncertainty")

    def _layer(self, layer: Layer) -> Pixels | None:
        path = self.labels.image.path
        if path is None or not self.record.options.get(layer):
            return None
        pixels: Pixels = open_slide(layer_path(path, layer), channel=0).levels[0].array.array
        return pixels

    def __repr__(self) -> str:
        scores = scores_in(self.summary)
        mean = None if scores is None else scores["dice"]["mean"]
        scored = "" if mean is None else f"; mean Dice {mean:.3f}"
        said = _in_words(self.grid, self.summary["class_fractions"])
        return f"<Segmentation {self.labels.image.path}: {said}{scored}>"

    def _repr_png_(self) -> bytes:
        return label_map(self.labels, longest=PICTURE_SIDE).png()


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ArraySegmentation:
    """A finished segmentation in memory."""

    labels: NDArray[np.uint8]
    """Class values, shape (rows, cols) in positions."""
    probabilities: NDArray[np.float32]
    """Fused probabilities, 0 to 1, shape (classes, rows, cols)."""
    uncertainty: NDArray[np.uint8] | None
    """Uncertainty of each position, 0 (certain) to 255 (all classes are equally likely), shape (rows,
    cols); None unless the options ask for it."""
    classes: tuple[LabelClass, ...]
    """Names, colours and roles; the value of a class is its index."""
    grid: PixelGrid
    """Shape, pixel size and place of the positions; pixel (0, 0) of the array begins at (0, 0)."""
    record: RunStart
    """What ran (contract C8)."""

    @property
    def pixel_size_um(self) -> float:
        """Side of a position in micrometres."""
        return self.grid.pixel_size_um

    def __repr__(self) -> str:
        counts = np.bincount(self.labels.ravel(), minlength=256)[: len(self.classes)]
        shares = {c.name: n / counts.sum() for c, n in zip(self.classes, counts, strict=True)}
        return f"<ArraySegmentation: {_in_words(self.grid, shares)}>"

    def _repr_png_(self) -> bytes:
        image = slide_from_array(self.labels, self.grid.pixel_size_um)
        return label_map(LabelImage(image, self.classes, {}), longest=PICTURE_SIDE).png()


def _in_words(grid: PixelGrid, shares: Mapping[str, float]) -> str:
    listed = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    return f"{grid.shape[0]} x {grid.shape[1]} positions of {grid.pixel_size_um:g} um; {listed}"
