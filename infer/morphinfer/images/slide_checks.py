"""What is refused, and what is chosen, when a slide is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from morphinfer.errors import SlideError
from morphinfer.images.addresses import Address
from morphinfer.names import suggestion

NUCLEI_NAMES = ("dapi", "hoechst", "nuclei", "nucleus")
MOST_LISTED = 10
SUPPORTED_DTYPES = ("uint8", "uint16", "float32")


def check_plain(array: Any, name: str) -> None:
    """Refuse an array that cannot be a slide without OME-Zarr metadata."""
    if array.ndim != 2:
        raise SlideError(
            f"{name}: the array has shape {tuple(array.shape)}; without OME-Zarr metadata a slide "
            f"must have two dimensions, rows and columns"
        )
    check_arrays([array], "yx", Path(name))


def check_arrays(arrays: list[Any], axes: str, path: Address | Path) -> None:
    """Refuse arrays that are empty, of another rank than their axes, or of another data type."""
    for array in arrays:
        if array.ndim != len(axes):
            raise SlideError(f"{path}: axes '{axes}' but an array of {array.ndim} dimensions")
        if 0 in array.shape:
            raise SlideError(f"{path}: the slide is empty, shape {tuple(array.shape)}")
        if np.dtype(array.dtype).name not in SUPPORTED_DTYPES:
            raise SlideError(
                f"{path}: data type {np.dtype(array.dtype).name}; supported are "
                f"{', '.join(SUPPORTED_DTYPES)}; convert the image first"
            )


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
    listed = ", ".join(f"{i}: {names[i]}" if i < len(names) else str(i) for i in range(count))
    if count > MOST_LISTED and not names:
        listed = f"0 to {count - 1}"
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
