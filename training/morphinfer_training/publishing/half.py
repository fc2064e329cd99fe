"""Half precision: model sets whose networks keep weights and activations in float16.

The networks still take float32 images and give float32 probabilities: one Cast stands after the
input, one before the softmax. They are meant for CUDA, where they are untested. ONNX Runtime's CPU
provider has no float16 convolution on x86 and runs the whole chain in float32, with the rounded
weights but unrounded activations: no faster, and nearer to the float32 set than a GPU will be.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from morphinfer.errors import ExportError, ModelError
from morphinfer.images import staged
from morphinfer.networks import (
    HALF_TOLERANCE,
    METADATA_KEY,
    ModelFile,
    ModelSet,
    differences,
    encode_card,
    find_set,
    load_models,
)
from morphinfer.runs import refuse_inputs

SUFFIX = "-half"
LAYERS = {"Conv", "Relu", "MaxPool", "AveragePool", "Div", "Add"}
"""What our own export is made of, before its softmax."""


def halve_set(models: str | Path, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the float16 twin of a model set of our own export; nothing is written unless it computes.

    Parameters
    ----------
    models : str or Path
        Name of a shipped set, folder, or one ONNX file.
    out : Path
        Folder of the set to write; its name inside is that of the source with '-half'.
    overwrite : bool
        Replace a set that stands there.

    Returns
    -------
    dict
        The content of card.json.

    Raises
    ------
    ModelError
        There is no such set, it is damaged, foreign, or computes in float16 already.
    ExportError
        A weight is too large for float16, or a network differs by more than ``HALF_TOLERANCE``.
    OutputError
        ``out`` exists, is the source, or cannot be written to.
    """
    path = find_set(models)
    for file in sorted(path.glob("*.onnx")) if path.is_dir() else [path]:
        refuse_foreign(file)
    source = load_models(path)
    refuse_inputs(out, [path, *(f.path for f in source.files)])
    provenance = _provenance(source)
    files = {f.path.name: half_model(f, source.name + SUFFIX, provenance) for f in source.files}
    with staged(out, overwrite=overwrite, folder=True) as partial:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        summary = _summary(load_models(partial), provenance)
        told = json.dumps(summary, indent=2, sort_keys=True) + "\n"
        (partial / "card.json").write_text(told, encoding="utf-8")
        (partial / "README.md").write_text(_readme(summary, source), encoding="utf-8")
    return summary


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is no export of ours.

    Raises
    ------
    ModelError
        It carries no card, or its graph is not of layers without padding and a softmax.
    """
    with suppress(DecodeError):  # loading the set tells what is wrong with a damaged file
        model = onnx.load(path)
        nodes = list(model.graph.node)
        own = (
            METADATA_KEY in {p.key for p in model.metadata_props}
            and {n.op_type for n in nodes[:-1]} - {"Cast"} <= LAYERS
            and [n.op_type for n in nodes[-1:]] == ["Softmax"]
            and not any(a.name in ("pads", "auto_pad") for n in nodes for a in n.attribute)
        )
        if not own:
            raise ModelError(
                f"{path}: a foreign ONNX model; float16 is made only of padding-free networks "
                f"that 'morphinfer train' exported, name a set of those"
            )


def half_model(file: ModelFile, set_name: str, provenance: dict[str, Any]) -> bytes:
    """ONNX file of a network with float16 weights and activations, and its card.

    Raises
    ------
    ModelError
        The network computes in float16 already.
    ExportError
        A weight is too large for float16.
    """
    if file.card.precision != "float32":
        raise ModelError(f"{file.path}: computes in float16 already; name the float32 set")
    source = onnx.load(file.path)
    graph = source.graph
    weights = [_half_weight(w, file.path) for w in graph.initializer]
    model = helper.make_model(
        helper.make_graph(_half_nodes(graph), graph.name, graph.input, graph.output, weights),
        opset_imports=source.opset_import,
        ir_version=source.ir_version,
        producer_name="morphinfer",
    )
    card = replace(file.card, set_name=set_name, provenance=provenance, precision="float16")
    helper.set_model_props(model, {METADATA_KEY: encode_card(card)})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _half_nodes(graph: Any) -> list[Any]:
    """The layers between two Casts, and the softmax."""
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
            f"{path}: '{weight.name}' holds {largest:.3g} and float16 ends at {limit:g}; nothing "
            f"was written, keep the float32 set"
        )
    return numpy_helper.from_array(array.astype(np.float16), weight.name)


def _provenance(source: ModelSet) -> dict[str, Any]:
    return {
        **source.card.provenance,
        "made": f"float16 of {source.name}",
        "source_sha256": {f.path.name: f.sha256 for f in source.files},
    }


def _summary(half: ModelSet, provenance: dict[str, Any]) -> dict[str, Any]:
    """Content of card.json, with what each network differs by from its float32 self."""
    return {
        "name": half.name,
        "pixel_size_um": half.card.pixel_size_um,
        "stride_px": half.card.stride_px,
        "classes": [c.name for c in half.card.classes],
        "precision": half.card.precision,
        "networks": [_entry(f) for f in half.files],
        "provenance": provenance,
    }


def _entry(file: ModelFile) -> dict[str, Any]:
    card, (parity, dense) = file.card, differences(file)
    if not max(parity, dense) <= HALF_TOLERANCE:
        raise ExportError(
            f"{card.network}: in float16 it differs by {max(parity, dense):.2g} (limit "
            f"{HALF_TOLERANCE:g}); nothing was written, keep the float32 set"
        )
    return {
        "network": card.network,
        "file": file.path.name,
        "patch_size_px": card.patch_size_px,
        "fusion_weight": card.fusion_weight,
        "sha256": file.sha256,
        "greatest_differences": {"torch": parity, "dense": dense},
    }


def _readme(summary: dict[str, Any], source: ModelSet) -> str:
    """Model card in Markdown: what was made of what; the source's own card follows."""
    told = source.path / "README.md"
    rows = "\n".join(
        f"| {n['file']} | {n['greatest_differences']['torch']:.1e} "
        f"| {summary['provenance']['source_sha256'][n['file']]} |"
        for n in summary["networks"]
    )
    head = f"""# {summary["name"]}

The networks of '{source.name}' with weights and activations in float16; input, softmax and output stay
float32. Made by 'morphinfer half', morphinfer {version("morphinfer")}.

Meant for GPUs; on CUDA it is untested. ONNX Runtime's CPU provider has no float16 convolution on
x86: it computes in float32 with the rounded weights, and so it does not get faster. The differences below
are of that kind; with activations rounded too they are larger (benchmarks/half.py).

| file | largest difference of a probability, test vectors | sha256 of the float32 file |
| --- | --- | --- |
{rows}
"""
    if not told.is_file():
        return head
    card = told.read_text(encoding="utf-8")
    return f"{head}\nThe card of the float32 set follows; all its figures are those of float32.\n\n{card}"
