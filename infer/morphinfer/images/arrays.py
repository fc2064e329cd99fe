"""Arrays of NumPy, Dask, zarr and xarray as slides: their axes, channels and chunks.

Nothing is copied or computed here; what a window needs is fetched when it is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images.slides import (
    UNCHUNKED_SIDE,
    Level,
    Slide,
    array_chunk,
    check_array,
    check_pixel_size,
    hash_metadata,
    pick_channel,
)

AXES = {2: "yx", 3: "cyx"}
"""Order of the axes of an array that does not name them, by their number."""
AXIS_NAMES = {
    "t": "t", "time": "t", "c": "c", "channel": "c", "band": "c", "z": "z", "y": "y", "row": "y",
    "x": "x", "col": "x", "column": "x",
}  # fmt: skip


class Pixels(Protocol):
    """What an array needs to be read by window; `numpy.asarray` makes a block of a slice of it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Data type of the pixels."""
        ...

    @property
    def ndim(self) -> int:
        """Number of axes."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """The part of the array that slices and integers select."""
        ...


def array_axes(image: Pixels, name: str) -> str:
    """Order of the axes of an array, out of t, c, z, y, x: as it names them, else (c,) y, x.

    >>> import numpy as np
    >>> array_axes(np.zeros((2, 4, 4)), "image")
    'cyx'

    Raises
    ------
    SlideError
        It is no array, has neither two nor three axes, or names them so that none is y or x.
    """
    if not all(hasattr(image, part) for part in ("shape", "dtype", "ndim", "__getitem__")):
        raise SlideError(
            f"{name}: a {type(image).__name__} is not an array; pass one of NumPy, Dask, zarr or xarray"
        )
    named = [AXIS_NAMES.get(str(dim).lower(), "?") for dim in getattr(image, "dims", ())]
    if named and {"y", "x"} <= set(named) and "?" not in named and len(set(named)) == len(named):
        return "".join(named)
    if image.ndim in AXES and not {"y", "x"} & set(named):
        return AXES[image.ndim]
    dims = f", axes {getattr(image, 'dims', ())}" if named else ""
    raise SlideError(
        f"{name}: an array of shape {tuple(image.shape)}{dims}; it must have rows and columns, and "
        f"may have channels before them; name the axes of others y, x, c, z and t, as xarray does"
    )


def channel_names(image: Pixels, axes: str) -> tuple[str, ...]:
    """Labels of the channels where an array of xarray holds some; none elsewhere."""
    coords = getattr(image, "coords", None)
    if coords is None or "c" not in axes:
        return ()
    dim = getattr(image, "dims", ())[axes.index("c")]
    return tuple(str(name) for name in coords[dim].values) if dim in coords else ()


def slide_from_array(
    image: Pixels,
    pixel_size_um: float,
    name: str = "array",
    *,
    channel: str | int | None = None,
    chunk: int = UNCHUNKED_SIDE,
) -> Slide:
    """Slide over an array, which is read window by window.

    Parameters
    ----------
    image : array of integers, floats or bool, shape (M, N) or (C, M, N)
        The nuclei image: an array of NumPy, Dask, zarr or xarray, or of another library whose parts
        `numpy.asarray` takes. An array of xarray may name its axes y, x, c, z and t in any order.
    pixel_size_um : float
        Side of a pixel in micrometres.
    name : str
        Name for messages and records.
    channel : str or int, optional
        Index of the channel, or its label where xarray holds labels; as for `open_slide`.
    chunk : int
        Side of the blocks in which an array without chunks of its own is read.

    Raises
    ------
    SlideError
        No array, no such channel, an axis too many, an empty array, or another data type.
    """
    axes = array_axes(image, name)
    check_array(image, axes, name)
    check_pixel_size(pixel_size_um, name)
    places = axes.index("y"), axes.index("x")
    height, width = (image.shape[axis] for axis in places)
    row, col = (array_chunk(image, axis, chunk) for axis in places)
    labels = channel_names(image, axes)
    return Slide(
        name=name,
        path=None,
        levels=(
            Level(
                image,
                PixelGrid((height, width), pixel_size_um, (0.0, 0.0)),
                (row, col),
                verified=True,
            ),
        ),
        axes=axes,
        channels=labels,
        channel=pick_channel(channel, labels, axes, image.shape, Path(name)),
        z="max",
        version="0.5",
        metadata_sha256=hash_metadata({}, image),
    )
