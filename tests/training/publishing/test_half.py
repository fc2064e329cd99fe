from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from commands import refused
from onnx import TensorProto, numpy_helper
from synthetic_section import make_config

from morphinfer import Options, load_models, segment_array
from morphinfer.errors import ExportError, ModelError, OutputError
from morphinfer.networks.cards import METADATA_KEY, encode_card
from morphinfer.networks.modelsets import HALF_TOLERANCE, verify_set
from morphinfer_training.learning.nets import make_network
from morphinfer_training.publishing.export import build_model, make_test_vectors
from morphinfer_training.publishing.half import halve_set
from networks import card_of, nuclei, save_foreign, save_set

pytest_plugins = ["commands"]

CLASSES = ["background", "tissue", "GeneA", "GeneB"]


def write_network(folder, patch, *, spoil=None, **changes):
    """Export a network of random weights, as 'morphinfer train' does; ``spoil`` changes it first."""
    torch.manual_seed(patch)
    network = make_network(make_config(classes=CLASSES), patch)
    network(torch.rand(2, 1, patch + 8, patch + 8))
    with torch.no_grad():
        network.head.weight.mul_(20)
        if spoil is not None:
            spoil(network)
    vectors = make_test_vectors(network.eval(), patch, 8, seed=1)
    card = card_of(patch, test_vectors=vectors, provenance={"seed": 1}, **changes)
    (folder / f"p{patch:03d}.onnx").write_bytes(build_model(network, card))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    for patch in (48, 64):
        write_network(folder, patch)
    return folder


@pytest.fixture
def halved(source, tmp_path):
    halve_set(source, tmp_path / "half")
    return tmp_path / "half"


def test_layers_are_float16_between_float32_ends(halved):
    graph = onnx.shape_inference.infer_shapes(onnx.load(halved / "p048.onnx")).graph
    stage, mean = ["Conv", "Relu", "MaxPool"], ["Conv", "AveragePool"]
    assert [node.op_type for node in graph.node] == [
        "Cast", *stage, *stage, *stage, "Conv", "Relu", "Conv", "Relu", *mean, *mean, "Div", "Add",
        "Cast", "Softmax",
    ]  # fmt: skip
    assert {w.data_type for w in graph.initializer} == {TensorProto.FLOAT16}
    types = {v.name: v.type.tensor_type.elem_type for v in graph.value_info}
    layers = [node.output[0] for node in graph.node[:-2]]
    assert {types[name] for name in layers} == {TensorProto.FLOAT16}
    ends = [*graph.input, *graph.output]
    assert {v.type.tensor_type.elem_type for v in ends} == {TensorProto.FLOAT}
    assert types[graph.node[-1].input[0]] == TensorProto.FLOAT


def test_weights_are_the_rounded_weights_of_the_source(source, halved):
    rounded, full = (
        {w.name: numpy_helper.to_array(w) for w in onnx.load(f / "p048.onnx").graph.initializer}
        for f in (halved, source)
    )
    assert rounded.keys() == full.keys()
    for name, weight in full.items():
        np.testing.assert_array_equal(rounded[name], weight.astype(np.float16))


def test_the_card_is_that_of_the_source_and_names_the_source(source, halved):
    full, rounded = load_models(source), load_models(halved)
    assert rounded.name == "random-half"
    for one, two in zip(full.files, rounded.files, strict=True):
        provenance = two.card.provenance
        assert provenance["made"] == "float16 of random"
        assert provenance["source_sha256"] == {f.path.name: f.sha256 for f in full.files}
        assert provenance["seed"] == 1
        assert two.card.precision == "float16"
        same = replace(
            two.card, set_name="random", precision="float32", provenance=one.card.provenance
        )
        assert encode_card(same) == encode_card(one.card)


def test_the_output_equals_that_of_the_source_within_the_tolerance(source, halved):
    image = nuclei(300, 260)
    full, rounded = (
        segment_array(
            image, pixel_size_um=0.65, models=f, options=Options(provider="cpu")
        ).probabilities
        for f in (source, halved)
    )
    assert 0 < np.abs(full - rounded).max() <= HALF_TOLERANCE


@pytest.mark.parametrize(("precision", "good"), [("float16", True), ("float32", False)])
def test_verify_uses_the_tolerance_of_float16(halved, precision, good):
    path = halved / "p048.onnx"
    model, card = onnx.load(path), load_models(path).card
    shift = np.float32(HALF_TOLERANCE / 2)
    vectors = tuple(replace(v, probabilities=v.probabilities + shift) for v in card.test_vectors)
    card = replace(card, precision=precision, test_vectors=vectors)
    onnx.helper.set_model_props(model, {METADATA_KEY: encode_card(card)})
    onnx.save(model, path)
    with nullcontext() if good else pytest.raises(ModelError, match=r"limit 0\.0001"):
        verify_set(path)


