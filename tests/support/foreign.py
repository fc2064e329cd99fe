"""Small networks as other tools export them, with the JSON file of each, run or refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from morphinfer import Options, load_models, segment_array
from morphinfer.errors import ModelError

SIDE = 24
UM = 0.65
OPTIONS = Options(provider="cpu", threads=1, probabilities=True, skip_background="off")
NAMES = ("background", "tissue", "a", "b")
OPSET = 17
Shape = Sequence[int | str]


def sidecar(**changes: Any) -> dict[str, Any]:
    """A card of four classes; ``changes`` replace its keys, None removes one."""
    plain = {
        "classes": [{"name": name, "colour": "#112233"} for name in NAMES],
        "pixel_size_um": UM,
        "stride_px": 12,
    }
    return {key: value for key, value in {**plain, **changes}.items() if value is not None}


@dataclass
class Foreign:
    """A classifier of the mean intensities of its channels; the defaults are the usual export."""

    shape: Shape = ("n", 1, SIDE, SIDE)
    dtype: int = TensorProto.FLOAT
    scale: float = 1.0
    """By which the input is divided inside."""
    channels_last: bool = False
    softmax: bool = True
    classes: int = 4
    more: list[onnx.NodeProto] = field(default_factory=list)
    """Nodes after the probabilities 'p', of shape (n, classes)."""
    outputs: dict[str, tuple[int, Shape]] | None = None
    """Type and shape of each output, by name; by default 'p' alone."""
    inputs: dict[str, tuple[int, Shape]] = field(default_factory=dict)
    """Further inputs."""
    ml: bool = False
    """Whether operators of ONNX-ML are used."""

    def save(self, path: Path, **card: Any) -> Path:
        """Write the network, and the card with changes beside it; returns its path."""
        onnx.save(self.model(), path)
        path.with_suffix(".json").write_text(json.dumps(sidecar(**card)))
        return path

    def model(self) -> onnx.ModelProto:
        """The network."""
        channels = self.shape[3 if self.channels_last else 1] if len(self.shape) == 4 else 1
        channels = channels if isinstance(channels, int) else 1
        nodes = [helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT)]
        nodes += [helper.make_node("Div", ["float", "scale"], ["scaled"])]
        if self.channels_last:
            nodes += [helper.make_node("Transpose", ["scaled"], ["image"], perm=[0, 3, 1, 2])]
        else:
            nodes += [helper.make_node("Identity", ["scaled"], ["image"])]
        nodes += [
            helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
            helper.make_node("Conv", ["mean", "w", "b"], ["score"]),
            helper.make_node("Flatten", ["score"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["p"], axis=1)
            if self.softmax
            else helper.make_node("Identity", ["logits"], ["p"]),
            *self.more,
        ]
        rank = np.arange(self.classes, dtype=np.float32)
        weights = {
            "scale": np.float32(self.scale),
            "w": np.repeat(25 / channels * rank[:, None], channels, 1)[:, :, None, None],
            "b": -5 * rank * (rank + 1) / 2,
        }
        return self._model(nodes, weights)

    def _model(
        self, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]
    ) -> onnx.ModelProto:
        outputs = self.outputs or {"p": (TensorProto.FLOAT, (self.shape[0], self.classes))}
        inputs = {"x": (self.dtype, self.shape), **self.inputs}
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid("ai.onnx.ml", 3)] * self.ml
        graph = helper.make_graph(
            nodes,
            "foreign",
            [helper.make_tensor_value_info(n, *each) for n, each in inputs.items()],
            [_output(n, *each) for n, each in outputs.items()],
            [numpy_helper.from_array(w.astype(np.float32), n) for n, w in weights.items()],
        )
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _output(name: str, kind: int, shape: Shape) -> onnx.ValueInfoProto:
    if kind != TensorProto.UNDEFINED:
        return helper.make_tensor_value_info(name, kind, shape)
    one = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    mapped = helper.make_map_type_proto(TensorProto.INT64, one)
    return helper.make_value_info(name, helper.make_sequence_type_proto(mapped))


def node(kind: str, source: str, target: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, [source], [target], **attributes)


def segmented(path: Path) -> Any:
    """Labels and probabilities of an image that darkens to the right."""
    image = np.tile(np.linspace(250, 0, 240), (72, 1)).astype(np.uint8)
    return segment_array(image, pixel_size_um=UM, models=path, options=OPTIONS)


def refused(path: Path, *parts: str) -> None:
    """Loading ends in one sentence that begins with the folder and holds ``parts``."""
    with pytest.raises(ModelError) as problem:
        load_models(path)
    text = str(problem.value)
    assert text.startswith(str(path.parent)), text
    assert "\n" not in text, text
    for part in parts:
        assert part in text, text
