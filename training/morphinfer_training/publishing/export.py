"""ONNX files of trained networks: the graph is built here and checked before it is published.

The graph is built node by node instead of traced: it has about twenty nodes and no shape arithmetic,
batch, height and width are free, scales are folded into the convolutions, and the same weights give
the same bytes. Opset 17 is read by ONNX Runtime since 1.12, DirectML, TensorRT and OpenVINO.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from morphinfer.errors import ExportError
from morphinfer.networks import (
    EXACT_TOLERANCE,
    METADATA_KEY,
    PARITY_TOLERANCE,
    Card,
    TestVector,
    encode_card,
)
from morphinfer_training.learning import POOLINGS, PaddingFreeNet, Weights, fold
from morphinfer_training.publishing.onnx_model import INPUT, OUTPUT, graph_ports, model_bytes

OPSET = 17
IR_VERSION = 8
LEVELS = 64
"""Test images are multiples of 1 / LEVELS, so that they compress well."""


def build_model(network: PaddingFreeNet, card: Card) -> bytes:
    """ONNX file of a trained network, with its card in the metadata.

    Parameters
    ----------
    network : PaddingFreeNet
        The trained network.
    card : Card
        Its card.

    Returns
    -------
    bytes
        A model with the input 'image', float32, shape (batch, 1, height, width), and the output
        'probabilities', float32, shape (batch, classes, rows, cols).
    """
    weights = fold(network)
    nodes, name = [], INPUT
    for depth, (convolution, _) in enumerate(network.stages()):
        constants = [f"weight{depth}", *([f"shift{depth}"] if weights.shifts else [])]
        dilation = convolution.dilation[0]
        nodes.append(_conv(name, f"conv{depth}", *constants, dilation=dilation))
        nodes.append(helper.make_node("Relu", [f"conv{depth}"], [f"relu{depth}"]))
        name = f"relu{depth}"
        if depth < POOLINGS:
            pooled = f"pool{depth}"
            nodes.append(_pool("MaxPool", name, pooled, side=2, stride=2))
            name = pooled
    nodes += _average(name, "evidence", "head", side=network.window)
    scores = "evidence"
    if weights.floor is not None:
        nodes += _average(name, "contrast", "mean", "floor", side=network.window)
        nodes.append(helper.make_node("Div", ["evidence", "contrast"], ["ratio"]))
        scores = "ratio"
    nodes.append(helper.make_node("Add", [scores, "bias"], ["logits"]))
    nodes.append(helper.make_node("Softmax", ["logits"], [OUTPUT], axis=1))
    ports = graph_ports(len(weights.bias))
    return model_bytes(
        helper.make_graph(nodes, card.network, *ports, _initializers(weights)),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        metadata={METADATA_KEY: encode_card(card)},
    )


def _conv(source: str, target: str, *constants: str, dilation: int = 1) -> Any:
    return helper.make_node("Conv", [source, *constants], [target], dilations=[dilation] * 2)


def _pool(kind: str, source: str, target: str, *, side: int, stride: int) -> Any:
    square: dict[str, Any] = {"kernel_shape": [side, side], "strides": [stride, stride]}
    return helper.make_node(kind, [source], [target], **square)


def _average(source: str, average: str, *constants: str, side: int) -> list[Any]:
    """A linear map of the features and its average over the patch."""
    mapped = f"{average}_map"
    return [
        _conv(source, mapped, *constants),
        _pool("AveragePool", mapped, average, side=side, stride=1),
    ]


def _initializers(weights: Weights) -> list[Any]:
    features = weights.head.shape[1]
    arrays = {f"weight{depth}": weight for depth, weight in enumerate(weights.convolutions)}
    arrays |= {f"shift{depth}": shift for depth, shift in enumerate(weights.shifts)}
    arrays["head"] = weights.head
    if weights.floor is not None:
        arrays["mean"] = np.full((1, features, 1, 1), 1 / features, np.float32)
        arrays["floor"] = np.array([weights.floor], np.float32)
    arrays["bias"] = weights.bias[:, None, None]
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def smooth_image(side_px: int, seed: int) -> NDArray[np.float32]:
    """Synthetic test image: random blobs of the size of nuclei on a slope of brightness.

    Parameters
    ----------
    side_px : int
        Side of the image.
    seed : int
        Seed of the blobs.

    Returns
    -------
    ndarray of float32, shape (side_px, side_px)
        Multiples of 1 / 64 between 0 and 1.
    """
    rng = np.random.default_rng([seed, side_px])
    pixels = np.arange(side_px, dtype=np.float64)
    image = np.add.outer(pixels, pixels) * (0.3 * rng.random() / side_px)
    for _ in range(max(3, side_px**2 // 400)):
        row, col = rng.uniform(0, side_px, 2)
        sigma, height = rng.uniform(3, 6), rng.uniform(0.2, 0.8)
        down, across = (np.exp(-(((pixels - centre) / sigma) ** 2) / 2) for centre in (row, col))
        image += height * np.outer(down, across)
    return np.asarray(np.rint(image.clip(0, 1) * LEVELS) / LEVELS, np.float32)


def make_test_vectors(
    network: PaddingFreeNet, patch_size_px: int, stride_px: int, seed: int
) -> tuple[TestVector, ...]:
    """Test vectors of a network: one patch and one tile of 3 x 3 positions, with its output."""
    images = [smooth_image(patch_size_px + stride_px * extra, seed) for extra in (0, 2)]
    return tuple(TestVector(image, torch_probabilities(network, image)) for image in images)


def torch_probabilities(network: PaddingFreeNet, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of a trained network for one image.

    Parameters
    ----------
    network : PaddingFreeNet
        The network, on the CPU; it is set to evaluation.
    image : ndarray of float32, shape (M, N)
        Normalised intensities.

    Returns
    -------
    ndarray of float32, shape (classes, rows, cols)
        Probabilities of each position.
    """
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(image)[None, None])  # (1, C, h, w)
        return np.ascontiguousarray(torch.softmax(logits, dim=1)[0].numpy(), np.float32)


