"""TIFF files of given pixels, plain and OME, and random pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

GREY = {"photometric": "minisblack"}
SIZE = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
TILED = {"tile": (32, 48), "compression": "deflate"}


def noise(*shape: int, dtype: str = "uint16") -> np.ndarray:
    """Pixels over the whole range of ``dtype``, the same each time; for float32 between 0 and 1."""
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    return (np.random.default_rng(7).random(shape) * top).astype(dtype)


def write(path: Path, image: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, image, **{**GREY, **options})
    return path


def write_ome(
    path: Path,
    image: np.ndarray,
    axes: str = "YX",
    channels: list[str] | None = None,
    **options: Any,
) -> Path:
    metadata = {"axes": axes, **SIZE, **({"Channel": {"Name": channels}} if channels else {})}
    return write(path, image, ome=True, metadata=metadata, **options)
