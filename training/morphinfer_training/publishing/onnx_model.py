"""Parts that all ONNX models of morphinfer share: input, output, producer and serialisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from onnx import TensorProto, helper

INPUT = "image"
OUTPUT = "probabilities"


def graph_ports(classes: int) -> tuple[list[Any], list[Any]]:
    """Input 'image' and output 'probabilities' of a graph, float32, of free batch and sides."""
    float32 = TensorProto.FLOAT
    shape: list[str | int] = ["batch", 1, "height", "width"]
    image = helper.make_tensor_value_info(INPUT, float32, shape)
    shape = ["batch", classes, "rows", "cols"]
    return [image], [helper.make_tensor_value_info(OUTPUT, float32, shape)]


def model_bytes(
    graph: Any, *, opset_imports: Any, ir_version: int, metadata: Mapping[str, str]
) -> bytes:
    """ONNX file of a graph, checked; the same graph and metadata give the same bytes.

    Parameters
    ----------
    graph : onnx.GraphProto
        Nodes, ports and weights.
    opset_imports : sequence of onnx.OperatorSetIdProto
        Operator sets of the nodes.
    ir_version : int
        Version of the file format.
    metadata : mapping of str to str
        Entries of metadata_props.

    Raises
    ------
    onnx.checker.ValidationError
        The graph is not valid.
    """
    model = helper.make_model(
        graph, opset_imports=opset_imports, ir_version=ir_version, producer_name="morphinfer"
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
