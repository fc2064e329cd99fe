"""Foreign networks run as they are, or are refused when they are loaded, in one sentence."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from foreign import NAMES, SIDE, Foreign, sidecar
from onnx import TensorProto as Kind
from onnx import helper, numpy_helper

from morphinfer import Options, load_models, segment_array
from morphinfer.errors import ModelError

UM = 0.65
OPTIONS = Options(provider="cpu", threads=1, probabilities=True, skip_background="off")


def segmented(path):
    """Labels and probabilities of an image that darkens to the right."""
    image = np.tile(np.linspace(250, 0, 240), (72, 1)).astype(np.uint8)
    return segment_array(image, pixel_size_um=UM, models=path, options=OPTIONS)


@pytest.fixture
def usual(tmp_path):
    """What the usual export gives."""
    return segmented(Foreign().save(tmp_path / "usual.onnx"))


def refused(path, *parts):
    with pytest.raises(ModelError) as problem:
        load_models(path)
    text = str(problem.value)
    assert text.startswith(str(path.parent)), text
    assert "\n" not in text
    for part in parts:
        assert part in text, text


@pytest.mark.parametrize(
    ("network", "tolerance"),
    [
        (Foreign(shape=(1, 1, SIDE, SIDE)), 1e-6),
        (Foreign(shape=(5, 1, SIDE, SIDE)), 1e-6),
        (Foreign(shape=("n", SIDE, SIDE, 1), channels_last=True), 1e-6),
        (Foreign(shape=(1, SIDE, SIDE, 3), channels_last=True), 1e-6),
        (Foreign(shape=("n", "h", "w", 3), channels_last=True), 1e-6),
        (Foreign(shape=("n", 3, SIDE, SIDE)), 1e-6),
        (Foreign(shape=("n", "h", "w", "c"), channels_last=True), 1e-6),
        (Foreign(shape=("n", 1, "h", "w")), 1e-6),
        (Foreign(dtype=Kind.DOUBLE), 1e-6),
        (Foreign(dtype=Kind.FLOAT16), 0.05),
        (Foreign(dtype=Kind.UINT8, scale=255), 0.1),
        (Foreign(dtype=Kind.INT32, scale=255, shape=(2, SIDE, SIDE, 3), channels_last=True), 0.1),
    ],
)
def test_a_network_gets_the_input_that_it_takes(tmp_path, usual, network, tolerance):
    result = segmented(network.save(tmp_path / "theirs.onnx", patch_size_px=SIDE))
    assert set(np.unique(usual.labels)) == {0, 1, 2, 3}
    np.testing.assert_allclose(result.probabilities, usual.probabilities, atol=tolerance)


def node(kind, source, target, **attributes):
    return helper.make_node(kind, [source], [target], **attributes)


AXES = helper.make_node("Constant", [], ["axes"], value_ints=[2, 3])
UNSQUEEZE = helper.make_node("Unsqueeze", ["p", "axes"], ["q"])
LABEL = node("ArgMax", "p", "label", axis=1, keepdims=0)
DOUBLE = node("Cast", "p", "q", to=Kind.DOUBLE)
ZIPMAP = helper.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml", classlabels_int64s=range(4))


@pytest.mark.parametrize(
    "network",
    [
        Foreign(more=[AXES, UNSQUEEZE], outputs={"q": (Kind.FLOAT, ("n", 4, 1, 1))}),
        Foreign(more=[DOUBLE], outputs={"q": (Kind.DOUBLE, ("n", 4))}),
        Foreign(more=[node("Squeeze", "p", "q")], outputs={"q": (Kind.FLOAT, (4,))},
                shape=(1, 1, SIDE, SIDE)),
        Foreign(more=[AXES, UNSQUEEZE, node("Transpose", "q", "r", perm=[0, 2, 3, 1])],
                outputs={"r": (Kind.FLOAT, ("n", 1, 1, 4))}),
        Foreign(more=[LABEL], outputs={"label": (Kind.INT64, ("n",)), "p": (Kind.FLOAT, ("n", 4))}),
        Foreign(outputs={"mean": (Kind.FLOAT, ("n", 1, 1, 1)), "p": (Kind.FLOAT, ("n", "c"))}),
        Foreign(outputs={"logits": (Kind.FLOAT, ("n", 4)), "p": (Kind.FLOAT, ("n", 4))},
                more=[node("Identity", "p", "probabilities")]),
    ],
)  # fmt: skip
def test_the_output_that_fits_is_taken_whatever_its_shape(tmp_path, usual, network):
    if network.outputs and "logits" in network.outputs:
        network.outputs = {"logits": network.outputs["logits"],
                           "probabilities": (Kind.FLOAT, ("n", 4))}  # fmt: skip
    result = segmented(network.save(tmp_path / "theirs.onnx"))
    np.testing.assert_allclose(result.probabilities, usual.probabilities, atol=1e-6)


def test_logits_become_probabilities(tmp_path, usual):
    result = segmented(Foreign(softmax=False).save(tmp_path / "theirs.onnx", output="logits"))
    np.testing.assert_allclose(result.probabilities, usual.probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "card", "part"),
    [
        (Foreign(dtype=Kind.UINT8, scale=255), {},
         "its input is uint8, so it gets the normalised intensities times 255"),
        (Foreign(more=[LABEL], outputs={"label": (Kind.INT64, ("n",)), "p": (Kind.FLOAT, ("n", 4))}), {},
         "of its outputs, 'p' is taken and 'label' is not"),
        (Foreign(), {"output": "logits"}, "its card says logits and its outputs look like probabilities"),
        (Foreign(outputs={"logits": (Kind.FLOAT, ("n", 4)), "p": (Kind.FLOAT, ("n", 4))}), {},
         "of its outputs, 'p' is taken and 'logits' is not"),
        (Foreign(outputs={"p": (Kind.FLOAT, ("n", 4)), "logits": (Kind.FLOAT, ("n", 4)),
                          "mean": (Kind.FLOAT, ("n", 1, 1, 1))}), {"output": "logits"},
         "of its outputs, 'logits' is taken and 'p', 'mean' are not"),
        (Foreign(more=[node("Identity", "logits", "51")],
                 outputs={"p": (Kind.FLOAT, ("n", 4)), "51": (Kind.FLOAT, ("n", 4))}),
         {"output": "logits"}, "of its outputs, '51' is taken and 'p' is not"),
        (Foreign(), {"author": "me"}, "'author' is not known, so it is ignored"),
        (Foreign(), {"framework": "torch"}, "'framework' is not known, so it is ignored"),
    ],
)  # fmt: skip
def test_what_cannot_be_verified_is_said_once_and_recorded(tmp_path, caplog, network, card, part):
    path = network.save(tmp_path / "theirs.onnx", **card)
    with caplog.at_level(logging.WARNING):
        result = segmented(path)
    said = [record.getMessage() for record in caplog.records if part in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(str(tmp_path / "theirs."))
    assert said[0] in result.record.warnings


def test_a_network_that_is_fixed_to_one_patch_inside_runs_patch_by_patch(tmp_path, usual, caplog):
    shape = helper.make_node("Constant", [], ["one"], value_ints=[1, 4])
    network = Foreign(more=[shape, helper.make_node("Reshape", ["p", "one"], ["q"])],
                      outputs={"q": (Kind.FLOAT, ("n", 4))})  # fmt: skip
    result = segmented(network.save(tmp_path / "theirs.onnx"))
    np.testing.assert_allclose(result.probabilities, usual.probabilities, atol=1e-6)
    assert "two patches at once do not give what they give one by one" in caplog.text


@pytest.mark.parametrize(
    ("network", "card", "parts"),
    [
        (Foreign(), {"patch_size_px": 32}, ("takes patches of 24 x 24 px", "patch_size_px 32")),
        (Foreign(shape=("n", 1, 24, 32)), {"patch_size_px": 24}, ("takes patches of 24 x 32 px",)),
        (Foreign(shape=("n", 4, SIDE, SIDE)), {}, ("its input 'x' has 4 channels", "1 or 3")),
        (Foreign(shape=("n", SIDE, SIDE, 4), channels_last=True), {}, ("has 4 channels",)),
        (Foreign(dtype=Kind.BOOL), {}, ("its input 'x' is a tensor(bool)", "float32, float16")),
        (Foreign(dtype=Kind.INT8), {}, ("its input 'x' is a tensor(int8)",)),
        (Foreign(classes=6), {}, ("6 outputs for 4 classes", "correct the classes")),
        (Foreign(classes=2), {}, ("2 outputs for 4 classes",)),
        (Foreign(softmax=False), {}, ("probabilities, but they are", '"output": "logits"')),
        (Foreign(more=[node("Sigmoid", "logits", "q")], outputs={"q": (Kind.FLOAT, ("n", 4))}), {},
         ("probabilities, but they are", "sum")),
        (Foreign(more=[node("Neg", "p", "m"), node("Sqrt", "m", "q")],
                 outputs={"q": (Kind.FLOAT, ("n", 4))}), {}, ("NaN or infinity",)),
        (Foreign(outputs={"image": (Kind.FLOAT, ("n", 1, SIDE, SIDE))}),
         {"classes": [{"name": "a", "colour": "red"}]}, ("24 x 24 positions for one patch of 24 px",)),
        (Foreign(more=[LABEL], outputs={"label": (Kind.INT64, ("n",))}), {},
         ("puts out 'label' of type tensor(int64)", "no numbers for each class")),
        (Foreign(more=[LABEL, ZIPMAP], ml=True, outputs={"label": (Kind.INT64, ("n",)),
                                                         "z": (Kind.UNDEFINED, ())}), {},
         ("'z' of type seq(map(int64,tensor(float)))", "options={'zipmap': False}")),
        (Foreign(inputs={"mask": (Kind.FLOAT, ("n",))}), {}, ("2 inputs ('x', 'mask')",)),
        (Foreign(), {"padding_free": True}, ("24 px only and its card says padding_free",)),
        (Foreign(shape=("n", 1, "h", "w")), {"padding_free": True, "patch_size_px": SIDE},
         ("padding_free with a stride of 12 px, but a tile",)),
        (Foreign(shape=("n", 1, "h", "w")), {}, ("'patch_size_px' is missing", "correct it")),
        (Foreign(), {"stride": 12, "stride_px": None}, ("'stride' is not known; did you mean 'stride_px'",)),
        (Foreign(), {"normalization": {}}, ("did you mean 'normalisation'",)),
        (Foreign(), {"normalisation": {"methods": "fixed"}}, ("normalisation: 'methods'", "'method'")),
        (Foreign(), {"normalisation": {"std": [0.2]}}, ("'std' is not known; known are method, low",)),
        (Foreign(), {"normalisation": "fixed"}, ("'normalisation' is \"fixed\"; it must be an object",)),
        (Foreign(), {"classes": list(NAMES)}, ("'classes' is [", "a list of objects")),
        (Foreign(), {"classes": dict.fromkeys(NAMES, "red")}, ("'classes' is {", "a list of objects")),
        (Foreign(), {"patch_size_px": 24.7}, ("'patch_size_px' is 24.7; it must be a whole number",)),
        (Foreign(), {"stride_px": float("nan")}, ("'stride_px' is NaN; it must be a whole number",)),
        (Foreign(), {"pixel_size_um": True}, ("'pixel_size_um' is true; it must be a number",)),
        (Foreign(), {"padding_free": "false"}, ("'padding_free' is \"false\"; it must be true or",)),
        (Foreign(), {"output": "softmax"}, ("'output' is \"softmax\"; it must be \"logits\" or",)),
        (Foreign(), {"classes": [{"name": n, "color": "red"} for n in NAMES]}, ("did you mean 'colour'",)),
        (Foreign(), {"classes": [{"name": n, "colour": "red"} for n in "abca"]},
         ("several classes named 'a'", "correct it")),
        (Foreign(classes=256), {"classes": [{"name": f"c{i}", "colour": "red"} for i in range(256)]},
         ("256 classes (a label image holds 255)",)),
        (Foreign(), {"patch_size_px": 10**9}, ("patch 1000000000 px", "impossible")),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_right_is_refused_when_it_is_loaded(
    tmp_path, network, card, parts
):
    refused(network.save(tmp_path / "theirs.onnx", **card), *parts)


@pytest.mark.parametrize("shape", [(SIDE,), ("n", SIDE * SIDE), (1, SIDE, SIDE)])
def test_an_input_of_another_rank_is_refused(tmp_path, shape):
    path = tmp_path / "theirs.onnx"
    given = helper.make_tensor_value_info("x", Kind.FLOAT, shape)
    put = helper.make_tensor_value_info("y", Kind.FLOAT, shape)
    graph = helper.make_graph([node("Relu", "x", "y")], "g", [given], [put])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    path.with_suffix(".json").write_text(json.dumps(sidecar(patch_size_px=SIDE)))
    refused(path, "its input 'x' has the shape (", "four axes (batch, channel, row, column)")


def real_classifier(name, classes):
    """A published classifier of 1000 classes, from the tests of the onnx package, with another head.

    There its weights are constants; here they are random numbers.
    """
    folder = Path(onnx.__file__).parent / "backend/test/data/light"
    model = onnx.load(folder / f"light_{name}.onnx")
    rng = np.random.default_rng(0)
    shapes = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for each in [n for n in model.graph.node if n.op_type == "ConstantOfShape"]:
        shape = [classes if side == 1000 else int(side) for side in shapes[each.input[0]]]
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 1e4
        weights = rng.normal(0, np.sqrt(2 / fan_in), shape)
        if len(shape) == 1 and "riv" in each.output[0]:
            weights = np.ones(shape)
        model.graph.initializer.append(
            numpy_helper.from_array(weights.astype("f4"), each.output[0])
        )
        model.graph.node.remove(each)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = classes
    return model


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_a_published_classifier_of_batch_1_and_three_channels_runs(tmp_path, name):
    path = tmp_path / f"{name}.onnx"
    onnx.save(real_classifier(name, 4), path)
    path.with_suffix(".json").write_text(json.dumps(sidecar(stride_px=112)))
    result = segment_array(
        np.random.default_rng(0).integers(0, 255, (224, 112), np.uint8),
        pixel_size_um=UM, models=path, options=OPTIONS,
    )  # fmt: skip
    assert result.probabilities.shape == (4, 2, 1)
    np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, atol=1e-5)
    assert np.ptp(result.probabilities) > 1e-3


def test_a_published_classifier_of_1000_classes_is_more_than_a_label_image_holds(tmp_path):
    path = tmp_path / "squeezenet.onnx"
    onnx.save(real_classifier("squeezenet", 1000), path)
    classes = [{"name": f"n{i}", "colour": "red"} for i in range(1000)]
    path.with_suffix(".json").write_text(json.dumps(sidecar(classes=classes)))
    refused(path, "1000 classes (a label image holds 255)")
    path.with_suffix(".json").write_text(json.dumps(sidecar()))
    refused(path, "1000 outputs for 4 classes")


def test_a_network_that_gives_chance_is_refused(tmp_path):
    noise = helper.make_node("RandomNormalLike", ["p"], ["noise"], scale=5.0)
    network = Foreign(
        more=[noise, helper.make_node("Add", ["p", "noise"], ["q"]), node("Softmax", "q", "r")],
        outputs={"r": (Kind.FLOAT, ("n", 4))},
    )
    refused(network.save(tmp_path / "theirs.onnx"), "another output each time for the same patch")


@pytest.mark.parametrize("text", ["[]", '"card"', "3", "null", "{", "", "\ufeff[1]"])
def test_a_sidecar_that_is_no_object_is_refused_by_its_name(tmp_path, text):
    path = Foreign().save(tmp_path / "theirs.onnx")
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    refused(path, "theirs.json: ")


def test_a_sidecar_may_begin_with_a_mark_of_byte_order(tmp_path):
    path = Foreign().save(tmp_path / "theirs.onnx")
    path.with_suffix(".json").write_text(json.dumps(sidecar()), encoding="utf-8-sig")
    assert load_models(path).card.patch_size_px == SIDE


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


def test_a_card_beside_a_network_that_has_one_is_said_not_to_be_read(random_models, caplog):
    path = random_models.files[0].path
    beside = path.with_suffix(".json")
    beside.write_text("{}")
    try:
        load_models(path)
    finally:
        beside.unlink()
    assert f"{beside} is not read, since {path.name} holds a card of its own" in caplog.text
