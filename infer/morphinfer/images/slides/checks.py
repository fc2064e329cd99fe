"""What is refused, and what is chosen, when a slide is opened."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from morphinfer.errors import SlideError
from morphinfer.images.slides.pixel_types import READABLE_DTYPES, dtype_name, is_readable
from morphinfer.images.stores import MOST_LISTED, Address
from morphinfer.limits import beyond, limit
from morphinfer.names import suggestion

NUCLEI_NAMES = ("dapi", "hoechst", "nuclei", "nucleus")
MOST_PIXELS_OF_SIDE = 10_000_000
"""Longer sides are damaged metadata; a slide scanned at 0.1 micrometres has one of a million."""
MOST_PLANES = 100_000
"""Planes along z, or channels; more are damaged metadata."""
SMALLEST_CHUNK, MOST_SMALL_CHUNKS = 16, 4096
"""Pixels of a plane in a chunk, and how many chunks of fewer are too many: each takes a millisecond."""


def check_plain(array: Any, name: str) -> None:
    """Refuse an array that cannot be a slide without OME-Zarr metadata."""
    if array.ndim != 2:
        raise SlideError(
            f"{name}: the array has shape {tuple(array.shape)}; without OME-Zarr metadata a slide "
            f"must have two dimensions, rows and columns"
        )
    check_array(array, "yx", name)


def check_array(array: Any, axes: str, name: str) -> None:
    """Refuse an array that is empty, impossibly large, of another rank than its axes, or of no number.

    Raises
    ------
    SlideError
        What is wrong with it.
    """
    problem = array_problem(array, axes)
    if problem is not None:
        raise SlideError(f"{name}: {problem}")


def array_problem(array: Any, axes: str) -> str | None:
    """Why an array cannot be a level of a slide; None where it can."""
    shape = tuple(array.shape)
    if array.ndim != len(axes):
        return f"axes '{axes}' but an array of {array.ndim} dimensions"
    if 0 in shape:
        return f"the slide is empty, shape {shape}"
    limits = {"y": MOST_PIXELS_OF_SIDE, "x": MOST_PIXELS_OF_SIDE}
    if any(n > limits.get(axis, MOST_PLANES) for axis, n in zip(axes, shape, strict=True)):
        return (
            f"shape {shape} along '{axes}', more than {MOST_PIXELS_OF_SIDE} pixels along a side or "
            f"{MOST_PLANES} planes; its metadata are damaged"
        )
    rows, cols = (shape[axes.index(axis)] for axis in "yx")
    if rows * cols > limit("MOST_PIXELS"):
        return f"{rows} x {cols} pixels, {beyond('MOST_PIXELS')}"
    if "c" in axes and shape[axes.index("c")] > limit("MOST_CHANNELS"):
        return f"{shape[axes.index('c')]} channels, {beyond('MOST_CHANNELS')}"
    chunks = getattr(array, "chunks", None) or ()
    if 0 in chunks:
        return f"chunks of shape {tuple(chunks)}; its metadata are damaged"
    whole = all(isinstance(n, int) for n in chunks)  # those of Dask are tuples
    if chunks and whole and _is_crumbled(shape, chunks, axes):
        return (
            f"chunks of shape {tuple(chunks)} along '{axes}', too few pixels in each to read an image of "
            f"shape {shape}; write it with chunks of 256 x 256 pixels or more"
        )
    if not is_readable(array.dtype):
        return (
            f"data type {dtype_name(array.dtype)}; supported are {', '.join(READABLE_DTYPES)}; save "
            f"the image as one of them"
        )
    chunk_mb = prod(chunks) * np.dtype(array.dtype).itemsize / 1e6 if whole else 0
    if chunk_mb > limit("MOST_CHUNK_MB"):
        return f"chunks of {chunk_mb:.0f} MB once decoded, {beyond('MOST_CHUNK_MB')}"
    return None


def _is_crumbled(shape: tuple[int, ...], chunks: tuple[int, ...], axes: str) -> bool:
    """Whether each plane consists of many chunks of very few pixels."""
    plane = [axes.index("y"), axes.index("x")]
    count = prod(-(-shape[axis] // chunks[axis]) for axis in plane)
    return prod(chunks[axis] for axis in plane) < SMALLEST_CHUNK and count > MOST_SMALL_CHUNKS


def check_pixel_size(pixel_size_um: float, name: str) -> None:
    """Refuse a pixel size that no microscope has."""
    if not 0.001 <= pixel_size_um <= 1000:
        raise SlideError(
            f"{name}: a pixel size of {pixel_size_um} micrometres; it must lie between 0.001 and "
            f"1000; state the true one in `pixel_size_um`"
        )


def pick_channel(
    channel: str | int | None,
    names: tuple[str, ...],
    axes: str,
    shape: tuple[int, ...],
    path: Address | Path,
) -> int:
    """Index of the channel to read; by default the only one, or the one named after nuclei."""
    count = shape[axes.index("c")] if "c" in axes else 1
    names = names[:count]
    if count > MOST_LISTED and not names:
        listed = f"0 to {count - 1}"
    else:
        listed = ", ".join(f"{i}: {names[i]}" if i < len(names) else str(i) for i in range(count))
    if channel is None:
        nuclei = [i for i, n in enumerate(names) if any(w in n.lower() for w in NUCLEI_NAMES)]
        if count == 1 or len(nuclei) == 1:
            return nuclei[0] if nuclei else 0
        raise SlideError(
            f"{path}: {count} channels and no single one named DAPI, Hoechst or nuclei; "
            f"choose a `channel` out of {listed}"
        )
    if channel in names:
        return names.index(str(channel))
    if str(channel).isdecimal() and int(channel) < count:
        return int(channel)
    near = suggestion(str(channel), names)
    raise SlideError(f"{path}: no channel '{channel}'{near}; choose a `channel` out of {listed}")


def time_warning(axes: str, shape: tuple[int, ...], path: Address | Path) -> tuple[str, ...]:
    """A sentence where there are several time points, of which the first is read; else none."""
    count = shape[axes.index("t")] if "t" in axes else 1
    return (f"{path}: {count} time points; only the first is read",) if count > 1 else ()


def pick_z(
    z: int | Literal["max"], axes: str, shape: tuple[int, ...], path: Address | Path
) -> int | Literal["max"]:
    """Checked index along z, or 'max'."""
    depth = shape[axes.index("z")] if "z" in axes else 1
    if z == "max":
        return "max"
    if not 0 <= z < depth:
        raise SlideError(f"{path}: no z plane {z}; choose 0 to {depth - 1}, or 'max'")
    return z
