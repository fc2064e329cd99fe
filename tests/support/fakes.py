"""An ensemble without networks: its prediction follows exactly from the pixels of the patch."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.images.arrays import UNCHUNKED_SIDE, slide_from_array
from morphinfer.images.labels.label_image import LAYERS, layer_path
from morphinfer.images.writing.multiscale import create_image
from morphinfer.networks.ensemble import Ensemble
from morphinfer.networks.options import Options
from morphinfer.networks.resources import Resources
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import ModelFile, ModelSet
from morphinfer.runs.engine import Tile, run_tiles
from morphinfer.runs.plan import Plan
from morphinfer.tiles.normalisation import Normalisation
from networks import card_of

UM = 0.65
SHAPE = (197, 60)
"""Of a slide whose label image has 50 x 15 pixels of 4 px, 7 rows of chunks of `KEPT`."""
KEPT = Options(probabilities=True, uncertainty=True, skip_background="off", label_chunk=8)
"""All layers, no pixel skipped, small chunks."""
PRIMES = np.array([7, 11, 13, 17])[:, None, None]


def content(positions: tuple[int, int]) -> None:
    """What never fails."""


@dataclass
class FakePredictor:
    """Classes out of the sums of patches; remembers the positions of each call."""

    patch_size_px: int = 14
    stride_px: int = 4
    fail: Callable[[tuple[int, int]], None] = content
    dark: int | None = None
    """Class of patches whose mean is at most 60."""
    calls: list[tuple[int, int]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    def predict(self, tile: np.ndarray, positions: tuple[int, int]) -> list[np.ndarray]:
        """Probabilities of one network."""
        self.calls.append(positions)
        self.threads.add(threading.current_thread().name)
        self.fail(positions)
        pixels = np.rint(tile * 255).astype(np.int64)
        size, step = self.patch_size_px, self.stride_px
        patches = np.lib.stride_tricks.sliding_window_view(pixels, (size, size))[::step, ::step]
        assert patches.shape[:2] == positions
        found = (patches.sum((2, 3)) * PRIMES % 251 + 1).astype(np.float32)
        found /= found.sum(0)
        if self.dark is not None:
            unlit = patches.mean((2, 3)) <= 60
            found[:, unlit] = 0.1
            found[self.dark, unlit] = 0.7
        return [found]


def fake_ensemble(
    predictor: FakePredictor | None = None, *, tile_px: int = 40, workers: int = 1, **changes: Any
) -> Ensemble:
    """The ensemble of a fake predictor; ``changes`` replace fields of its card."""
    predictor = predictor or FakePredictor()
    fields = {"normalisation": Normalisation("fixed", 0.0, 255.0), "pixel_size_um": UM}
    card = card_of(predictor.patch_size_px, **{**fields, **changes})
    models = ModelSet("fake", Path("fake"), (ModelFile(Path("fake.onnx"), card, "0" * 64),))
    resources = Resources(workers, 1, tile_px, 0.0)
    choice = ProviderChoice("cpu", "a fake")
    return Ensemble(models, choice, "dense", predictor, resources, Options())


def fake_plan(
    image: np.ndarray,
    predictor: FakePredictor | None = None,
    *,
    tile_px: int = 40,
    workers: int = 1,
    chunk: int = UNCHUNKED_SIDE,
    **changes: Any,
) -> Plan:
    """The plan for an array in memory that is read in blocks of ``chunk``."""
    ensemble = fake_ensemble(predictor, tile_px=tile_px, workers=workers, **changes)
    slide = slide_from_array(image, UM, chunk=chunk)
    return Plan.of(slide, ensemble, Options(tile_px=tile_px))


def put_together(
    plan: Plan, start: int = 0, stop: int | None = None, tiles: Iterable[Tile] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of all positions; each must come once."""
    labels = np.full(plan.tiling.shape, 255, np.uint8)
    total = np.full((4, *plan.tiling.shape), np.nan, np.float32)
    for tile in run_tiles(plan, start, stop) if tiles is None else tiles:
        assert (labels[tile.positions.slices] == 255).all()
        labels[tile.positions.slices] = tile.fused.labels
        total[(slice(None), *tile.positions.slices)] = tile.fused.total
    return labels, total


def write_slide(path: Path, image: np.ndarray, version: str = "0.5", chunk: int = 32) -> Path:
    """A slide on disk of small chunks."""
    with create_image(
        path, shape=image.shape, dtype=image.dtype, pixel_size_um=UM, version=version, chunk=chunk
    ) as writer:
        writer.write(image)
    return path


def everything(folder: Path) -> dict[str, bytes]:
    """All files below a folder with their bytes."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def names(folder: Path) -> list[str]:
    """Names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def published(labels: Path) -> dict[str, bytes | str]:
    """All that a label image and the layers beside it consist of, but for the run record."""
    folders = [labels, *(layer_path(labels, layer) for layer in LAYERS)]
    found: dict[str, bytes | str] = {}
    for folder in (f for f in folders if f.exists()):
        for name, data in everything(folder).items():
            if name in ("zarr.json", ".zattrs"):
                metadata = json.loads(data)
                metadata.get("attributes", metadata).pop("morphinfer", None)
                data = json.dumps(metadata, sort_keys=True)
            found[f"{folder.name.removeprefix(labels.stem)} {name}"] = data
    return found
