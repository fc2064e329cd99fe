"""morphinfer: dense segmentation of nuclei-stained whole slides, taught by gene expression.

The names below load what they need (NumPy, zarr, ONNX Runtime) when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer.images import open_slide
    from morphinfer.networks import Options, load_models
    from morphinfer.runs import segment, segment_array
    from morphinfer.scoring import evaluate

__all__ = ["Options", "evaluate", "load_models", "open_slide", "segment", "segment_array"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "images": ("open_slide",),
            "networks": ("Options", "load_models"),
            "runs": ("segment", "segment_array"),
            "scoring": ("evaluate",),
        },
    )
