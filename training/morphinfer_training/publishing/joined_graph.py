"""One ONNX graph of a whole model set: every network on the same image, and their weighted mean.

Tools that expect one weights file per model run a set this way. Each network gets the image with a
margin, mirrored at the edges: the part of its patch beyond the square of ``stride`` pixels that it
classifies. All networks thus have the same output positions: position (i, j) covers the pixels
[i * stride, (i + 1) * stride) (contract C4). Positions farther than `halo_positions` from the edge do
not depend on the margin and are the same in every tile (contract C2).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import compose, helper, numpy_helper

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
from morphinfer_training.publishing.export import graph_runner, smooth_image
from morphinfer_training.publishing.onnx_model import INPUT, OUTPUT, graph_ports, model_bytes

METADATA_KEY = "morphinfer_joined"
"""Not the key of a model card: a joined model is not a network of a set."""


def join_networks(models: ModelSet) -> bytes:
    """ONNX file that computes the fusion of a whole set.

    Parameters
    ----------
    models : ModelSet
        Padding-free networks with probabilities as output; those of weight 0 are left out.

    Returns
    -------
    bytes
        A model with the input 'image', float32, shape (batch, 1, height, width), and the output
        'probabilities', float32, shape (batch, classes, height // stride, width // stride). Height
        and width must be greater than the margin.

    Raises
    ------
    ModelError
        A network pads or returns logits, or the networks have different opsets.
    """
    weighted = shares(models)
    sources = [_load(file) for file, _ in weighted]
    opsets = {opset.version for model in sources for opset in model.opset_import}
    if len(opsets) > 1:
        raise ModelError(
            f"{models.path}: its files have different opsets {sorted(opsets)} and cannot be joined; "
            f"export the set again"
        )
    nodes, weights = [], []
    for (file, share), source in zip(weighted, sources, strict=True):
        branch, constants = _branch(file, source, share)
        nodes += branch
        weights += constants
    nodes.append(helper.make_node("Sum", [f"{_prefix(f)}share" for f, _ in weighted], [OUTPUT]))
    ports = graph_ports(len(models.card.classes))
    origin = {"set": models.name, "networks": share_entries(models)}
    return model_bytes(
        helper.make_graph(nodes, models.name, *ports, weights),
        opset_imports=sources[0].opset_import,
        ir_version=max(source.ir_version for source in sources),
        metadata={METADATA_KEY: json.dumps(origin, sort_keys=True)},
    )


def shares(models: ModelSet) -> list[tuple[ModelFile, float]]:
    """Networks of positive weight with their shares of the mean, which sum to 1."""
    if len(models.files) == 1:
        return [(models.files[0], 1.0)]
    total = math.fsum(file.card.fusion_weight for file in models.files)
    return [(f, f.card.fusion_weight / total) for f in models.files if f.card.fusion_weight > 0]


def share_entries(models: ModelSet) -> list[dict[str, Any]]:
    """File, SHA-256 and share of each network of positive weight, as JSON types."""
    return [
        {"file": file.path.name, "sha256": file.sha256, "share": share}
        for file, share in shares(models)
    ]


def halo_positions(models: ModelSet) -> int:
    """Positions along each edge of the output that depend on the mirrored margin."""
    reach = max(margin_px(file) for file, _ in shares(models))
    return ceil_div(reach, models.card.stride_px)


def smallest_px(models: ModelSet) -> int:
    """Side of the smallest image with a position left when the halo is cropped, in pixels."""
    return (2 * halo_positions(models) + 1) * models.card.stride_px


def margin_px(file: ModelFile) -> int:
    """Pixels between the top (or left) edge of a patch and that of the square it classifies."""
    return -patch_offset(file.card.patch_size_px, file.card.stride_px)


def run_joined(joined: bytes, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Output of a joined model on ONNX Runtime's CPU provider.

    Parameters
    ----------
    joined : bytes
        File returned by `join_networks`.
    image : ndarray of float32, shape (batch, 1, M, N)
        Normalised intensities.

    Returns
    -------
    ndarray of float32, shape (batch, classes, M // stride, N // stride)
        Probabilities.
    """
    return np.asarray(graph_runner(joined)(image), np.float32)


def check_joined(joined: bytes, models: ModelSet, side_px: int) -> float:
    """Greatest difference of a probability between a joined model and morphinfer's fusion.

    Parameters
    ----------
    joined : bytes
        File returned by `join_networks`.
    models : ModelSet
        The networks.
    side_px : int
        Side of the synthetic image on which they are compared.

    Raises
    ------
    ExportError
        The difference exceeds 1e-5, or 1e-2 for networks that compute in float16.
    """
    image = smooth_image(side_px, seed=1)
    output = run_joined(joined, image[None, None])[0]
    difference = float(np.abs(output - fused_on(models, image)).max())
    limit = HALF_TOLERANCE if models.card.precision == "float16" else EXACT_TOLERANCE
    if not difference <= limit:
        raise ExportError(
            f"{models.name}: the joined networks differ by {difference:.2g} from morphinfer's fusion "
            f"(limit {limit:g}); nothing was written"
        )
    return difference


def fused_on(models: ModelSet, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean probabilities by morphinfer's own predictor and fusion, with a mirrored margin.

    Parameters
    ----------
    models : ModelSet
        The networks.
    image : ndarray of float32, shape (M, N)
        Normalised intensities; they are mirrored without repeating the edge pixel, as ONNX does.

    Returns
    -------
    ndarray of float32, shape (classes, M // stride, N // stride)
        Mean probabilities.
    """
    stride = models.card.stride_px
    shape = (image.shape[0] // stride, image.shape[1] // stride)
    choice = ProviderChoice("cpu", "export")
    predictor = DensePredictor([Session(file, choice) for file in models.files])
    start = -patch_offset(models.patch_size_px, stride)
    ends = [
        max(0, (count - 1) * stride + models.patch_size_px - start - side)
        for count, side in zip(shape, image.shape, strict=True)
    ]
    tile = np.pad(image, [(start, end) for end in ends], mode="reflect")
    weights = [f.card.fusion_weight for f in models.files] if len(models.files) > 1 else [1.0]
    return fuse(predictor.predict(tile, shape), weights).total


def _load(file: ModelFile) -> Any:
    if not file.card.padding_free or file.card.output != "probabilities":
        raise ModelError(
            f"{file.path}: pads inside or returns logits; only padding-free networks that 'morphinfer "
            f"train' exported can be joined"
        )
    return onnx.load(file.path)


def _branch(file: ModelFile, source: Any, share: float) -> tuple[list[Any], list[Any]]:
    """Nodes and constants of one network: its margin, the network itself, its share of the mean."""
    prefix, start = _prefix(file), margin_px(file)
    graph = compose.add_prefix_graph(source.graph, prefix)
    end = file.card.patch_size_px - file.card.stride_px - start
    pads = np.array([0, 0, start, start, 0, 0, end, end], np.int64)
    arrays: dict[str, NDArray[Any]] = {"pads": pads, "weight": np.array(share, np.float32)}
    first, last = graph.input[0].name, graph.output[0].name
    nodes = [
        helper.make_node("Pad", [INPUT, f"{prefix}pads"], [first], mode="reflect"),
        *graph.node,
        helper.make_node("Mul", [last, f"{prefix}weight"], [f"{prefix}share"]),
    ]
    constants = [numpy_helper.from_array(a, f"{prefix}{name}") for name, a in arrays.items()]
    return nodes, [*graph.initializer, *constants]


def _prefix(file: ModelFile) -> str:
    return f"{Path(file.path).stem}/"
