"""Files that ONNX Runtime cannot load are refused with what they are or what they lack."""

from __future__ import annotations

import onnx
import pytest
from foreign import Foreign, refused, segmented
from onnx import helper


def test_a_network_in_two_files_runs_and_names_the_one_that_is_missing(tmp_path):
    path = Foreign().save(tmp_path / "theirs.onnx")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="w.data", size_threshold=0
    )
    assert segmented(path).labels.shape
    whole = (tmp_path / "w.data").read_bytes()
    (tmp_path / "w.data").write_bytes(whole[:8])
    refused(path, "the file of weights beside it is truncated or another's")
    (tmp_path / "w.data").unlink()
    refused(path, "its weights are in the file w.data beside it, which is missing")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("m.onnx", b"", "truncated or no ONNX model"),
        ("m.onnx", b"\x08\x08hello", "truncated or no ONNX model"),
        ("m.onnx", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("m.pt", b"PK\x03\x04", "a file of PyTorch, not an ONNX model"),
        ("m.h5", b"\x89HDF", "a file of Keras"),
    ],
)
def test_a_file_that_is_no_model_is_named_as_what_it_is(tmp_path, name, content, part):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, part)


@pytest.mark.parametrize(
    ("opset", "kind", "domain", "part"),
    [
        (99, "Relu", "", "install a newer ONNX Runtime"),
        (17, "Evil", "", "an operator that ONNX Runtime does not have"),
        (17, "Evil", "theirs", "an operator that ONNX Runtime does not have"),
    ],
)
def test_an_operator_that_is_not_there_is_named(tmp_path, opset, kind, domain, part):
    model = Foreign().model()
    model.graph.node[-1].op_type, model.graph.node[-1].domain = kind, domain
    model.graph.node[-1].ClearField("attribute")
    model.opset_import[0].version = opset
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    onnx.save(model, tmp_path / "m.onnx")
    refused(tmp_path / "m.onnx", part)
