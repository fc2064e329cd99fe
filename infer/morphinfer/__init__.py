"""morphinfer: dense segmentation of nuclei-stained whole slides, taught by gene expression.

The functions below load what they need (zarr, ONNX Runtime) when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from morphinfer.ensemble import Options
    from morphinfer.evaluation import evaluate
    from morphinfer.segmentation import segment, segment_array
    from morphinfer.session import load_models
    from morphinfer.slide import open_slide

__all__ = ["Options", "evaluate", "load_models", "open_slide", "segment", "segment_array"]

_HOMES = {
    "Options": "ensemble",
    "evaluate": "evaluation",
    "load_models": "session",
    "open_slide": "slide",
    "segment": "segmentation",
    "segment_array": "segmentation",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'morphinfer' has no attribute '{name}'")
    value: object = getattr(import_module(f"morphinfer.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
