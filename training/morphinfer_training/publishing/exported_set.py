"""Model sets that morphinfer exported itself, the only ones that are converted to other forms."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from morphinfer.errors import ModelError
from morphinfer.networks import METADATA_KEY, ModelSet, find_set, load_models

LAYERS = {"Conv", "Relu", "MaxPool", "AveragePool", "Div", "Add"}
"""Operators of an exported network before its softmax."""


def load_exported_set(models: str | Path) -> ModelSet:
    """Model set whose files were all exported by morphinfer.

    Parameters
    ----------
    models : str or Path
        Name of a shipped set, folder, or one ONNX file.

    Raises
    ------
    ModelError
        There is no such set, it is damaged, or one of its files is a foreign ONNX model.
    """
    path = find_set(models)
    for file in sorted(path.glob("*.onnx")) if path.is_dir() else [path]:
        refuse_foreign(file)
    return load_models(path)


def refuse_foreign(path: Path) -> None:
    """Raise if an ONNX file is not an exported network.

    Raises
    ------
    ModelError
        The file has no card, or its graph is not a chain of layers without padding and a softmax.
    """
    with suppress(DecodeError):  # load_models reports damaged files
        model = onnx.load(path)
        nodes = list(model.graph.node)
        exported = (
            METADATA_KEY in {p.key for p in model.metadata_props}
            and {n.op_type for n in nodes[:-1]} - {"Cast"} <= LAYERS
            and [n.op_type for n in nodes[-1:]] == ["Softmax"]
            and not any(a.name in ("pads", "auto_pad") for n in nodes for a in n.attribute)
        )
        if not exported:
            raise ModelError(
                f"{path}: a foreign ONNX model; only padding-free networks that 'morphinfer train' "
                f"exported can be converted: name a set of those"
            )
