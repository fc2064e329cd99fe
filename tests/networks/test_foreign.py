"""Foreign networks run as they are, or are refused when they are loaded, in one sentence."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from foreign import NAMES, OPTIONS, SIDE, UM, Foreign, node, refused, segmented, sidecar
from onnx import TensorProto as Kind
from onnx import helper, numpy_helper

from morphinfer import segment_array


@pytest.fixture
def usual(tmp_path):
    """What the usual export gives."""
    return segmented(Foreign().save(tmp_path / "usual.onnx"))


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
