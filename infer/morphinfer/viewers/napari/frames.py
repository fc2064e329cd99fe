"""Where the layers of a viewer lie: world coordinates of the centres of their pixels.

napari places the centre of pixel (0, 0) of a layer at its translation, as NGFF does. Only the last two axes,
rows and columns, count here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morphinfer.errors import AlignmentError
from morphinfer.geometry import PixelGrid, Window

SKEW = 1e-9
"""Share of a step by which a row may run down or a column right, for rounding."""
SQUARE = 1e-3
"""Share by which the sides of a pixel may differ."""


@dataclass(frozen=True, slots=True)
class LayerFrame:
    """Rows and columns of a layer in world coordinates."""

    origin: tuple[float, float]
    """Row and column of the centre of pixel (0, 0)."""
    step: tuple[float, float]
    """Height and width of a pixel."""
    unit_um: tuple[float | None, float | None] = (None, None)
    """Micrometres of a world unit along rows and columns; None where the unit is no length."""

    @classmethod
    def of(cls, layer: Any) -> LayerFrame:
        """The frame of a layer of napari.

        Raises
        ------
        AlignmentError
            The layer is rotated, sheared or mirrored.
        """
        ndim = layer.ndim
        corners = np.zeros((3, ndim))
        corners[1, -2] = corners[2, -1] = 1
        origin, down, right = (np.array(layer.data_to_world(c))[-2:] for c in corners)
        linear = np.stack([down - origin, right - origin], axis=1)
        height, width = np.diag(linear)
        if min(height, width) <= 0 or np.abs([linear[0, 1], linear[1, 0]]).max() > SKEW * height:
            raise AlignmentError(
                f"the layer '{layer.name}' is rotated, sheared or mirrored; reset its transformation, and "
                f"turn the image itself where it needs to be turned"
            )
        scale = np.asarray(layer.scale, float)[-2:]
        if np.allclose(scale, (height, width), rtol=1e-9, atol=0):
            height, width = scale  # without the rounding of the translation
        units = tuple(getattr(layer, "units", ()))[-2:] or (None, None)
        rows, cols = map(_unit_um, units)
        return cls(
            (float(origin[0]), float(origin[1])), (float(height), float(width)), (rows, cols)
        )

    def pixel_size_um(self) -> float | None:
        """Side of a pixel in micrometres; None where scale and units do not say.

        A scale other than 1 without a unit of length is taken for micrometres, as older readers set it.
        Pixels that are not square have no such side.

        >>> LayerFrame((0, 0), (0.325, 0.325)).pixel_size_um()
        0.325
        >>> LayerFrame((0, 0), (1, 1)).pixel_size_um() is None
        True
        """
        unit = self.unit_um[0]
        if unit is None and self.step == (1, 1):
            return None
        height, width = self._in_um(self.step)
        return height if abs(height - width) <= SQUARE * height else None

    def place(
        self, grid: PixelGrid, slide: PixelGrid
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Scale and translation of a layer of the pixels of ``grid``.

        Parameters
        ----------
        grid : PixelGrid
            The pixels.
        slide : PixelGrid
            The pixels of the layer of this frame, in the same micrometre frame as ``grid``.

        Examples
        --------
        >>> slide = PixelGrid((32, 32), 0.5, (0.0, 0.0))
        >>> LayerFrame((10.0, 0.0), (2.0, 2.0)).place(slide.cover(2.0), slide)
        ((8.0, 8.0), (13.0, 3.0))
        """
        ratio = grid.pixel_size_um / slide.pixel_size_um
        apart = np.subtract(grid.origin_um, slide.origin_um) / slide.pixel_size_um
        row, col = np.add(self.origin, np.multiply(apart, self.step)).tolist()
        height, width = np.multiply(self.step, ratio).tolist()
        return (height, width), (row, col)

    def grid_of(self, other: LayerFrame, shape: tuple[int, int], own: PixelGrid) -> PixelGrid:
        """The grid of another layer in the micrometre frame of ``own``, the pixels of this layer.

        Raises
        ------
        AlignmentError
            Its pixels are not square.

        Examples
        --------
        >>> own, coarse = PixelGrid((8, 8), 0.5, (0.0, 0.0)), LayerFrame((0.5, 0.5), (2.0, 2.0))
        >>> LayerFrame((0.0, 0.0), (1.0, 1.0)).grid_of(coarse, (4, 4), own)
        PixelGrid(shape=(4, 4), pixel_size_um=1.0, corner_um=(0.0, 0.0))
        """
        height, width = (
            np.divide(other._in_um(other.step), self._in_um(self.step)) * own.pixel_size_um
        )
        if abs(height - width) > SQUARE * height:
            raise AlignmentError(
                f"pixels of {height:g} x {width:g} micrometres; a label image needs square ones"
            )
        apart = np.subtract(other._in_um(other.origin), self._in_um(self.origin))
        origin = own.origin_um + apart / self._in_um(self.step) * own.pixel_size_um
        row, col = (origin - height / 2).tolist()
        return PixelGrid(shape, float(height), (row, col))

    def locate(self, other: LayerFrame, positions: Any) -> Any:
        """Rows and columns of this layer, shape (N, 2), of positions on another; integers are centres."""
        world = np.multiply(positions, other.step) + other.origin
        scale = np.divide(other._in_um((1, 1)), self._in_um((1, 1)))
        return (world * scale - self.origin) / self.step

    def _in_um(self, values: tuple[float, float]) -> tuple[float, float]:
        row, col = (1.0 if unit is None else unit for unit in self.unit_um)
        return values[0] * row, values[1] * col


def visible_window(viewer: Any, layer: Any, shape: tuple[int, int]) -> Window:
    """The pixels of level 0 of a layer that are in view.

    Parameters
    ----------
    viewer : napari viewer
        The viewer, in two dimensions.
    layer : napari layer
        The layer.
    shape : tuple of int
        Rows and columns of its level 0.

    Raises
    ------
    AlignmentError
        None of them is in view, or the layer is rotated, sheared or mirrored.
    """
    frame = LayerFrame.of(layer)
    half = np.divide(viewer.canvas.size, 2 * viewer.camera.zoom)
    edges = np.stack([viewer.camera.center[-2:] - half, viewer.camera.center[-2:] + half])
    pixels = (edges - frame.origin) / frame.step + 0.5
    row, col = np.clip(np.floor(pixels[0]), 0, shape).astype(int).tolist()
    bottom, right = np.clip(np.ceil(pixels[1]), 0, shape).astype(int).tolist()
    if bottom <= row or right <= col:
        raise AlignmentError(f"nothing of the layer '{layer.name}' is in view; move it there")
    return Window(row, col, bottom - row, right - col)


def _unit_um(unit: Any) -> float | None:
    """Micrometres of a unit of pint; None where it is no length."""
    if unit is None or not getattr(unit, "is_compatible_with", lambda _: False)("micrometer"):
        return None
    return float((1 * unit).to("micrometer").magnitude)
