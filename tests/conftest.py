"""Small slides that the tests read, written with zarr itself and not with morphinfer."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import settings
from slides import SlideSpec, multiscale_attributes, write_array

from morphinfer import load_models
from networks import save_set

# Nothing is timed in a test; CI tries the same examples each time, a developer's machine new ones.
settings.register_profile(
    "morphinfer",
    deadline=None,
    derandomize="CI" in os.environ,
    max_examples=int(os.environ.get("MORPHINFER_EXAMPLES", "40")),
)
settings.load_profile("morphinfer")
# No file of defaults changes what a command of a test does.
os.environ["MORPHINFER_CONFIG"] = os.devnull
# A shell lets what it runs in the background ignore Ctrl-C, and so would the processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def make_slide(tmp_path):
    """Write an image group below ``tmp_path`` and give its path."""

    def make(*images: np.ndarray, name: str = "slide.zarr", **fields: Any) -> Path:
        spec = SlideSpec(list(images), **fields)
        path = tmp_path / name
        zarr_format = 2 if spec.version == "0.4" else 3
        group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
        group.attrs.update(multiscale_attributes(spec))
        for k, image in enumerate(spec.images):
            chunks = tuple(1 if a in "tcz" else spec.chunk for a in spec.axes)
            write_array(
                path / f"s{k}", image, zarr_format, chunks=chunks, compressors=spec.compressors
            )
        return path

    return make


@pytest.fixture(scope="session")
def random_models(tmp_path_factory):
    """A set of two networks with random weights."""
    return load_models(save_set(tmp_path_factory.mktemp("models") / "random"))


@pytest.fixture
def noise():
    """Random pixels of a shape, the same each time; for float32 between 0 and 1."""

    def make(*shape: int, dtype: str = "uint16", seed: int = 7) -> np.ndarray:
        top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
        return (np.random.default_rng(seed).random(shape) * top).astype(dtype)

    return make
