"""One ONNX graph of a whole model set: every network on the same image, and their weighted mean.

Tools that know one weights file a model run a set this way. Each network sees the image with a margin
of half of what its patch reaches past a cell, so that all of them give one prediction for each square
of ``stride`` pixels of the image: cell (i, j) covers its pixels [i * stride, (i + 1) * stride), as in
contract C4. The margin mirrors the image. Cells farther than `halo_cells` from its edge see none of
it, and they are the same in every tile (contract C2).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from morphinfer.errors import ExportError, ModelError
from morphinfer.geometry import ceil_div, patch_offset
from morphinfer.networks import (
    EXACT_TOLERANCE,
    HALF_TOLERANCE,
    DensePredictor,
    ModelFile,
    ModelSet,
    ProviderChoice,
    Session,
    fuse,
)
from morphinfer_training.publishing.export import INPUT, OUTPUT, graph_runner, smooth_image

METADATA_KEY = "morphinfer_joined"


def join_networks(models: ModelSet) -> bytes:
    """ONNX file that computes what the whole set does.

    Parameters
    ----------
    models : ModelSet
        Padding-free networks with probabilities as output; those of weight 0 are left out, since they
        change nothing.

    Returns
    -------
    bytes
        A model from 'image', float32 of shape (batch, 1, height, width), to 'probabilities', float32
        of shape (batch, classes, height // stride, width // stride). Height and width must be
        greater than the margin.

    Raises
    ------
    ModelError
        A network pads, gives logits, or is written in another opset than the others.
    """
    weighted = shares(models)
    sources = [_load(file) for file, _ in weighted]
    opsets = {opset.version for model in sources for opset in model.opset_import}
    if len(opsets) > 1:
        raise ModelError(
            f"{models.path}: its files are of the opsets {sorted(opsets)}, which one file cannot "
            f"hold; export the set again"
        )
    nodes, weights = [], []
    for (file, share), source in zip(weighted, sources, strict=True):
        branch, constants = _branch(file, source, share)
        nodes += branch
        weights += constants
    nodes.append(helper.make_node("Sum", [f"{_prefix(f)}share" for f, _ in weighted], [OUTPUT]))
    graph = helper.make_graph(nodes, models.name, *_ports(models), weights)
    joined = helper.make_model(
        graph,
        opset_imports=sources[0].opset_import,
        ir_version=max(source.ir_version for source in sources),
        producer_name="morphinfer",
    )
    helper.set_model_props(joined, {METADATA_KEY: _told(models, weighted)})
    onnx.checker.check_model(joined, full_check=True)
    return bytes(joined.SerializeToString(deterministic=True))


def shares(models: ModelSet) -> list[tuple[ModelFile, float]]:
    """The networks that count, with their share of the mean; the shares sum to 1."""
    if len(models.files) == 1:
        return [(models.files[0], 1.0)]
    whole = math.fsum(file.card.fusion_weight for file in models.files)
    return [(f, f.card.fusion_weight / whole) for f in models.files if f.card.fusion_weight > 0]


def halo_cells(models: ModelSet) -> int:
    """Cells along each edge of the output that see the mirrored margin."""
    reach = max(margin_px(file) for file, _ in shares(models))
    return ceil_div(reach, models.card.stride_px)


def smallest_px(models: ModelSet) -> int:
    """Side of the smallest image that leaves a cell once the halo is cropped."""
    return (2 * halo_cells(models) + 1) * models.card.stride_px


def margin_px(file: ModelFile) -> int:
    """Model pixels that the patch of a cell reaches past the cell, to the top and to the left."""
    return -patch_offset(file.card.patch_size_px, file.card.stride_px)


def run_joined(joined: bytes, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Output of a joined model on ONNX Runtime's CPU provider.

    Parameters
    ----------
    joined : bytes
        What `join_networks` gives.
    image : ndarray of float32, shape (batch, 1, M, N)
        Normalised input.

    Returns
    -------
    ndarray of float32, shape (batch, classes, M // stride, N // stride)
        Probabilities.
    """
    return np.asarray(graph_runner(joined)(image), np.float32)


def check_joined(joined: bytes, models: ModelSet, side_px: int) -> float:
    """Greatest difference of a joined model from the networks one by one and their fusion.

    Raises
    ------
    ExportError
        It exceeds 1e-5, or 1e-2 for networks that compute in float16.
    """
    image = smooth_image(side_px, seed=1)
    ours = run_joined(joined, image[None, None])[0]
    found = float(np.abs(ours - fused_on(models, image)).max())
    limit = HALF_TOLERANCE if models.card.precision == "float16" else EXACT_TOLERANCE
    if not found <= limit:
        raise ExportError(
            f"{models.name}: the joined networks differ by {found:.2g} from morphinfer's fusion "
            f"(limit {limit:g}); nothing was written"
        )
    return found


def fused_on(models: ModelSet, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """What morphinfer's own predictor and fusion say of an image with a mirrored margin.

    Parameters
    ----------
    models : ModelSet
        The networks.
    image : ndarray of float32, shape (M, N)
        Normalised input; it is mirrored without doubling its edge, as ONNX does.

    Returns
    -------
    ndarray of float32, shape (classes, M // stride, N // stride)
        Mean probabilities.
    """
    stride = models.card.stride_px
    cells = (image.shape[0] // stride, image.shape[1] // stride)
    choice = ProviderChoice("cpu", "export")
    predictor = DensePredictor([Session(file, choice) for file in models.files])
    start = -patch_offset(models.patch_size_px, stride)
    ends = [
        max(0, (n - 1) * stride + models.patch_size_px - start - side)
        for n, side in zip(cells, image.shape, strict=True)
    ]
    tile = np.pad(image, [(start, end) for end in ends], mode="reflect")
    weights = [f.card.fusion_weight for f in models.files] if len(models.files) > 1 else [1.0]
    return fuse(predictor.predict(tile, cells), weights).total


def _load(file: ModelFile) -> Any:
    if not file.card.padding_free or file.card.output != "probabilities":
        raise ModelError(
            f"{file.path}: pads inside or gives logits; only padding-free networks that 'morphinfer "
            f"train' exported are joined"
        )
    return onnx.load(file.path)


def _branch(file: ModelFile, source: Any, share: float) -> tuple[list[Any], list[Any]]:
    """Nodes and constants of one network: margin, the network itself, its share of the mean."""
    prefix, start = _prefix(file), margin_px(file)
    graph = compose.add_prefix_graph(source.graph, prefix)
    end = file.card.patch_size_px - file.card.stride_px - start
    pads = np.array([0, 0, start, start, 0, 0, end, end], np.int64)
    constants: dict[str, NDArray[Any]] = {"pads": pads, "weight": np.array(share, np.float32)}
    first, last = graph.input[0].name, graph.output[0].name
    nodes = [
        helper.make_node("Pad", [INPUT, f"{prefix}pads"], [first], mode="reflect"),
        *graph.node,
        helper.make_node("Mul", [last, f"{prefix}weight"], [f"{prefix}share"]),
    ]
    told = [numpy_helper.from_array(a, f"{prefix}{name}") for name, a in constants.items()]
    return nodes, [*graph.initializer, *told]


def _prefix(file: ModelFile) -> str:
    return f"{Path(file.path).stem}/"


def _ports(models: ModelSet) -> tuple[list[Any], list[Any]]:
    float32 = TensorProto.FLOAT
    image = helper.make_tensor_value_info(INPUT, float32, ["batch", 1, "height", "width"])
    shape: list[str | int] = ["batch", len(models.card.classes), "rows", "cols"]
    return [image], [helper.make_tensor_value_info(OUTPUT, float32, shape)]


def _told(models: ModelSet, weighted: list[tuple[ModelFile, float]]) -> str:
    """Which files went in; not under morphinfer's own key, for a joined model is no network of a set."""
    networks = [
        {"file": file.path.name, "sha256": file.sha256, "share": share} for file, share in weighted
    ]
    return json.dumps({"set": models.name, "networks": networks}, sort_keys=True)
