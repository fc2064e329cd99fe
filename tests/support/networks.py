"""Small real networks with random weights, as ONNX files, and images to run them on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from morphinfer.classes import LabelClass, default_classes, role_of
from morphinfer.networks.cards import METADATA_KEY, Card, encode_card
from morphinfer.tiles.normalisation import Normalisation

CLASSES = default_classes(("background", "tissue", "GeneA", "GeneB"))
CHANNELS = (8, 8, 16, 16)


def classes_named(*names: str) -> tuple[LabelClass, ...]:
    """Classes with the roles that their names give them, in different colours."""
    return tuple(LabelClass(n, f"#{40 + 30 * i:02x}80c0", role_of(n)) for i, n in enumerate(names))


def card_of(patch_size_px: int, **changes: object) -> Card:
    """A card for a padding-free network; ``changes`` replace its fields."""
    card = Card(
        set_name="random",
        network=f"p{patch_size_px:03d}",
        classes=CLASSES,
        pixel_size_um=0.65,
        patch_size_px=patch_size_px,
        stride_px=8,
        padding_free=True,
        normalisation=Normalisation(),
        fusion_weight=0.5,
        output="probabilities",
        provenance={},
        test_vectors=(),
    )
    return replace(card, **changes)


def save_padding_free(path: Path, card: Card, seed: int = 0) -> None:
    """Write a network of the padding-free family for the patch size of the card."""
    rng = np.random.default_rng([seed, card.patch_size_px])
    nodes, weights, name = [], [], "image"
    for i, (c_in, c_out) in enumerate(zip((1, *CHANNELS), CHANNELS, strict=False)):
        kernel = rng.normal(0, np.sqrt(2 / (9 * c_in)), (c_out, c_in, 3, 3))
        weights += _weights(f"conv{i}", kernel, rng.normal(0, 0.1, c_out))
        nodes.append(helper.make_node("Conv", [name, f"conv{i}.w", f"conv{i}.b"], [f"c{i}"]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        name = f"r{i}"
        if i < 3:
            nodes.append(_pool("MaxPool", name, f"m{i}", size=2, stride=2))
            name = f"m{i}"
    head = rng.normal(0, 2, (len(card.classes), CHANNELS[-1], 1, 1))
    weights += _weights("head", head, rng.normal(0, 0.5, len(card.classes)))
    nodes += [
        helper.make_node("Conv", [name, "head.w", "head.b"], ["logits"]),
        _pool("AveragePool", "logits", "mean", size=(card.patch_size_px - 30) // 8, stride=1),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=1),
    ]
    _save(path, nodes, weights, ["n", 1, "h", "w"], ["n", len(card.classes), "r", "c"], card)


def save_foreign(path: Path, patch_size_px: int, classes: int, channels: int = 3) -> None:
    """Write a patch classifier of fixed input size with padding inside, logits out, and no card."""
    rng = np.random.default_rng(7)
    weights = _weights("conv", rng.normal(0, 0.5, (8, channels, 3, 3)), rng.normal(0, 0.1, 8))
    weights += _weights("head", rng.normal(0, 2, (classes, 8, 1, 1)), rng.normal(0, 0.5, classes))
    nodes = [
        helper.make_node("Conv", ["image", "conv.w", "conv.b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Conv", ["g", "head.w", "head.b"], ["l"]),
        helper.make_node("Flatten", ["l"], ["logits"]),
    ]
    shape = ["n", channels, patch_size_px, patch_size_px]
    _save(path, nodes, weights, shape, ["n", classes], None)


def save_brightness_classifier(path: Path, patch_size_px: int, ranks: tuple[int, ...]) -> None:
    """Write a foreign classifier of mean intensity; ``ranks`` give the place of each class, 0 darkest.

    The most likely class changes at means of 0.2, 0.4, ...; near these, no class is sure.
    """
    slope, steps = 25.0, np.array(ranks, np.float64)
    weight = (slope * steps).reshape(-1, 1, 1, 1)
    bias = -slope * 0.2 * steps * (steps + 1) / 2
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Conv", ["mean", "head.w", "head.b"], ["l"]),
        helper.make_node("Flatten", ["l"], ["logits"]),
    ]
    shape = ["n", 1, patch_size_px, patch_size_px]
    _save(path, nodes, _weights("head", weight, bias), shape, ["n", len(ranks)], None)


def save_set(folder: Path, patch_sizes_px: tuple[int, ...] = (46, 62), **changes: object) -> Path:
    """Write a set of padding-free networks into a folder."""
    folder.mkdir(exist_ok=True)
    for patch in patch_sizes_px:
        save_padding_free(folder / f"p{patch:03d}.onnx", card_of(patch, **changes))
    return folder


def nuclei(height: int, width: int, seed: int = 0, dtype: str = "uint8") -> np.ndarray:
    """Synthetic blobs on a dim background."""
    rng = np.random.default_rng(seed)
    image = rng.normal(20, 3, (height, width))
    for _ in range(max(4, height * width // 400)):
        row, col = rng.integers(0, height), rng.integers(0, width)
        image[row : row + 8, col : col + 8] += rng.uniform(60, 180)
    return image.clip(0, 255).astype(dtype)


def _weights(name: str, weight: np.ndarray, bias: np.ndarray) -> list[onnx.TensorProto]:
    pairs = ((f"{name}.w", weight), (f"{name}.b", bias))
    return [numpy_helper.from_array(a.astype(np.float32), n) for n, a in pairs]


def _pool(kind: str, source: str, target: str, *, size: int, stride: int) -> onnx.NodeProto:
    return helper.make_node(kind, [source], [target], kernel_shape=[size] * 2, strides=[stride] * 2)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    shape_in: list[int | str],
    shape_out: list[int | str],
    card: Card | None,
) -> None:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, shape_out)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if card is not None:
        helper.set_model_props(model, {METADATA_KEY: encode_card(card)})
    onnx.save(model, path)
