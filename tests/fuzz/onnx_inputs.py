"""Mutated networks: ONNX files with a card inside, and foreign ones with a card beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import onnx
from mutations import TEXTS, mutate_bytes, mutate_json
from onnx import TensorProto

from morphinfer.networks import Options, load_ensemble
from morphinfer.networks.cards import METADATA_KEY, encode_card
from morphinfer.networks.modelsets import show_set
from networks import card_of, save_foreign, save_padding_free

OPERATORS = (
    "Relu", "Conv", "MaxPool", "AveragePool", "Softmax", "Add", "Concat", "Flatten", "Reshape", "Cast",
    "Tile", "GlobalAveragePool", "Transpose", "Loop", "If", "Unknown", "", "ConstantOfShape", "Resize",
    "Expand", "ReduceMean", "Split", "Identity", "ArgMax", "QLinearConv",
)  # fmt: skip
SIZES = (0, 1, 2, 3, 7, 46, 255, 65535, 2**31 - 1, 2**31, 2**40, 2**62, -1, -(2**31))
CARD = json.loads(encode_card(card_of(46)))
SIDECAR = {
    "classes": [{"name": n, "colour": "#808080"} for n in ("background", "tissue", "GeneA")],
    "pixel_size_um": 0.65,
    "stride_px": 8,
    "output": "logits",
}


class OnnxInputs:
    """Makes networks once, and damages one for each trial."""

    def __init__(self, folder: Path) -> None:
        save_padding_free(folder / "own.onnx", card_of(46))
        save_foreign(folder / "foreign.onnx", 24, 3)
        self._bases = {name: (folder / f"{name}.onnx").read_bytes() for name in ("own", "foreign")}

    def write(self, rng: Random, trial: Path) -> Path:
        """A damaged network, with its card beside it where it is foreign."""
        name = rng.choice(sorted(self._bases))
        data, sidecar = self._bases[name], json.dumps(SIDECAR).encode()
        way = rng.random()
        if way < 0.2:
            data = mutate_bytes(data, rng)
        elif way < 0.4 and name == "foreign":
            sidecar = mutate_json(SIDECAR, rng)
        else:
            model = onnx.load_from_string(data)
            for _ in range(rng.choice((1, 1, 1, 2))):
                rng.choice(_CHANGES)(model, rng)
            data = model.SerializeToString()
        path = trial / f"{name}.onnx"
        path.write_bytes(data)
        if name == "foreign":
            path.with_suffix(".json").write_bytes(sidecar)
        return path

    def use(self, path: Path, rng: Random) -> None:
        """Load it as 'morphinfer segment' does, and predict four positions."""
        show_set(path)
        predictor = load_ensemble(path, Options(provider="cpu", threads=1)).predictor
        side = predictor.stride_px + predictor.patch_size_px
        if side < 500:
            predictor.predict(np.full((side, side), 0.5, np.float32), (2, 2))


def _change_card(model: onnx.ModelProto, rng: Random) -> None:
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = mutate_json(CARD, rng).decode("latin-1")


def _change_node(model: onnx.ModelProto, rng: Random) -> None:
    node = rng.choice(model.graph.node)
    names = [name for other in model.graph.node for name in (*other.input, *other.output)]
    way = rng.random()
    if way < 0.3:
        node.op_type = rng.choice(OPERATORS)
    elif way < 0.6 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice((*names, ""))
    elif way < 0.7:
        node.output[0] = rng.choice(names)
    elif way < 0.8:
        model.graph.node.remove(node)
    elif way < 0.9:
        model.graph.node.append(node)
    else:
        node.domain = rng.choice(("com.microsoft", "ai.onnx.ml", "x"))


def _change_attribute(model: onnx.ModelProto, rng: Random) -> None:
    attributes = [a for node in model.graph.node for a in node.attribute]
    attribute = rng.choice(attributes)
    if attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(SIZES)
    else:
        attribute.i = rng.choice(SIZES)
    if rng.random() < 0.1:
        attribute.type = rng.choice((1, 2, 3, 6, 7))


def _change_shape(model: onnx.ModelProto, rng: Random) -> None:
    """Shape or type of the input or the output."""
    value = rng.choice((*model.graph.input, *model.graph.output)).type.tensor_type
    if rng.random() < 0.3:
        value.elem_type = rng.choice((0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 16, 99))
    elif rng.random() < 0.2:
        value.shape.dim.add().dim_value = rng.choice(SIZES)
    elif rng.random() < 0.2:
        del value.shape.dim[-1]
    elif value.shape.dim:
        value.shape.dim[rng.randrange(len(value.shape.dim))].dim_value = rng.choice(SIZES)


def _change_weights(model: onnx.ModelProto, rng: Random) -> None:
    weights: TensorProto = rng.choice(model.graph.initializer)
    way = rng.random()
    if way < 0.4:
        weights.dims[rng.randrange(len(weights.dims))] = rng.choice(SIZES)
    elif way < 0.6:
        weights.raw_data = mutate_bytes(weights.raw_data, rng)
    elif way < 0.7:
        weights.data_type = rng.randint(0, 25)
    elif way < 0.8:
        count = len(weights.raw_data) // 4
        weights.raw_data = np.full(count, rng.choice((np.nan, np.inf, 1e30)), np.float32).tobytes()
    elif way < 0.9:
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(
            key="location", value=rng.choice(("x.bin", "/dev/zero", "../../x", *TEXTS[:8]))
        )
    else:
        model.graph.initializer.remove(weights)


def _change_versions(model: onnx.ModelProto, rng: Random) -> None:
    model.ir_version = rng.choice((0, 3, 8, 9, 10, 200))
    model.opset_import[0].version = rng.choice((0, 1, 6, 12, 17, 21, 99, 2**40))


def _add_input(model: onnx.ModelProto, rng: Random) -> None:
    group = rng.choice((model.graph.input, model.graph.output))
    group.add().CopyFrom(rng.choice((*model.graph.input, *model.graph.output)))
    group[-1].name = rng.choice(("more", group[0].name))


_CHANGES: tuple[Callable[[onnx.ModelProto, Random], None], ...] = (
    _change_card, _change_card, _change_node, _change_attribute, _change_shape, _change_weights,
    _change_versions, _add_input,
)  # fmt: skip
