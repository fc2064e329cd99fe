"""Image groups written with zarr itself and not with morphinfer, and all pixels of a slide."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from morphinfer.geometry import Window
from morphinfer.images import Slide

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