def check_parity(model: bytes, card: Card) -> dict[str, float]:
    """Greatest differences of a probability of an exported network, each checked against its limit.

    Returns
    -------
    dict
        'torch': ONNX Runtime against the test vectors of the card, limit 1e-4. 'dense': a tile
        against its patches one by one, limit 1e-5.

    Raises
    ------
    ExportError
        A difference exceeds its limit.
    """
    run = graph_runner(model)
    differences = {
        "torch": max(
            float(np.abs(run(v.image[None, None])[0] - v.probabilities).max())
            for v in card.test_vectors
        ),
        "dense": _dense_difference(run, card),
    }
    limits = {"torch": PARITY_TOLERANCE, "dense": EXACT_TOLERANCE}
    for name, limit in limits.items():
        if not differences[name] <= limit:
            raise ExportError(
                f"{card.network}: the exported network differs by {differences[name]:.2g} "
                f"({name}; limit {limit:g}); nothing was written"
            )
    return differences


def graph_runner(model: bytes) -> Any:
    """Function that runs an ONNX file on ONNX Runtime's CPU provider.

    It takes a batch of images, float32, shape (batch, 1, M, N), and returns probabilities, float32,
    shape (batch, classes, rows, cols).
    """
    from morphinfer.networks import load_runtime

    ort = load_runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run([OUTPUT], {INPUT: batch})[0]


def _dense_difference(run: Any, card: Card) -> float:
    """Greatest difference between the largest test image as a tile and its patches one by one."""
    image = max((v.image for v in card.test_vectors), key=np.size)
    views = np.lib.stride_tricks.sliding_window_view(image, (card.patch_size_px,) * 2)
    patches = views[:: card.stride_px, :: card.stride_px]  # (h, w, P, P)
    rows, cols = patches.shape[:2]
    single = run(np.ascontiguousarray(patches).reshape(rows * cols, 1, *patches.shape[2:]))
    dense = run(image[None, None])[0]  # (C, h, w)
    return float(np.abs(dense - single[:, :, 0, 0].T.reshape(dense.shape)).max())
