"""Slides, label images and what belongs to them as layers of napari: data, attributes and type.

The arrays are read piece by piece, when the viewer shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import LAYERS, LabelImage, Slide, layer_path, open_labels, open_slide
from morphinfer.viewers.napari.frames import LayerFrame

LayerData = tuple[Any, dict[str, Any], str]
"""Data, attributes and type of a layer, as napari takes them from a reader."""
KEY = "morphinfer"
"""Where the metadata of a layer hold the path of its label image."""
UNIT = "micrometer"


@dataclass(frozen=True, slots=True, eq=False)
class LevelArray:
    """A level of an image, read by slicing."""

    read: Callable[[Window], NDArray[Any]]
    """Returns the pixels of a window."""
    shape: tuple[int, int]
    """Rows and columns."""
    dtype: np.dtype[Any]
    """Data type."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, index: tuple[slice | int, slice | int]) -> NDArray[Any]:
        slices = [part if isinstance(part, slice) else slice(part, part + 1) for part in index]
        rows, cols = (part.indices(side) for part, side in zip(slices, self.shape, strict=True))
        window = Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
        steps = (slice(None, None, part.step) if isinstance(part, slice) else 0 for part in index)
        return np.asarray(self.read(window)[tuple(steps)])


def slide_layers(path: str | Path) -> list[LayerData]:
    """A layer for each channel of a slide; the first is that of the nuclei, where the names say so.

    Raises
    ------
    SlideError
        See `open_slide`.
    """
    first = open_slide(path, channel=0)
    names = first.channels or tuple(map(str, range(channel_count(first))))
    made = []
    for channel, name in enumerate(names[: channel_count(first)]):
        slide = open_slide(path, channel=channel)
        shown = slide.name if len(names) == 1 else f"{slide.name} {name}"
        made.append(_image_layer(slide, shown, blending="additive"))
    return made


def label_layers(path: str | Path, frame: Frame | None = None) -> list[LayerData]:
    """The layer of a label image, and before it those of its probabilities and uncertainty.

    Parameters
    ----------
    path : str or Path
        The label image.
    frame : Frame, optional
        The layer that it is put over; by default it lies where its own metadata say.

    Raises
    ------
    SlideError, AlignmentError
        See `open_labels`.
    """
    labels = open_labels(path)
    soft: list[LayerData] = []
    for layer in LAYERS if labels.image.path else ():
        beside = layer_path(labels.image.path, layer) if labels.image.path else Path()
        if beside.is_dir():
            soft += result_layers(beside, labels, frame)
    return [*soft, _labels_layer(labels, frame)]


def result_layers(
    path: Path, labels: LabelImage | None = None, frame: Frame | None = None
) -> list[LayerData]:
    """Invisible layers of probabilities, one a class in its colour, or of uncertainty."""
    first = open_slide(path, channel=0)
    if "c" not in first.axes:
        return [_image_layer(first, "uncertainty", frame, colormap="inferno", visible=False)]
    colours = {c.name: c.colour for c in labels.classes} if labels else {}
    return [
        _image_layer(
            open_slide(path, channel=channel), f"probability of {name}", frame,
            colormap=_ramp(colours.get(name, "#ffffff")), blending="additive", visible=False,
        )
        for channel, name in enumerate(first.channels)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """The layer that results are put over."""

    layer: LayerFrame
    """Where it lies."""
    slide: Slide
    """The slide whose level 0 it shows."""
    units: Any = None
    """Units of its last two axes."""


def _labels_layer(labels: LabelImage, frame: Frame | None) -> LayerData:
    import dask.array

    levels = labels.image.levels
    data = [
        dask.array.from_array(
            LevelArray(_reader(labels, k), level.shape, np.dtype(np.uint8)), chunks=level.chunk
        )
        for k, level in enumerate(levels)
    ]
    colours: dict[int | None, str] = {v: c.colour for v, c in enumerate(labels.classes)}
    names = {"index": [*range(len(labels.classes))], "name": [c.name for c in labels.classes]}
    attributes = {
        "name": labels.image.name,
        "multiscale": len(data) > 1,
        "colormap": {**colours, UNLABELLED: "#00000000", None: "#00000000"},
        "features": names,
        "opacity": 0.5,
        "metadata": {KEY: {"labels": labels.image.address, "record": dict(labels.record)}},
        **_place(labels.image, frame),
    }
    return (data if len(data) > 1 else data[0]), attributes, "labels"


def _image_layer(
    slide: Slide, name: str, frame: Frame | None = None, **attributes: Any
) -> LayerData:
    import dask.array

    data = [
        dask.array.from_array(
            LevelArray(_reader(slide, k), level.shape, slide.dtype), chunks=level.chunk
        )
        for k, level in enumerate(slide.levels)
    ]
    limits = {} if frame is None and not slide.result else {"contrast_limits": (0, 255)}
    common = {"name": name, "multiscale": len(data) > 1, **limits, **_place(slide, frame)}
    return (data if len(data) > 1 else data[0]), {**common, **attributes}, "image"


def _reader(image: Slide | LabelImage, level: int) -> Callable[[Window], NDArray[Any]]:
    return lambda window: image.read(window, level)


def _place(image: Slide, frame: Frame | None) -> dict[str, Any]:
    """Scale, translation and units of the layer of an image."""
    grid = image.grid
    if frame is None:
        return {
            "scale": (grid.pixel_size_um,) * 2, "translate": grid.origin_um, "units": (UNIT, UNIT)
        }  # fmt: skip
    scale, translate = frame.layer.place(grid, frame.slide.grid)
    return {"scale": scale, "translate": translate, "units": frame.units}


def channel_count(slide: Slide) -> int:
    """Number of channels of a slide."""
    where = slide.axes.find("c")
    return int(slide.levels[0].array.shape[where]) if where >= 0 else 1


def _ramp(colour: str) -> Any:
    """A colormap from black to a colour; to white for black."""
    return {"colors": ["#000000", "#ffffff" if colour == "#000000" else colour], "name": colour}


def path_of(layer: Any) -> str:
    """Path of the label image that a layer shows.

    Raises
    ------
    SlideError
        The layer was not made by this plugin.
    """
    known = layer.metadata.get(KEY)
    if not isinstance(known, dict) or "labels" not in known:
        raise SlideError(
            f"the layer '{layer.name}' is no label image that this plugin opened; segment, or open one "
            f"with the reader of morphinfer"
        )
    return str(known["labels"])
