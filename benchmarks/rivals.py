"""What a user would pick instead: CPU seconds a cell of other tools, as ratios to ours.

    python benchmarks/rivals.py [--models SET] [--cells N] [--threads N] [--json FILE]

All run the network for patches of 96 px every 8 px on one SYNTHETIC section in 8 bits. Ours is the
dense engine on tiles of 1024 px, gathering and normalising included, over 256 x 256 positions; rivals
predict N x N of them. CPU seconds are those of all threads and children. All take turns; the first
round loads and warms up, and the least disturbed of the others counts: leave the machine alone.

NumPy windows  sliding_window_view, indexed into batches, in ONNX Runtime as it comes.
PyTorch        Tensor.unfold, batches of patches, the same layers; and again with channels last.
MONAI          SlidingWindowInferer, constant mode. It averages overlapping windows, so the scores
               of a patch fill its central 8 x 8 px; over their sum they are what they were.
TIAToolbox     PatchPredictor on a tiled TIFF; its patches that reach past the image are positions, too.
WSInfer        run_inference on the same TIFF, its patches listed beforehand.

The development environment runs the first two. One of its own, with Python 3.11, runs all: `pip
install -c constraints.txt torch ".[cpu]" onnx monai`, `pip install --no-deps torchvision timm
tiatoolbox wsinfer wsinfer-zoo tiffslide h5py`, then what `pip check` finds missing, but no other
torch. `redirect_imports` makes them load there; no patch prediction uses what it replaces.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import onnxruntime
import tifffile
import torch
import zarr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from machine import LIBRARIES, cpu_and_wall_seconds, describe
from morphinfer import load_models, open_slide
from morphinfer.geometry import TileGrid, receptive_window
from morphinfer.networks.predictor import DensePredictor
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import ModelFile, Session
from morphinfer.phantom.section import make_phantom
from morphinfer.tiles.gather import gather
from morphinfer.tiles.tiling import read_model_image
from morphinfer_training.config import CONTEXT_PX
from morphinfer_training.learning.nets import POOLINGS, dilation_of

PATCH, STRIDE, TILE_PX, OUR_POSITIONS, ROUNDS = 96, 8, 1024, 256, 5
EDGE = (PATCH - STRIDE) // 2
FIGURES = ("cpu_us", "wall_us", "cpu_ratio", "wall_ratio")
PACKAGES = (*LIBRARIES, "torch", "torchvision", "monai", "tiatoolbox", "wsinfer")

# Each `next` predicts all positions again: probabilities in reading order, shape (positions, classes).
Runs = Iterator[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Task:
    """A square of ``positions`` x ``positions``; exactly what their patches see, in bytes and in floats."""

    model: ModelFile
    positions: int
    pixels: NDArray[np.uint8]
    image: NDArray[np.float32]
    threads: int
    batch: int
    folder: Path


def ours(task: Task) -> Runs:
    engine = DensePredictor([Session(task.model, ProviderChoice("cpu", "-"), task.threads)])
    grid, shape = TileGrid.over((task.positions * STRIDE,) * 2, STRIDE, TILE_PX), task.pixels.shape
    while True:
        out = np.empty((len(task.model.card.classes), grid.height, grid.width), np.float32)
        for positions in (tile for band in grid.bands() for tile in band):
            seen = receptive_window(positions, PATCH, STRIDE)
            seen = replace(seen, row=seen.row + EDGE, col=seen.col + EDGE)
            tile = gather(task.pixels, (0, 0), shape, seen, low=0, high=255, clip=(0, 1))
            out[(slice(None), *positions.slices)] = engine.predict(
                tile, (positions.height, positions.width)
            )[0]
        yield out.reshape(len(out), -1).T


def numpy_windows(task: Task) -> Runs:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    session = onnxruntime.InferenceSession(task.model.path, options, ["CPUExecutionProvider"])
    while True:
        views = np.lib.stride_tricks.sliding_window_view(task.image, (PATCH, PATCH))
        views = views[::STRIDE, ::STRIDE]
        rows, cols = np.indices(views.shape[:2]).reshape(2, -1)
        some = [slice(i, i + task.batch) for i in range(0, len(rows), task.batch)]
        parts = [session.run(None, {"image": views[rows[s], cols[s]][:, None]})[0] for s in some]
        yield np.concatenate(parts)[:, :, 0, 0]


class Network(nn.Module):
    """The network as torch layers: scores (batch, classes) before the softmax."""

    def __init__(self, model: ModelFile) -> None:
        super().__init__()
        initializers = onnx.load(model.path).graph.initializer
        arrays = {t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in initializers}
        dilation = dilation_of((PATCH - CONTEXT_PX) // STRIDE)
        layers: list[nn.Module] = []
        for depth, weight in enumerate(arrays[f"weight{n}"] for n in range(5)):
            spread = dilation if depth == 4 else 1
            layer = nn.Conv2d(*weight.shape[1::-1], weight.shape[2], dilation=spread, bias=False)
            layer.load_state_dict({"weight": weight})
            layers += [layer, nn.ReLU(), nn.MaxPool2d(2)][: 3 if depth < POOLINGS else 2]
        self.features = nn.Sequential(*layers)
        self.head, self.bias, self.floor = (arrays[n] for n in ("head", "bias", "floor"))

    def forward(self, images: Tensor) -> Tensor:
        seen = self.features(images[:, :1])  # tools for RGB give the grey image thrice
        evidence = nn.functional.conv2d(seen, self.head).mean(dim=(2, 3))
        return evidence / (seen.mean(dim=(1, 2, 3))[:, None] + self.floor) + self.bias.flatten()


@torch.inference_mode()
def pytorch(task: Task, *, layout: torch.memory_format = torch.contiguous_format) -> Runs:
    network, image = Network(task.model).to(memory_format=layout), torch.from_numpy(task.image)
    while True:
        patches = image.unfold(0, PATCH, STRIDE).unfold(1, PATCH, STRIDE)
        batches = patches.reshape(-1, 1, PATCH, PATCH).split(task.batch)
        scores = [network(batch.contiguous(memory_format=layout)) for batch in batches]
        yield torch.softmax(torch.cat(scores), 1).numpy()


@torch.inference_mode()
def monai(task: Task) -> Runs:
    from monai.inferers import SlidingWindowInferer

    network, image = Network(task.model), torch.from_numpy(task.image)[None, None]
    overlap = 1 - (STRIDE + 0.5) / PATCH  # MONAI rounds its step down: to 8, but never to 7
    inferer = SlidingWindowInferer(PATCH, task.batch, overlap, mode="constant")
    middles = slice(EDGE + STRIDE // 2, -EDGE, STRIDE)

    def predict(patches: Tensor) -> Tensor:
        scores = torch.softmax(network(patches), 1)[..., None, None]
        return nn.functional.pad(scores.expand(-1, -1, STRIDE, STRIDE), (EDGE,) * 4)

    while True:
        outputs = inferer(image, predict)[0, :, middles, middles].flatten(1).T.numpy()
        yield outputs / outputs.sum(1, keepdims=True)


def tiatoolbox(task: Task) -> Runs:
    redirect_imports()
    from tiatoolbox.models.engine.patch_predictor import PatchPredictor
    from tiatoolbox.models.models_abc import ModelABC

    class Model(ModelABC):
        def forward(self, images: Tensor) -> Tensor:
            return torch.softmax(self.network(images.permute(0, 3, 1, 2) / 255), 1)

        @staticmethod
        def infer_batch(model: nn.Module, batch_data: Tensor, *, device: str) -> Any:
            with torch.inference_mode():
                return model(batch_data.to(device)).numpy()

    model, slide = Model(), write_tiff(task)
    model.network = Network(task.model)
    engine = PatchPredictor(model, task.batch, verbose=False)
    options = {"input_resolutions": [{"units": "baseline", "resolution": 1.0}], "overwrite": True}
    options |= {"patch_input_shape": (PATCH,) * 2, "stride_shape": (STRIDE,) * 2}
    options |= {"patch_mode": False, "auto_get_mask": False, "return_probabilities": True}
    options |= {"output_type": "zarr", "save_dir": task.folder / "tiatoolbox"}
    while True:
        result = engine.run([slide], **options)[slide]
        yield np.asarray(zarr.open(result, mode="r")["probabilities"])


def wsinfer(task: Task) -> Runs:
    redirect_imports()
    import h5py
    from wsinfer.modellib.models import LocalModelTorchScript
    from wsinfer.modellib.run_inference import run_inference
    from wsinfer_zoo.client import ModelConfiguration, TransformConfigurationItem

    slide, results, path = write_tiff(task), task.folder / "wsinfer", task.folder / "model.pt"
    (results / "patches").mkdir(parents=True)
    with h5py.File(results / "patches" / "slide.h5", "w") as file:
        file["coords"] = np.indices((task.positions,) * 2).reshape(2, -1).T[:, ::-1] * STRIDE
        file["coords"].attrs.update(patch_level=0, patch_size=PATCH)
    torch.jit.trace(Network(task.model), torch.zeros(1, 3, PATCH, PATCH)).save(path)
    names = [c.name for c in task.model.card.classes]
    steps = [TransformConfigurationItem("ToTensor", None)]
    config = ModelConfiguration("-", len(names), names, PATCH, 0.65, steps)
    table = results / "model-outputs-csv" / "slide.csv"
    while True:
        table.unlink(missing_ok=True)
        run_inference(slide.parent, results, LocalModelTorchScript(config, str(path)), task.batch)
        yield np.loadtxt(table, np.float32, delimiter=",", skiprows=1)[:, 4:]


def write_tiff(task: Task) -> Path:
    path = task.folder / "slide" / "slide.tif"
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, np.dstack([task.pixels] * 3), tile=(256, 256), photometric="rgb")
    return path


@cache
def redirect_imports() -> Any:
    """Declare what torchvision lacks beside a CPU build of torch, and WSInfer in zarr 3."""
    if not hasattr(zarr.storage, "KVStore"):  # WSInfer mends this class of zarr 2 when it loads
        zarr.storage.KVStore = type("KVStore", (), {})
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library  # kept by the cache: without it, the declarations go


RIVALS: dict[str, Callable[[Task], Runs]] = {"NumPy windows": numpy_windows, "PyTorch": pytorch}
RIVALS |= {"PyTorch, channels last": partial(pytorch, layout=torch.channels_last), "MONAI": monai}
RIVALS |= {"TIAToolbox": tiatoolbox, "WSInfer": wsinfer}


def make_task(models: str, threads: int, batch: int, folder: Path) -> Task:
    """Ours: a synthetic section, rounded to the 8 bits that every tool can read."""
    model_set = load_models(models)
    model = next(f for f in model_set.files if f.card.patch_size_px == PATCH)
    side = (OUR_POSITIONS - 1) * STRIDE + PATCH
    slide = open_slide(make_phantom(folder / "phantom", seed=2, size=(side, side)).slide)
    image = read_model_image(slide, model_set.card.pixel_size_um, model_set.card.normalisation)
    # Rivals see the first corner, so the middle of the section goes there.
    pixels = np.roll(np.rint(image.clip(0, 1) * 255).astype(np.uint8), side // 2, axis=(0, 1))
    return Task(model, OUR_POSITIONS, pixels, pixels / np.float32(255), threads, batch, folder)


def measure(task: Task, positions: int) -> dict[str, dict[str, Any]]:
    """Figures of ours and of each rival, or why it did not run."""
    side = (positions - 1) * STRIDE + PATCH
    pixels, image = (np.ascontiguousarray(a[:side, :side]) for a in (task.pixels, task.image))
    small = replace(task, positions=positions, pixels=pixels, image=image)
    tools = {"ours": ours(task)} | {name: rival(small) for name, rival in RIVALS.items()}
    rows: dict[str, dict[str, Any]] = {name: {} for name in tools}
    taken: dict[str, list[NDArray[np.float64]]] = {name: [] for name in tools}
    for name in [*tools] * (1 + ROUNDS):
        started = cpu_and_wall_seconds()
        try:
            outputs = next(tools[name])
        except Exception as problem:  # whatever stops a foreign tool is its result
            rows[name].setdefault("not_run", f"{type(problem).__name__}: {problem}")
            continue
        taken[name].append((cpu_and_wall_seconds() - started) / len(outputs) * 1e6)
        square = outputs.reshape(math.isqrt(len(outputs)), -1, outputs.shape[1])
        shown = square[:positions, :positions]
        if name == "ours":
            expected = shown
        rows[name] |= {"cells": len(outputs), "difference": float(np.abs(shown - expected).max())}
    least = {name: np.min(runs[1:], axis=0) for name, runs in taken.items() if runs[1:]}
    for name, us in least.items():
        rows[name] |= dict(zip(FIGURES, [*us, *us / least["ours"]], strict=True))
        rows[name]["cpu_us_rounds"] = [run[0] for run in taken[name][1:]]
    return rows


@click.command()
@click.option("--models", default="hippocampus", show_default=True)
@click.option("--cells", type=click.IntRange(1, OUR_POSITIONS), default=48, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=16, help="Default: 16, best for most.")
@click.option("--json", "path", type=Path, help="Where to write the figures.")
def main(models: str, cells: int, threads: int, batch: int, path: Path | None) -> None:
    """Measure with rivals on N x N CELLS, print a table and write JSON."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(make_task(models, threads, batch, Path(folder)), cells)
    table = Table("", *FIGURES, "difference")
    for name, row in rows.items():
        figures = [f"{row[key]:.3g}" for key in (*FIGURES, "difference") if key in row]
        table.add_row(name, *([row["not_run"]] if "not_run" in row else figures))
    Console().print(table)
    head = describe(PACKAGES) | {"models": models, "patch_size_px": PATCH, "stride_px": STRIDE}
    head |= {"threads": threads, "batch": batch}
    if path:
        path.write_text(json.dumps(head | {"results": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
