"""morphinfer: dense segmentation of nuclei-stained whole slides, supervised by gene expression.

The names below load what they need (NumPy, zarr, ONNX Runtime) when they are first used. The names of
`morphinfer.training` need the extra 'train'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from types import ModuleType

    from morphinfer.errors import (
        AlignmentError,
        CancelledError,
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
        RoleError,
        SlideError,
        SpotsError,
    )
    from morphinfer.geometry import PixelGrid
    from morphinfer.images import open_labels, open_slide, slide_from_array
    from morphinfer.images.convert import convert
    from morphinfer.networks import Options, load_ensemble, load_models
    from morphinfer.runs import Progress, finish, segment, segment_array
    from morphinfer.scoring import evaluate

    __version__: str
    training: ModuleType

__all__ = [
    "AlignmentError",
    "CancelledError",
    "ConfigError",
    "EmptySlideError",
    "ExportError",
    "ModelError",
    "MorphinferError",
    "Options",
    "OptionsError",
    "OutOfMemoryError",
    "OutputError",
    "PixelGrid",
    "Progress",
    "ProviderError",
    "RecordError",
    "RoleError",
    "SlideError",
    "SpotsError",
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
            "geometry": ("PixelGrid",),
            "images": ("open_labels", "open_slide", "slide_from_array"),
            "images.convert": ("convert",),
            "networks": ("Options", "load_ensemble", "load_models"),
            "runs": ("Progress", "finish", "segment", "segment_array"),
            "scoring": ("evaluate",),
        },
        {"__version__": _version, "training": _training},
    )
