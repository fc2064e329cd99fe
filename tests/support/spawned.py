"""What a spawned process runs: it imports this module by its name."""

from __future__ import annotations

import numpy as np

from morphinfer import Options, segment_array
from networks import nuclei

CPU = Options(provider="cpu", threads=1, skip_background="off")


def labels_of(models: str, seed: int) -> np.ndarray:
    """Labels of a random image."""
    image = nuclei(120, 140, seed=seed)
    return segment_array(image, pixel_size_um=0.65, models=models, options=CPU).labels
