"""A network that runs can be stopped from another thread."""

from __future__ import annotations

from threading import Event, Thread

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from morphinfer.networks.stopping import Stop, current_options


def endless() -> bytes:
    """A network whose Loop has no limit and whose condition stays true."""
    number = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["value"], ["same"]),
        ],
        "body",
        [
            number("i", TensorProto.INT64, []),
            number("go", TensorProto.BOOL, []),
            number("value", TensorProto.FLOAT, [1]),
        ],
        [number("go_on", TensorProto.BOOL, []), number("same", TensorProto.FLOAT, [1])],
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)],
        "endless",
        [number("x", TensorProto.FLOAT, [1])],
        [number("y", TensorProto.FLOAT, [1])],
        [true],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_an_endless_network_ends_when_it_is_stopped():
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(endless(), options, providers=["CPUExecutionProvider"])
    stop, running, problems = Stop(), Event(), []

    def run() -> None:
        running.set()
        try:
            session.run(None, {"x": np.ones(1, np.float32)}, current_options())
        except Exception as problem:
            problems.append(str(problem))

    thread = Thread(target=stop.run, args=(run,), daemon=True)
    thread.start()
    assert running.wait(5)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert "terminate" in problems[0]


def test_options_hold_for_the_function_alone():
    assert Stop().run(current_options) is not None
    assert current_options() is None
    with pytest.raises(ZeroDivisionError):
        Stop().run(divmod, 1, 0)
    assert current_options() is None
