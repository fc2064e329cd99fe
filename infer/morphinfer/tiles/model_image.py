"""The slide at the model's pixel size: which level is read and how it is resampled.

Model pixel (0, 0) and the slide share their outer corner. Contract C5: the coarsest level that is
still as fine as the model is read, and averaged down; a slide coarser than the model is
interpolated up from level 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import Slide, verify_level_for
from morphinfer.tiles.resampling import Axis, model_shape, resample, source_window

SAME_SIZE_TOLERANCE = 1e-3
MOST_ENLARGED = 32
"""With pixels larger by more than this factor than the model's, a slide shows no nuclei."""
SAME_PLACE_TOLERANCE_PX = 0.5
"""How far pixels may drift over the whole slide where they are copied and not resampled."""


@dataclass(frozen=True, slots=True)
class ModelImage:
    """A slide as the model sees it, before normalisation."""

    slide: Slide
    """Where the pixels come from, without levels that were found to differ from level 0."""
    level: int
    """Index of the level that is read."""
    factor: float
    """Side of a model pixel in pixels of that level."""
    offset: tuple[float, float]
    """Where model pixel (0, 0) begins, in pixels of that level."""
    shape: tuple[int, int]
    """Rows and columns, in model pixels."""

    @classmethod
    def of(cls, slide: Slide, pixel_size_um: float, level: int | None = None) -> ModelImage:
        """View of ``slide`` at ``pixel_size_um`` micrometres.

        Parameters
        ----------
        slide : Slide
            The slide.
        pixel_size_um : float
            Side of a pixel of the view.
        level : int, optional
            Index of the level to read, in place of the coarsest that is as fine as the view.

        Raises
        ------
        SlideError
            The slide's pixels are more than ``MOST_ENLARGED`` times as large.
        """
        if slide.pixel_size_um > MOST_ENLARGED * pixel_size_um:
            raise SlideError(
                f"{slide.name}: pixels of {slide.pixel_size_um:g} micrometres where "
                f"{pixel_size_um:g} are needed; at most {MOST_ENLARGED} times as large can be "
                f"enlarged; state the true size in micrometres, `pixel_size_um`"
            )
        if level is None:
            slide = verify_level_for(slide, pixel_size_um)
        index = slide.level_for(pixel_size_um) if level is None else level
        source = slide.levels[index]
        factor = pixel_size_um / source.pixel_size_um
        drift_px = abs(factor - 1) * max(source.shape)
        if abs(factor - 1) < SAME_SIZE_TOLERANCE and drift_px < SAME_PLACE_TOLERANCE_PX:
            factor = 1.0
        row, col = (
            (slide_um - level_um) / source.pixel_size_um
            for slide_um, level_um in zip(slide.grid.corner_um, source.grid.corner_um, strict=True)
        )
        shape = model_shape(slide.shape, factor * source.pixel_size_um / slide.pixel_size_um)
        return cls(slide, index, factor, (row, col), shape)

    def source_range(self, axis: int, start: int, stop: int) -> tuple[int, int]:
        """Level pixels [first, stop) along ``axis`` behind the model pixels [start, stop)."""
        if self.copied:
            return start, stop
        along = Axis.of(self.factor, self.offset[axis], self._level_shape[axis])
        first, count = along.source(start, stop - start)
        return first, first + count

    def from_block(
        self, block: NDArray[Any], corner: tuple[int, int], window: Window
    ) -> tuple[NDArray[Any], tuple[int, int]]:
        """Pixels that hold ``window``, out of level pixels that begin at ``corner``.

        Returns
        -------
        pixels : ndarray
            The block itself where model pixels are those of the level, else float32.
        origin : tuple of int
            Row and column of the model image at which the pixels begin.
        """
        if self.copied:
            return block, corner
        pixels = resample(block, corner, self._level_shape, window, self.factor, self.offset)
        return pixels, (window.row, window.col)

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window inside the model image; float32 where the slide was resampled."""
        source = source_window(window, self.factor, self.offset, self._level_shape)
        block = self.slide.read(source, self.level)
        refuse_nan(block, self.slide.name, source)
        if self.copied:
            return block
        corner = (source.row, source.col)
        return resample(block, corner, self._level_shape, window, self.factor, self.offset)

    @property
    def copied(self) -> bool:
        """Whether model pixels are those of the level, which may reach past the slide."""
        fits = all(n <= m for n, m in zip(self.shape, self._level_shape, strict=True))
        return self.factor == 1.0 and self.offset == (0.0, 0.0) and fits

    @property
    def _level_shape(self) -> tuple[int, int]:
        return self.slide.levels[self.level].shape


def refuse_nan(block: NDArray[Any], name: str, window: Window) -> None:
    """Raise where a float image holds NaN or infinity."""
    if block.dtype.kind != "f" or np.isfinite(block).all():
        return
    row, col = np.argwhere(~np.isfinite(block))[0]
    raise SlideError(
        f"{name}: not a finite number at row {window.row + row}, column {window.col + col} of the "
        f"level that is read; replace NaN and infinity, for example by 0"
    )
