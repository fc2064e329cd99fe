"""Damaged networks that once ended in a traceback, a hang or gigabytes, rebuilt in a few lines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from morphinfer import MorphinferError, Options, load_ensemble, load_models
from morphinfer.errors import ModelError
from morphinfer.networks.cards import METADATA_KEY, encode_card
from networks import card_of


def save_graph(path: Path, nodes: list[Any], weights: list[Any], **card: Any) -> Path:
    """A network of one input x and one output y, with a card."""
    graph = helper.make_graph(
        nodes,
        "found",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, "R", "C"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: encode_card(card_of(48, **card))})
    onnx.save(model, path)
    return path


def constant(name: str, values: Any, kind: int = TensorProto.INT64) -> Any:
    array = np.atleast_1d(values)
    return helper.make_tensor(name, kind, [] if np.isscalar(values) else array.shape, array)


FOUR = helper.make_node("Concat", ["x"] * 4, ["q"], axis=1)
MEAN = helper.make_node("ReduceMean", ["q", "axes"], ["r"], keepdims=1)
AXES = constant("axes", [2, 3])
GRAPHS: dict[str, tuple[list[Any], list[Any]]] = {
    "not a number": (
        [FOUR, MEAN, helper.make_node("Mul", ["r", "nan"], ["y"])],
        [AXES, constant("nan", math.nan, TensorProto.FLOAT)],
    ),
    "no probabilities": ([FOUR, helper.make_node("ReduceMean", ["q", "axes"], ["y"])], [AXES]),
    "another rank": ([helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0)], []),
    "one value a pixel": ([helper.make_node("Concat", ["x"] * 4, ["y"], axis=1)], []),
    "an unknown operator": ([helper.make_node("Evil", ["x"], ["y"], domain="example.org")], []),
    "a constant of 256 GB": (
        [
            helper.make_node("ConstantOfShape", ["side"], ["z"]),
            helper.make_node("ReduceSum", ["z"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["more"]),
            helper.make_node("Concat", ["more"] * 4, ["y"], axis=1),
        ],
        [constant("side", [2**36])],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_network_cannot_be_used(tmp_path, name):
    path = save_graph(tmp_path / "a.onnx", *GRAPHS[name])
    with pytest.raises(MorphinferError) as caught:
        load_ensemble(path, Options(provider="cpu"))
    assert "\n" not in str(caught.value)


def test_the_name_of_a_side_is_no_text(tmp_path):
    path = save_graph(tmp_path / "a.onnx", *GRAPHS["one value a pixel"])
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "a-name"
    path.write_bytes(model.SerializeToString().replace(b"a-name", b"a-nam\xee"))
    with pytest.raises(ModelError, match="no text"):
        load_models(path)


def test_a_network_is_cut_short(tmp_path):
    path = save_graph(tmp_path / "a.onnx", *GRAPHS["one value a pixel"])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError):
        load_models(path)


def test_metadata_of_a_network_are_no_text(tmp_path):
    path = save_graph(tmp_path / "a.onnx", *GRAPHS["one value a pixel"])
    path.write_bytes(path.read_bytes().replace(b"background", b"backgroun\xef"))
    with pytest.raises(ModelError, match="no text"):
        load_models(path)