def test_a_set_is_published_with_both_cards_in_its_readme(source, tmp_path):
    (source / "README.md").write_text("# random\n\nNot for diagnosis.\n")
    summary = halve_set(source, tmp_path / "half")
    names = {p.name for p in (tmp_path / "half").iterdir()}
    assert names == {"p048.onnx", "p064.onnx", "card.json", "README.md"}
    assert json.loads((tmp_path / "half" / "card.json").read_text()) == summary
    readme = (tmp_path / "half" / "README.md").read_text()
    assert readme.startswith("# random-half\n")
    assert "untested" in readme
    assert readme.endswith("# random\n\nNot for diagnosis.\n")


def test_the_same_set_gives_the_same_bytes(source, halved, tmp_path):
    halve_set(source, tmp_path / "again")
    for path in halved.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_an_existing_set_is_replaced_only_with_overwrite_and_the_source_never(source, halved):
    with pytest.raises(OutputError, match="`overwrite=True`"):
        halve_set(source, halved)
    halve_set(source, halved, overwrite=True)
    for models in (source, source / "p048.onnx"):
        with pytest.raises(OutputError, match="would replace"):
            halve_set(models, source, overwrite=True)


def test_a_half_set_is_not_halved_again(halved, tmp_path):
    with pytest.raises(ModelError, match="float16 already"):
        halve_set(halved, tmp_path / "quarter")
    assert not (tmp_path / "quarter").exists()


@pytest.mark.parametrize("described", [False, True])
def test_a_foreign_model_is_refused(tmp_path, described):
    path = tmp_path / "theirs.onnx"
    save_foreign(path, 32, 4)
    if described:
        path.with_suffix(".json").write_text(
            json.dumps({"classes": [{"name": c, "colour": "#000000"} for c in CLASSES],
                        "pixel_size_um": 0.65})
        )  # fmt: skip
    with pytest.raises(ModelError, match=r"theirs\.onnx: a foreign ONNX model; only"):
        halve_set(path, tmp_path / "half")
    assert not (tmp_path / "half").exists()


def test_a_network_that_pads_is_foreign_even_with_a_card(source, tmp_path):
    model = onnx.load(source / "p064.onnx")
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("pads", [1, 1, 1, 1]))
    onnx.save(model, source / "p064.onnx")
    with pytest.raises(ModelError, match=r"p064\.onnx: a foreign ONNX model"):
        halve_set(source, tmp_path / "half")


def test_a_truncated_file_is_reported_as_truncated(source, tmp_path):
    path = source / "p048.onnx"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="truncated"):
        halve_set(source, tmp_path / "half")


def test_a_set_without_test_vectors_is_refused(tmp_path):
    models = save_set(tmp_path / "models", (46,))
    with pytest.raises(ModelError, match="no test vectors"):
        halve_set(models, tmp_path / "half")
    assert {p.name for p in tmp_path.iterdir()} == {"models"}


def test_a_weight_beyond_float16_is_refused(source, tmp_path):
    def spoil(network):
        network.bias.fill_(70000)

    write_network(source, 48, spoil=spoil)
    with pytest.raises(
        ExportError, match=r"'bias' contains 7e\+04, above the largest float16, 65504"
    ):
        halve_set(source, tmp_path / "half")
    assert not (tmp_path / "half").exists()


def test_a_network_that_differs_too_much_in_float16_is_refused_and_nothing_written(
    source, tmp_path
):
    with pytest.raises(ExportError, match=r"p048: in float16 it differs by .* nothing was written"):
        halve_set(source, tmp_path / "half", tolerance=1e-9)
    assert {p.name for p in tmp_path.iterdir()} == {"own"}


def test_the_command_writes_a_set_that_verifies(call, source):
    code, out, err = call("half", str(source), "--out", "half")
    assert code == 0, err
    assert out == "models   half\n"
    assert "p064: largest difference" in err
    code, out, _ = call("models", "verify", "half")
    assert (code, out.count("good")) == (0, 2)
    code, out, _ = call("half", str(source), "--out", "other", "--json", "-q")
    assert json.loads(out)["name"] == "random-half"


def test_the_command_refuses_in_one_sentence(call, tmp_path):
    save_foreign(tmp_path / "theirs.onnx", 32, 4)
    refused(call("half", "theirs.onnx", "--out", "half"), "a foreign ONNX model")
    refused(call("half", "nosuch", "--out", "half"), "no such model set")
    refused(call("half", "nosuch"), "--out", code=2)


def test_a_shipped_set_is_halved_by_name(tmp_path):
    assert halve_set("phantom", tmp_path / "half")["name"] == "phantom-half"
    assert len(verify_set(tmp_path / "half")) == 5
