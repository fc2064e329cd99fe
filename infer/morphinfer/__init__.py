"""morphinfer: dense segmentation of nuclei-stained whole slides, supervised by gene expression.

The names below load what they need (NumPy, zarr, ONNX Runtime) when they are first used. The names of
`morphinfer.training` need the extra 'train'. Nothing is printed: the logger 'morphinfer' reports what is
done, silent until a program adds a handler.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from types import ModuleType

    from morphinfer.classes import LabelClass
    from morphinfer.errors import (
        AlignmentError,
        CancelledError,
        ChangedSlideError,
        ColourError,
        ConfigError,
        EmptySlideError,
        ExportError,
        ModelError,
        MorphinferError,
        OptionsError,
        OutOfMemoryError,
        OutputError,
        ProviderError,
        RecordError,
        RoiError,
        RoleError,
        SlideError,
        SpotsError,
    )
    from morphinfer.geometry import PixelGrid, Window
    from morphinfer.images import LabelImage, Slide, open_labels, open_slide, slide_from_array
    from morphinfer.images.convert import convert
    from morphinfer.networks import Ensemble, ModelSet, Options, load_ensemble, load_models
    from morphinfer.runs import (
        ArraySegmentation,
        Progress,
        Segmentation,
        finish,
        segment,
        segment_array,
    )
    from morphinfer.scoring import Scores, evaluate

    __version__: str
    training: ModuleType

__all__ = [
    "AlignmentError",
    "ArraySegmentation",
    "CancelledError",
    "ChangedSlideError",
    "ColourError",
    "ConfigError",
    "EmptySlideError",
    "Ensemble",
    "ExportError",
    "LabelClass",
    "LabelImage",
    "ModelError",
    "ModelSet",
    "MorphinferError",
    "Options",
    "OptionsError",
    "OutOfMemoryError",
    "OutputError",
    "PixelGrid",
    "Progress",
    "ProviderError",
    "RecordError",
    "RoiError",
    "RoleError",
    "Scores",
    "Segmentation",
    "Slide",
    "SlideError",
    "SpotsError",
    "Window",
    "__version__",
    "convert",
    "evaluate",
    "finish",
    "load_ensemble",
    "load_models",
    "open_labels",
    "open_slide",
    "segment",
    "segment_array",
    "slide_from_array",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def _version() -> str:
    from importlib.metadata import version

    return version("morphinfer")


def _training() -> object:
    """The names of the training package, which registers itself in the group 'morphinfer.api'."""
    from importlib.metadata import entry_points

    for entry in entry_points(group="morphinfer.api", name="training"):
        try:
            return entry.load()
        except ModuleNotFoundError as problem:
            raise AttributeError(
                f"morphinfer.training needs {problem.name}, which is not installed: "
                f"pip install 'morphinfer[train]'"
            ) from problem
    raise AttributeError("morphinfer.training is not part of this installation")


if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "errors": tuple(name for name in __all__ if name.endswith("Error")),
            "classes": ("LabelClass",),
            "geometry": ("PixelGrid", "Window"),
            "images": ("LabelImage", "Slide", "open_labels", "open_slide", "slide_from_array"),
            "images.convert": ("convert",),
            "networks": ("Ensemble", "ModelSet", "Options", "load_ensemble", "load_models"),
            "runs": (
                "ArraySegmentation",
                "Progress",
                "Segmentation",
                "finish",
                "segment",
                "segment_array",
            ),
            "scoring": ("Scores", "evaluate"),
        },
        {"__version__": _version, "training": _training},
    )
