"""Label images of given values, and how two of them agree pixel by pixel.

Test modules also import from here, before pytest could rewrite it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels
from morphinfer.scoring.metrics import Confusion, scores

NAMES = ("background", "tissue", "Slc17a7", "Lamp5")


@pytest.fixture
def make(tmp_path):
    """Write a label image below ``tmp_path`` and give its path."""

    def build(values, size=4.0, corner=(0.0, 0.0), names=NAMES):
        values = np.asarray(values, np.uint8)
        path = tmp_path / f"labels{len(list(tmp_path.iterdir()))}.zarr"
        with create_labels(
            path,
            grid=PixelGrid(values.shape, size, corner),
            classes=default_classes(names),
        ) as out:
            out.write(Window(0, 0, *values.shape), values)
        return path

    return build


def random_values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, shape, np.uint8)


def matrix(reference: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Pixels by the class of the reference (rows) and of the result (columns)."""
    confusion = Confusion()
    confusion.add(np.ascontiguousarray(reference), np.ascontiguousarray(result))
    return scores(confusion.counts, NAMES).confusion
