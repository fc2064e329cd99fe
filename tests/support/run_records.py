"""A run record with plausible values, and older forms of it."""

from __future__ import annotations

from typing import Any

from morphinfer.records import (
    RunIntensity,
    RunModels,
    RunProvider,
    RunRecord,
    RunSlide,
    RunStart,
    RunTiling,
    Skipping,
)

START = RunStart(
    morphinfer="0.1.0",
    slide=RunSlide(
        path="s.zarr", shape=(600, 96), pixel_size_um=0.65, level=0, channel=0, z="max",
        identity="abc",
    ),
    models=RunModels(
        name="fake",
        sha256={"p046.onnx": "0"},
        provenance={"networks": {"p046": {"patch_size_px": 46, "fusion_weight": 1.0}}},
    ),
    classes=("background", "tissue", "GeneA", "GeneB"),
    roles={"background": "background", "tissue": "tissue", "GeneA": "target", "GeneB": "target"},
    pixel_size_um=0.65,
    stride_px=8,
    mode="dense",
    provider=RunProvider(ran="cpu", why="requested"),
    model_shape=(600, 96),
    skipping=Skipping(on=False, reason="requested"),
    options={"tile_px": 1024, "provider": "cpu", "max_memory_mb": 800.0, "uncertainty": False},
    tiling=RunTiling(
        workers=2, threads=1, tile_px=1024, memory_mb=500.0, arena_bytes=1000, row_edges=(128,),
        col_edges=(),
    ),
    intensity=RunIntensity(low=0.0, high=1.0, clip=(-0.5, 2.0)),
)  # fmt: skip
RECORD = RunRecord.of(
    START,
    seconds=2.0,
    class_fractions={"background": 0.25, "tissue": 0.5, "GeneA": 0.25, "GeneB": 0.0},
    uncertain_fraction=0.1234,
    uncertain_below=0.6,
)
ADDED_LATER = {
    "": (
        "record_version", "roles", "model_shape", "skipping", "tiling", "uncertain_fraction",
        "uncertain_below", "warnings",
    ),
    "slide": ("synthetic", "axes", "series"),
    "models": ("provenance",),
    "tiling": ("arena_bytes", "row_edges", "col_edges"),
}  # fmt: skip
"""What records of earlier versions lack, by the key that it is below."""


def without(plain: dict[str, Any], below: str, key: str) -> dict[str, Any]:
    """A record as JSON values that lacks a key."""
    part = plain[below] if below else plain
    kept = {name: value for name, value in part.items() if name != key}
    return {**plain, below: kept} if below else kept
