"""Drafts of small label images, filled with known values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from run_records import START

from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import LAYERS, Layer, Layout
from morphinfer.images.stores.contents import StoredContent
from morphinfer.runs.draft import Draft
from morphinfer.runs.draft_header import DraftHeader
from networks import CLASSES

CHUNK = 16
SHAPE = (75, 12)
VERSIONS = ("0.4", "0.5")
CONTENT = StoredContent("files", "pixels")
OUTPUTS = ["l.zarr", "l_probabilities.zarr", "l_uncertainty.zarr"]


def layout_of(shape: tuple[int, int] = SHAPE, version: str = "0.5", chunk: int = CHUNK) -> Layout:
    """A layout of four classes in small chunks."""
    return Layout(PixelGrid(shape, 5.2, (1.0, -2.0)), CLASSES, version, chunk)


def values(shape: tuple[int, int] = SHAPE, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Labels, probabilities and uncertainty."""
    found = np.random.default_rng(seed).integers(0, 256, (6, *shape)).astype(np.uint8)
    return found[0] % 4, found[1:5], found[5]


def doubtful(shape: tuple[int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """Which pixels are uncertain tissue."""
    labels, _, uncertainty = values(shape, seed)
    return (labels > 0) & (uncertainty > 180)


def opened(
    folder: Path,
    *,
    layers: tuple[Layer, ...] = LAYERS,
    layout: Layout | None = None,
    content: StoredContent = CONTENT,
    how: dict[str, Any] | None = None,
    overwrite: bool = False,
    **changes: Any,
) -> Draft:
    """The draft of l.zarr; ``how`` are arguments of `Draft.open`, ``changes`` fields of its record."""
    header = DraftHeader(layout or layout_of(), layers, replace(START, **changes), content)
    return Draft.open(folder / "l.zarr", header, overwrite=overwrite, **how or {})


def fill(draft: Draft, rows: Any = None, seed: int = 0) -> Draft:
    """Write rows of chunks, each of two tiles."""
    labels, *layers = values(draft.layout.grid.shape, seed)
    uncertain = doubtful(draft.layout.grid.shape, seed)
    soft = [values for name, values in zip(LAYERS, layers, strict=True) if name in draft.layers]
    writer, width = draft.writer(), draft.layout.grid.shape[1]
    for row in range(draft.row_count) if rows is None else rows:
        start, stop = draft.position_rows(row)
        for col, col_stop in ((width // 2, width), (0, width // 2)):
            tile = Window(start, col, stop - start, col_stop - col)
            blocks = [image[(..., *tile.slices)] for image in (labels, *soft)]
            writer.write(tile, blocks, uncertain[tile.slices])
    return draft


def chunks(draft: Draft, image: str = "labels.zarr") -> dict[int, list[Path]]:
    """Files of the chunks of level 0, by number of the row of chunks."""
    level = draft.folder / image / "0"
    found: dict[int, list[Path]] = {}
    for path in level.rglob("*"):
        parts = path.relative_to(level).parts
        if path.is_file() and parts[-1].isdigit():
            found.setdefault(int(parts[-2]), []).append(path)
    return found
