"""ONNX files out of trained networks: an explicit graph, checked before anything is published.

The graph is written by hand: its twenty nodes are all there is, heights, widths and the batch are
free, scales are folded into the convolutions, and the same weights always give the same bytes. Opset
17 is read by every ONNX Runtime since 1.12, by DirectML, TensorRT and OpenVINO.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from morphinfer.errors import ExportError
from morphinfer.networks import METADATA_KEY, Card, TestVector, encode_card
from morphinfer_training.learning import POOLINGS, PaddingFreeNet, Weights, fold

OPSET = 17
IR_VERSION = 8
INPUT = "image"
OUTPUT = "probabilities"
TORCH_TOLERANCE = 1e-4
DENSE_TOLERANCE = 1e-5
LEVELS = 64
"""Test images are multiples of 1 / LEVELS, so that they compress."""


def build_model(network: PaddingFreeNet, card: Card) -> bytes:
    """ONNX file of a trained network, with its card in the metadata.

    Parameters
    ----------
    network : PaddingFreeNet
        Input 'image' is float32, shape (batch, 1, height, width); output 'probabilities' is
        float32, shape (batch, classes, rows, cols).
    card : Card
        What the file says of itself.
    """
    weights = fold(network)
    nodes, name = [], INPUT
    for depth, (convolution, _) in enumerate(network.stages()):
        dilation = convolution.dilation[0]
        nodes.append(_conv(name, f"conv{depth}", f"weight{depth}", dilation=dilation))
        nodes.append(helper.make_node("Relu", [f"conv{depth}"], [f"relu{depth}"]))
        name = f"relu{depth}"
        if depth < POOLINGS:
            pooled = f"pool{depth}"
            nodes.append(_pool("MaxPool", name, pooled, side=2, stride=2))
            name = pooled
    for told, *constants in (("evidence", "head"), ("contrast", "mean", "floor")):
        nodes.append(_conv(name, f"{told}_map", *constants))
        nodes.append(_pool("AveragePool", f"{told}_map", told, side=network.window, stride=1))
    nodes.append(helper.make_node("Div", ["evidence", "contrast"], ["ratio"]))
    nodes.append(helper.make_node("Add", ["ratio", "bias"], ["logits"]))
    nodes.append(helper.make_node("Softmax", ["logits"], [OUTPUT], axis=1))
    ports = _ports(len(weights.bias))
    model = helper.make_model(
        helper.make_graph(nodes, card.network, *ports, _initializers(weights)),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="morphinfer",
    )
    helper.set_model_props(model, {METADATA_KEY: encode_card(card)})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _conv(source: str, target: str, *constants: str, dilation: int = 1) -> Any:
    return helper.make_node("Conv", [source, *constants], [target], dilations=[dilation] * 2)


def _pool(kind: str, source: str, target: str, *, side: int, stride: int) -> Any:
    square: dict[str, Any] = {"kernel_shape": [side, side], "strides": [stride, stride]}
    return helper.make_node(kind, [source], [target], **square)


def _ports(classes: int) -> tuple[list[Any], list[Any]]:
    float32 = TensorProto.FLOAT
    shape: list[str | int] = ["batch", 1, "height", "width"]
    image = helper.make_tensor_value_info(INPUT, float32, shape)
    shape = ["batch", classes, "rows", "cols"]
    return [image], [helper.make_tensor_value_info(OUTPUT, float32, shape)]


def _initializers(weights: Weights) -> list[Any]:
    features = weights.head.shape[1]
    arrays = {f"weight{depth}": weight for depth, weight in enumerate(weights.convolutions)}
    arrays |= {
        "head": weights.head,
        "mean": np.full((1, features, 1, 1), 1 / features, np.float32),
        "floor": np.array([weights.floor], np.float32),
        "bias": weights.bias[:, None, None],
    }
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def smooth_image(side_px: int, seed: int) -> NDArray[np.float32]:
    """Random blobs on a slope, between 0 and 1 and in steps of 1 / 64, shape (side_px, side_px).

    It resembles nuclei in size only; no tissue went into it.
    """
    rng = np.random.default_rng([seed, side_px])
    places = np.arange(side_px, dtype=np.float64)
    image = np.add.outer(places, places) * (0.3 * rng.random() / side_px)
    for _ in range(max(3, side_px**2 // 400)):
        row, col = rng.uniform(0, side_px, 2)
        sigma, height = rng.uniform(3, 6), rng.uniform(0.2, 0.8)
        down, across = (np.exp(-(((places - at) / sigma) ** 2) / 2) for at in (row, col))
        image += height * np.outer(down, across)
    return np.asarray(np.rint(image.clip(0, 1) * LEVELS) / LEVELS, np.float32)


def make_test_vectors(
    network: PaddingFreeNet, patch_size_px: int, stride_px: int, seed: int
) -> tuple[TestVector, ...]:
    """One patch, and one tile of three by three of them, with the network's output."""
    images = [smooth_image(patch_size_px + stride_px * more, seed) for more in (0, 2)]
    return tuple(TestVector(image, torch_probabilities(network, image)) for image in images)


def torch_probabilities(network: PaddingFreeNet, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Output of the trained network for one image, shape (classes, rows, cols)."""
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(image)[None, None])  # (1, C, h, w)
        return np.ascontiguousarray(torch.softmax(logits, dim=1)[0].numpy(), np.float32)


def check_parity(model: bytes, card: Card) -> dict[str, float]:
    """Greatest differences of an ONNX file from the trained network, and from itself patch by patch.

    Returns
    -------
    dict
        'torch': ONNX Runtime against the card's test vectors. 'dense': a tile against its patches.

    Raises
    ------
    ExportError
        One of them exceeds its limit, 1e-4 and 1e-5.
    """
    run = graph_runner(model)
    differences = {
        "torch": max(
            float(np.abs(run(v.image[None, None])[0] - v.probabilities).max())
            for v in card.test_vectors
        ),
        "dense": _dense_difference(run, card),
    }
    limits = {"torch": TORCH_TOLERANCE, "dense": DENSE_TOLERANCE}
    for name, limit in limits.items():
        if not differences[name] <= limit:
            raise ExportError(
                f"{card.network}: the exported network differs by {differences[name]:.2g} "
                f"({name}; limit {limit:g}); nothing was written"
            )
    return differences


def graph_runner(model: bytes) -> Any:
    """Function from a batch of images to probabilities, on ONNX Runtime's CPU provider."""
    from morphinfer.networks import load_runtime

    ort = load_runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run([OUTPUT], {INPUT: batch})[0]


def _dense_difference(run: Any, card: Card) -> float:
    """Difference of the largest test vector's output from that of its patches one by one."""
    image = max((v.image for v in card.test_vectors), key=np.size)
    views = np.lib.stride_tricks.sliding_window_view(image, (card.patch_size_px,) * 2)
    patches = views[:: card.stride_px, :: card.stride_px]  # (h, w, P, P)
    rows, cols = patches.shape[:2]
    single = run(np.ascontiguousarray(patches).reshape(rows * cols, 1, *patches.shape[2:]))
    dense = run(image[None, None])[0]  # (C, h, w)
    return float(np.abs(dense - single[:, :, 0, 0].T.reshape(dense.shape)).max())
