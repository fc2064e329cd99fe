"""Tiles of a scene as PNG: the nuclei in grey, and the layers over them with transparency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, Role, values_of
from morphinfer.geometry import PixelGrid, Window
from morphinfer.reports import (
    OUTSIDE,
    TISSUE_OUTLINE,
    coloured,
    hatch,
    labels_over,
    palette,
    read_area,
    rim,
)
from morphinfer.viewers.web.scenes import Scene, Tile

REACH = 2
"""Width of an outline in pixels, on each side of a border."""
UNLABELLED_GREY = 160
TARGET_AND_TISSUE: tuple[Role, Role] = ("target", "tissue")
TINY = 1e-30
"""Least difference of two intensities that are divided by."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a tile is drawn."""

    low: float = 0.0
    """Intensity of the nuclei that is black."""
    high: float = 255.0
    """Intensity that is white; where it is not above ``low``, all above that is."""
    shown: tuple[int, ...] = ()
    """Values of the classes that are shown."""


def draw_tile(scene: Scene, layer: str, tile: Tile, look: Look) -> bytes | None:
    """One tile as the bytes of a PNG file; None where the scene has none there.

    Parameters
    ----------
    scene : Scene
        The result.
    layer : str
        A name in `LAYERS`.
    tile : Tile
        Where it lies.
    look : Look
        Contrast, and the classes that are shown.

    Raises
    ------
    SlideError
        A chunk cannot be read.
    """
    import imagecodecs

    window = scene.window(tile)
    if window is None:
        return None
    pixels = LAYERS[layer](scene, Part(tile.level, window), look)
    if pixels is None:
        return None
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=1))


@dataclass(frozen=True, slots=True)
class Part:
    """Pixels of a level."""

    level: int
    window: Window

    def grid(self, scene: Scene, margin: int = 0) -> PixelGrid:
        """Where they lie, with some pixels around them."""
        whole, window = scene.level_grid(self.level), self.window
        size_um, (top_um, left_um) = whole.pixel_size_um, whole.corner_um
        corner_um = (
            top_um + (window.row - margin) * size_um,
            left_um + (window.col - margin) * size_um,
        )
        return PixelGrid(
            (window.height + 2 * margin, window.width + 2 * margin), size_um, corner_um
        )


Pixels = NDArray[np.uint8]


def _nuclei(scene: Scene, part: Part, look: Look) -> Pixels | None:
    """Grey, shape (M, N)."""
    if scene.nuclei is None:
        return None
    means = scene.nuclei.read(part.grid(scene))
    span = max(look.high - look.low, TINY)
    shares = np.clip((means - look.low) / span, 0, 1)
    return np.asarray(255 * shares + 0.5, np.uint8)


def _classes(scene: Scene, part: Part, look: Look) -> Pixels:
    """Colours of all classes but general tissue, and stripes where there is no label, shape (M, N, 4)."""
    values = labels_over(part.grid(scene), scene.labels)
    others = set(look.shown).difference(values_of(scene.labels.classes, "tissue"))
    pixels = _filled(scene, values, others)
    pixels[hatch(values)] = (UNLABELLED_GREY, UNLABELLED_GREY, UNLABELLED_GREY, 255)
    return pixels


def _tissue(scene: Scene, part: Part, look: Look) -> Pixels:
    """Colour of general tissue, which the page shows more faintly, shape (M, N, 4)."""
    values = labels_over(part.grid(scene), scene.labels)
    tissue = set(look.shown).intersection(values_of(scene.labels.classes, "tissue"))
    return _filled(scene, values, tissue)


def _filled(scene: Scene, values: Pixels, shown: Set[int]) -> Pixels:
    """Colours of some classes, opaque: where tiles overlap by part of a pixel, no seam is seen."""
    colours = np.zeros((256, 4), np.uint8)
    colours[:, :3] = palette(scene.labels.classes)
    colours[[value for value in range(len(scene.labels.classes)) if value in shown], 3] = 255
    return colours[values]


def _outlines(scene: Scene, part: Part, look: Look) -> Pixels:
    """Borders of the targets in their colours and of the tissue in grey, shape (M, N, 4)."""
    classes = scene.labels.classes
    values = labels_over(part.grid(scene, REACH), scene.labels)
    targets, tissue = (
        [value for value in values_of(classes, role) if value in look.shown]
        for role in TARGET_AND_TISSUE
    )
    colours = np.zeros((256, 4), np.uint8)
    colours[:, :3] = palette(classes)
    colours[targets, 3] = 255
    pixels = np.where(rim(values, targets, reach=REACH)[..., None], colours[values], 0)
    empty = (*values_of(classes, "background"), OUTSIDE, UNLABELLED)
    outer = rim(values, tissue, empty, reach=REACH)
    pixels[outer] = (TISSUE_OUTLINE, TISSUE_OUTLINE, TISSUE_OUTLINE, 255)
    return pixels[REACH:-REACH, REACH:-REACH]


def _uncertainty(scene: Scene, part: Part, look: Look) -> Pixels | None:
    """Uncertainty in colours, shape (M, N, 3)."""
    if scene.uncertainty is None:
        return None
    return coloured(read_area(scene.uncertainty, part.grid(scene)) / 255)


LAYERS: Mapping[str, Callable[[Scene, Part, Look], Pixels | None]] = {
    "nuclei": _nuclei,
    "tissue": _tissue,
    "classes": _classes,
    "outlines": _outlines,
    "uncertainty": _uncertainty,
}
"""What draws each layer of the page."""
