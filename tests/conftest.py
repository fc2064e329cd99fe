"""Small slides that the tests read, written with zarr itself and not with morphinfer."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import settings

from morphinfer.grid import Window
from morphinfer.slide import Slide

# Nothing is timed in a test; CI tries the same examples each time, a developer's machine new ones.
settings.register_profile("morphinfer", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("morphinfer")

AXIS_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


@dataclass
class SlideSpec:
    """What one multiscale image is made of; the defaults are a plain slide of one level."""

    images: list[np.ndarray]
    axes: str = "yx"
    version: str = "0.5"
    unit: str | None = "micrometer"
    scales: list[float] | None = None
    """Pixel sizes of the levels along y and x."""
    translations: list[tuple[float, float] | None] | None = None
    outer: list[dict[str, Any]] = field(default_factory=list)
    channels: list[str] | None = None
    chunk: int = 16
    compressors: Any = "auto"
    more: dict[str, Any] = field(default_factory=dict)
    """Further attributes of the group; None removes one."""


def step(spec: SlideSpec, kind: str, row: float, col: float) -> dict[str, Any]:
    neutral = 1.0 if kind == "scale" else 0.0
    return {"type": kind, kind: [{"y": row, "x": col}.get(a, neutral) for a in spec.axes]}


def multiscale_attributes(spec: SlideSpec) -> dict[str, Any]:
    scales = spec.scales or [0.5 * 2**k for k in range(len(spec.images))]
    moves = spec.translations or [None] * len(scales)
    datasets = [
        {
            "path": f"s{k}",
            "coordinateTransformations": [step(spec, "scale", size, size)]
            + ([] if move is None else [step(spec, "translation", *move)]),
        }
        for k, (size, move) in enumerate(zip(scales, moves, strict=True))
    ]
    unit = {} if spec.unit is None else {"unit": spec.unit}
    axes = [
        {"name": a, "type": AXIS_TYPES[a], **(unit if AXIS_TYPES[a] == "space" else {})}
        for a in spec.axes
    ]
    block: dict[str, Any] = {"axes": axes, "datasets": datasets}
    if spec.outer:
        block["coordinateTransformations"] = spec.outer
    content: dict[str, Any] = {"multiscales": [block]}
    if spec.channels is not None:
        content["omero"] = {"channels": [{"label": name} for name in spec.channels]}
    content = {k: v for k, v in {**content, **spec.more}.items() if v is not None}
    if spec.version == "0.4":
        block["version"] = "0.4"
        return content
    return {"ome": {"version": "0.5", **content}}


def write_array(path: Path, image: np.ndarray, zarr_format: int = 3, **options: Any) -> Path:
    array = zarr.create_array(
        str(path), shape=image.shape, dtype=image.dtype, zarr_format=zarr_format, **options
    )
    array[...] = image
    return path


def pixels(slide: Slide, level: int = 0) -> np.ndarray:
    """All pixels of a level."""
    return slide.read(Window(0, 0, *slide.levels[level].shape), level)


@pytest.fixture
def make_slide(tmp_path):
    """Write an image group below ``tmp_path`` and give its path."""

    def make(*images: np.ndarray, name: str = "slide.zarr", **told: Any) -> Path:
        spec = SlideSpec(list(images), **told)
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


@pytest.fixture
def noise():
    """Random pixels of a shape, the same each time; for float32 between 0 and 1."""

    def make(*shape: int, dtype: str = "uint16", seed: int = 7) -> np.ndarray:
        top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
        return (np.random.default_rng(seed).random(shape) * top).astype(dtype)

    return make
