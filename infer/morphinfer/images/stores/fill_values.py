"""Whether a block of an array is its fill value throughout, and which indices that can be asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_plain(index: Any, ndim: int) -> bool:
    """Whether an index has an integer from 0 on, or a slice without a step, for each axis.

    >>> is_plain((0, slice(2)), 2), is_plain((slice(None, None, 2), 0), 2), is_plain(..., 2)
    (True, False, False)
    """
    return (
        isinstance(index, tuple)
        and len(index) == ndim
        and all(
            i.step in (None, 1) if isinstance(i, slice) else isinstance(i, int) and i >= 0
            for i in index
        )
    )


def is_filled(part: NDArray[Any], fill: Any) -> bool:
    """Whether all pixels have a value; NaN equals NaN.

    >>> is_filled(np.zeros((2, 2)), 0.0)
    True
    """
    first = part[(0,) * part.ndim]
    if first != fill and not (first != first and fill != fill):
        return False
    return bool(np.all(np.isnan(part) if fill != fill else part == fill))
