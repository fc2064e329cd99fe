"""A network that gives chance, does not end or takes all memory is refused when it is loaded."""

from __future__ import annotations

import json

import onnx
import pytest
from foreign import SIDE, Foreign, node, refused, sidecar
from onnx import TensorProto as Kind
from onnx import helper

from morphinfer import load_models
from morphinfer.errors import ModelError


def test_a_network_that_gives_chance_is_refused(tmp_path):
    noise = helper.make_node("RandomNormalLike", ["p"], ["noise"], scale=1.0)
    network = Foreign(
        more=[noise, helper.make_node("Add", ["p", "noise"], ["q"]), node("Softmax", "q", "r")],
        outputs={"r": (Kind.FLOAT, ("n", 4))},
    )
    refused(network.save(tmp_path / "theirs.onnx"), "another output each time for the same patch")


def endless(path, dtype=Kind.FLOAT):
    """A network of a loop that does not end."""
    states = [("x", "y")]
    body = helper.make_graph(
        [node("Identity", "going", "goes"), node("Identity", "x_in", "x_out")],
        "body",
        [helper.make_tensor_value_info("i", Kind.INT64, []),
         helper.make_tensor_value_info("going", Kind.BOOL, []),
         helper.make_tensor_value_info("x_in", dtype, None)],
        [helper.make_tensor_value_info("goes", Kind.BOOL, []),
         helper.make_tensor_value_info("x_out", dtype, None)],
    )  # fmt: skip
    loop = helper.make_node("Loop", ["most", "yes", states[0][0]], [states[0][1]], body=body)
    constants = [
        helper.make_tensor("most", Kind.INT64, [], [2**62]),
        helper.make_tensor("yes", Kind.BOOL, [], [True]),
    ]
    graph = helper.make_graph(
        [loop], "g", [helper.make_tensor_value_info("x", dtype, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", dtype, ["n", 1, SIDE, SIDE])], constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    path.with_suffix(".json").write_text(json.dumps(sidecar()))


def test_a_network_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("morphinfer.networks.probe.SECONDS", 0.2)
    endless(tmp_path / "loop.onnx")
    refused(tmp_path / "loop.onnx", "did not finish one patch of 24 px within 0.2 s")


@pytest.mark.skipif("sys.platform != 'linux'", reason="only Linux limits the memory of a process")
def test_a_network_that_takes_all_memory_is_refused_before_it_does(tmp_path):
    size = helper.make_tensor("size", Kind.INT64, [1], [2**33])
    sized = helper.make_node("Constant", [], ["size"], value=size)
    network = Foreign(
        more=[sized, node("ConstantOfShape", "size", "large"),
              node("ReduceSum", "large", "zero", keepdims=0),
              helper.make_node("Add", ["p", "zero"], ["q"])],
        outputs={"q": (Kind.FLOAT, ("n", 4))},
    )  # fmt: skip
    path = network.save(tmp_path / "theirs.onnx")
    with pytest.raises(
        ModelError, match=r"the memory does not suffice (for one patch of 24 px|to load it)"
    ):
        load_models(path, limit_memory=True)
