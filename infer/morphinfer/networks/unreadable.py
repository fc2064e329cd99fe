"""Why ONNX Runtime does not take a file, in a clause, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

OUT_OF_MEMORY = re.compile(
    r"bad.alloc|[Ff]ailed to allocate|out of memory|OUT_OF_MEMORY|ALLOC_FAILED"
)
"""Messages of providers when memory runs out."""
PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
WHERE = re.compile(r"(?:Load model from .*? failed:|.*Status Message: )")
CODE = re.compile(r"^\S*/\S+\.(?:cc|h):\d+ .*?\) (?=[A-Z])")
"""A place in the source of ONNX Runtime, and a function with its arguments."""
LONGEST = 160
EXTERNAL = re.compile(
    r"(?:External data path does not exist: \"?|cannot get file size: .*\[)([^\"\]\n]+)"
)
SHORT = "External initializer: .* out of bounds|requires? a regular file"
"""Messages for a file of weights that is shorter than the model states, or no file."""
OTHER_FORMATS = {
    ".pt": "PyTorch", ".pth": "PyTorch", ".ckpt": "PyTorch", ".pkl": "Python", ".joblib": "Python",
    ".safetensors": "safetensors", ".h5": "Keras", ".hdf5": "Keras", ".keras": "Keras",
    ".pb": "TensorFlow", ".tflite": "TensorFlow Lite", ".mlmodel": "Core ML", ".engine": "TensorRT",
    ".ort": "ONNX Runtime",
}  # fmt: skip
"""Endings of model files that are not ONNX."""
WAYS = (
    ("model IR version|opset|Opset", "install a newer ONNX Runtime, or export it with an older opset"),
    ("not a registered function|No Op registered",
     "it needs an operator that ONNX Runtime does not have, so export it without"),
    ("NOT_IMPLEMENTED|Could not find an implementation",
     "an operator has no code for its data type on the CPU; export it in float32"),
    ("INVALID_PROTOBUF|No graph was found|ModelProto does not have a graph",
     "the file is truncated or no ONNX model, copy or export it again"),
)  # fmt: skip


def reason(problem: Exception, path: Path) -> str:
    """Why a file cannot be loaded, and what to do.

    Parameters
    ----------
    problem : Exception
        What ONNX Runtime raised.
    path : Path
        The file.
    """
    text = str(problem).strip()
    if path.suffix.lower() in OTHER_FORMATS:
        return (
            f"a file of {OTHER_FORMATS[path.suffix.lower()]}, not an ONNX model; export the network to "
            f"ONNX"
        )
    if external := EXTERNAL.search(text):
        return (
            f"its weights are in the file {Path(external[1]).name} beside it, which is missing; copy that "
            f"file too"
        )
    if re.search(SHORT, text):
        return "the file of weights beside it is truncated or another's; copy or export both again"
    if _is_lfs_pointer(path):
        return "a pointer of Git LFS and not the model itself; fetch it with 'git lfs pull'"
    if OUT_OF_MEMORY.search(text):
        return "the memory does not suffice to load it; take a smaller network"
    way = next((w for pattern, w in WAYS if re.search(pattern, text)), "export the network again")
    return f"ONNX Runtime cannot load it ({first_clause(text)}); {way}"


def first_clause(text: str) -> str:
    """The first line of a message of ONNX Runtime, without what only its developers need.

    >>> first_clause("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from m.onnx failed:Bad.")
    'Bad'
    """
    line = next(iter(text.strip().splitlines()), "")
    for pattern in (PREFIX, WHERE, CODE):
        line = pattern.sub("", line, count=1)
    line = line.strip().rstrip(".")
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rstrip()} ..."


def _is_lfs_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(24) == b"version https://git-lfs."
    except OSError:
        return False
