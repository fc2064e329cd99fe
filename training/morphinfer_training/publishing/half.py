"""Half precision: model sets whose networks keep weights and activations in float16.

Input and output stay float32: a Cast follows the input, another one precedes the softmax. The sets
are meant for CUDA, where they are untested. ONNX Runtime's CPU provider has no float16 convolution on
x86 and computes in float32, with rounded weights and unrounded activations: it is no faster, and its
output is nearer to that of the float32 set than the output of a GPU.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from morphinfer.classes import roles_by_name
from morphinfer.errors import ExportError, ModelError
from morphinfer.images import staged
from morphinfer.networks import (
    HALF_TOLERANCE,
    METADATA_KEY,
    ModelFile,
    ModelSet,
    differences,
    encode_card,
    load_models,
)
from morphinfer.runs import refuse_inputs
from morphinfer_training.publishing.card_files import CARD, README, card_text, network_entry
from morphinfer_training.publishing.exported_set import load_exported_set
from morphinfer_training.publishing.onnx_model import model_bytes

SUFFIX = "-half"
"""Added to the name of a set."""


def halve_set(
    models: str | Path, out: Path, *, overwrite: bool = False, tolerance: float = HALF_TOLERANCE
) -> dict[str, Any]:
    """Write an exported model set in float16; nothing is written unless it passes its test vectors.

    Parameters
    ----------
    models : str or Path
        Name of a shipped set, folder, or one ONNX file.
    out : Path
        Folder of the set to write; the set is named after the source, with '-half' added.
    overwrite : bool
        Replace the set in ``out`` if it exists.
    tolerance : float
        Largest difference of a probability from the test vectors.

    Returns
    -------
    dict
        The content of card.json.

    Raises
    ------
    ModelError
        There is no such set, it is damaged, foreign, or computes in float16 already.
    ExportError
        A weight is too large for float16, or a network differs by more than ``tolerance``.
    OutputError
        ``out`` exists, is the source, or cannot be written.
    """
    source = load_exported_set(models)
    refuse_inputs(out, [source.path, *(f.path for f in source.files)])
    provenance = _provenance(source)
    files = {f.path.name: half_model(f, source.name + SUFFIX, provenance) for f in source.files}
    with staged(out, overwrite=overwrite, folder=True) as partial:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        summary = _summary(load_models(partial), provenance, tolerance)
        (partial / CARD).write_text(card_text(summary), encoding="utf-8")
        (partial / README).write_text(_readme(summary, source), encoding="utf-8")
    return summary


def half_model(file: ModelFile, set_name: str, provenance: dict[str, Any]) -> bytes:
    """ONNX file of a network with float16 weights and activations.

    Parameters
    ----------
    file : ModelFile
        The float32 network.
    set_name : str
        Name of the set for its card.
    provenance : dict
        Provenance for its card.

    Raises
    ------
    ModelError
        The network computes in float16 already.
    ExportError
        A weight is too large for float16.
    """
    if file.card.precision != "float32":
        raise ModelError(f"{file.path}: computes in float16 already; name a float32 set")
    source = onnx.load(file.path)
    graph = source.graph
    weights = [_half_weight(w, file.path) for w in graph.initializer]
    card = replace(file.card, set_name=set_name, provenance=provenance, precision="float16")
    return model_bytes(
        helper.make_graph(_half_nodes(graph), graph.name, graph.input, graph.output, weights),
        opset_imports=source.opset_import,
        ir_version=source.ir_version,
        metadata={METADATA_KEY: encode_card(card)},
    )


def _half_nodes(graph: Any) -> list[Any]:
    """Nodes of the graph with a Cast before the first layer and one before the softmax."""
    *layers, softmax = (type(n).FromString(n.SerializeToString()) for n in graph.node)
    image, logits = layers[0].input[0], softmax.input[0]
    layers[0].input[0] = f"{image}_half"
    softmax.input[0] = f"{logits}_float"
    return [
        helper.make_node("Cast", [image], [f"{image}_half"], to=TensorProto.FLOAT16),
        *layers,
        helper.make_node("Cast", [logits], [f"{logits}_float"], to=TensorProto.FLOAT),
        softmax,
    ]


def _half_weight(weight: Any, path: Path) -> Any:
    array = numpy_helper.to_array(weight)
    largest, limit = float(np.abs(array).max()), float(np.finfo(np.float16).max)
    if not largest <= limit:
        raise ExportError(
            f"{path}: '{weight.name}' contains {largest:.3g}, above the largest float16, {limit:g}; "
            f"nothing was written, keep the float32 set"
        )
    return numpy_helper.from_array(array.astype(np.float16), weight.name)


def _provenance(source: ModelSet) -> dict[str, Any]:
    return {
        **source.card.provenance,
        "made": f"float16 of {source.name}",
        "source_sha256": {f.path.name: f.sha256 for f in source.files},
    }


def _summary(half: ModelSet, provenance: dict[str, Any], tolerance: float) -> dict[str, Any]:
    """Content of card.json, with the greatest difference of each network from its test vectors."""
    return {
        "name": half.name,
        "pixel_size_um": half.card.pixel_size_um,
        "stride_px": half.card.stride_px,
        "classes": [c.name for c in half.card.classes],
        "roles": roles_by_name(half.card.classes),
        "precision": half.card.precision,
        "networks": [_entry(f, tolerance) for f in half.files],
        "provenance": provenance,
    }


def _entry(file: ModelFile, tolerance: float) -> dict[str, Any]:
    parity, dense = differences(file)
    if not max(parity, dense) <= tolerance:
        raise ExportError(
            f"{file.card.network}: in float16 it differs by {max(parity, dense):.2g} (limit "
            f"{tolerance:g}); nothing was written, keep the float32 set"
        )
    return network_entry(file.card, file.path.name, file.sha256, {"torch": parity, "dense": dense})


def _readme(summary: dict[str, Any], source: ModelSet) -> str:
    """Model card in Markdown: the conversion, then the card of the source."""
    source_card = source.path / README
    rows = "\n".join(
        f"| {n['file']} | {n['greatest_differences']['torch']:.1e} "
        f"| {summary['provenance']['source_sha256'][n['file']]} |"
        for n in summary["networks"]
    )
    head = f"""# {summary["name"]}

The networks of '{source.name}' with weights and activations in float16; input, softmax and output are
float32. Converted by 'morphinfer half', morphinfer {version("morphinfer")}.

Meant for GPUs; untested on CUDA. ONNX Runtime's CPU provider has no float16 convolution on x86: it
computes in float32 with the rounded weights, at the same speed as the float32 set. The differences
below were measured there; they are larger if activations are rounded too (benchmarks/half.py).

| file | largest difference of a probability, test vectors | sha256 of the float32 file |
| --- | --- | --- |
{rows}
"""
    if not source_card.is_file():
        return head
    card = source_card.read_text(encoding="utf-8")
    return f"{head}\nThe card of the float32 set follows; its figures hold for float32.\n\n{card}"
