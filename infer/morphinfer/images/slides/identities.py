"""What tells one image from another: its metadata, and a sample of pixels where it has none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from morphinfer.geometry import Window

SAMPLE_SIDE = 64
"""Side of the windows that distinguish arrays, in pixels."""


def sample_windows(shape: tuple[int, int]) -> Iterator[Window]:
    """Windows in four rows and four columns, or as many as differ."""
    height, width = (min(SAMPLE_SIDE, side) for side in shape)
    rows = sorted({(shape[0] - height) * k // 3 for k in range(4)})
    cols = sorted({(shape[1] - width) * k // 3 for k in range(4)})
    yield from (Window(row, col, height, width) for row, col in product(rows, cols))


def hash_metadata(attributes: dict[str, Any], array: Any) -> str:
    """SHA-256 of the metadata, shape and dtype of an image."""
    description = json.dumps(
        [attributes, list(array.shape), str(array.dtype)], sort_keys=True, default=str
    )
    return hashlib.sha256(description.encode()).hexdigest()
