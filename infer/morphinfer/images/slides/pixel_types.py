"""Data types of slides: which can be read, and as what.

uint8, uint16 and float32 are read as they are, all other numbers as float32. Integers must fit without loss:
float32 holds those up to 2**24, and some above. float64 is rounded to 7 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError

SUPPORTED_DTYPES = ("uint8", "uint16", "float32")
"""Types that are read as they are; the kernels take these."""
READABLE_DTYPES = (
    *SUPPORTED_DTYPES, "bool", "int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "float64",
)  # fmt: skip
EXACT_LIMIT = 2**24
"""float32 holds every integer up to this one."""


def dtype_name(dtype: Any) -> str:
    """Name of a data type of NumPy, zarr or Dask, for messages."""
    try:
        return str(np.dtype(dtype).name)
    except TypeError:
        return str(dtype)


def is_readable(dtype: Any) -> bool:
    """Whether pixels of this type can be read."""
    return dtype_name(dtype) in READABLE_DTYPES


def pixel_dtype(stored: Any) -> np.dtype[Any]:
    """Type, in native byte order, as which stored pixels are read.

    >>> [str(pixel_dtype(np.dtype(d))) for d in (">u2", "int8", "float64")]
    ['uint16', 'float32', 'float32']
    """
    name = dtype_name(stored)
    return np.dtype(name if name in SUPPORTED_DTYPES else np.float32)


def to_pixels(block: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Numbers as they are stored, as the pixels of a type that `pixel_dtype` gave, or of their own.

    Raises
    ------
    SlideError
        As `to_float32`.
    """
    if block.dtype.newbyteorder("=") == dtype:
        return block.astype(dtype, copy=False)
    return to_float32(block, name)


def to_float32(block: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Numbers as float32.

    Parameters
    ----------
    block : ndarray of a readable type
        Pixels as they are stored.
    name : str
        Name of the slide for messages.

    Raises
    ------
    SlideError
        An integer does not fit without loss, or a finite number is too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = block.astype(np.float32)
    if block.dtype.kind in "iu":
        if block.dtype.itemsize > 2:
            _refuse_loss(block, pixels, name)
    elif block.dtype.itemsize > 4 and not np.isfinite(pixels).all():
        large = np.isfinite(block) & ~np.isfinite(pixels)
        if large.any():
            raise SlideError(
                f"{name}: an intensity of {block[large].flat[0]:g}, and float32, in which pixels are "
                f"computed, ends at 3.4e38; divide the image by a constant"
            )
    return pixels


def _refuse_loss(block: NDArray[Any], pixels: NDArray[np.float32], name: str) -> None:
    if block.size == 0 or (block.max() <= EXACT_LIMIT and block.min() >= -EXACT_LIMIT):
        return
    beyond = pixels >= float(
        np.iinfo(block.dtype).max
    )  # rounded up to 2**31, 2**32, 2**63 or 2**64
    with np.errstate(invalid="ignore"):
        lost = beyond | (pixels.astype(block.dtype) != block)
    if lost.any():
        raise SlideError(
            f"{name}: an intensity of {block[lost].flat[0]} ({block.dtype.name}), which float32, in "
            f"which pixels are computed, cannot hold without loss; it holds every integer up to "
            f"{EXACT_LIMIT}; subtract or divide the image by a constant, or save it as uint16"
        )
