"""The reader of napari: label images, their layers, and slides, where they lie and in their colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from morphinfer.images import TIFF_SUFFIXES, stored_result
from morphinfer.viewers.napari.layers import LayerData, label_layers, result_layers, slide_layers

Reader = Callable[[str | Sequence[str]], list[LayerData]]
ATTRIBUTE_FILES = ("zarr.json", ".zattrs")


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """What reads a path, or paths, into layers; None where it is nothing of ours."""
    paths = [path] if isinstance(path, str) else path
    return read if all(map(_is_image, map(Path, paths))) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of a label image, of its probabilities or uncertainty, or of a slide with its labels.

    Raises
    ------
    SlideError, AlignmentError
        It cannot be read; the message says why.
    """
    paths = [path] if isinstance(path, str) else path
    return [layer for each in paths for layer in _layers(Path(each))]


def _layers(path: Path) -> list[LayerData]:
    kind = stored_result(path)
    if kind == "label image":
        return label_layers(path)
    if kind:
        return result_layers(path)
    inside = [each for each in sorted(path.glob("labels/*")) if stored_result(each)]
    return [*slide_layers(path), *(layer for each in inside for layer in label_layers(each))]


def _is_image(path: Path) -> bool:
    if path.is_dir():
        return any((path / name).is_file() for name in ATTRIBUTE_FILES)
    return path.is_file() and path.name.lower().endswith(tuple(TIFF_SUFFIXES))
