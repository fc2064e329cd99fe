"""Label images of other tools: any integers, named or not, with 0 as unlabelled where it has no name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError
from morphinfer.geometry import Window
from morphinfer.images.labels.classes import Codes
from morphinfer.images.labels.opening import open_labels
from morphinfer.scoring import evaluate

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def block_of(named, **more):
    return {"properties": [{"label-value": v, "class": n} for v, n in named.items()], **more}


@pytest.fixture
def labels(make_slide):
    """Write values as a label image of another tool."""

    def make(values, dtype="uint8", named=None, block=None, **fields):
        values = np.asarray(values).astype(dtype)
        block = block_of(named or {}) if block is None else block
        return make_slide(values, scales=[4.0], more={"image-label": block}, **fields)

    return make


def read(path):
    image = open_labels(path)
    return image.read(Window(0, 0, *image.image.shape)).tolist()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_any_integer_type_is_read(labels, dtype, version):
    path = labels([[0, 1, 2]], dtype, {0: "background", 1: "a", 2: "b"}, version=version)
    assert read(path) == [[0, 1, 2]]
    assert evaluate(path, path).mean_dice == 1


@pytest.mark.parametrize(
    ("dtype", "named", "values", "expected"),
    [
        ("uint8", {1: "a", 3: "b"}, [[0, 1, 3]], [[255, 0, 1]]),
        ("uint8", {1: "a", 3: "b"}, [[255, 1, 3]], [[255, 0, 1]]),
        ("uint8", {255: "a", 0: "b"}, [[255, 0, 0]], [[1, 0, 0]]),
        ("uint16", {300: "a", 7: "b"}, [[300, 7, 0]], [[1, 0, 255]]),
        ("int16", {-1: "Unlabelled", 0: "a", 5: "b"}, [[-1, 0, 5]], [[255, 0, 1]]),
        ("int64", {2**40: "a", 1: "b"}, [[2**40, 1, 0]], [[1, 0, 255]]),
        ("int8", {300: "never", 1: "b"}, [[1, 0, 1]], [[0, 255, 0]]),
    ],
)
def test_values_mean_what_the_metadata_name_and_0_without_a_name_nothing(
    labels, dtype, named, values, expected
):
    assert read(labels(values, dtype, named)) == expected


def test_names_may_be_under_another_key_and_zero_have_one(labels):
    block = {
        "properties": [{"label-value": 0, "name": "glass"}, {"label-value": 9, "class": "a"}],
        "colors": [{"label-value": 9, "rgba": [1, 2, 3, 4]}, {"label-value": 7, "rgba": None}],
    }
    path = labels([[0, 9]], "uint16", block=block)
    assert [(c.name, c.colour) for c in open_labels(path).classes] == [
        ("glass", "#000000"), ("a", "#010203")
    ]  # fmt: skip
    assert read(path) == [[0, 1]]


def test_a_mask_of_true_and_false_is_read(labels):
    assert read(labels([[False, True]], "bool", {0: "a", 1: "b"})) == [[0, 1]]
    assert read(labels([[False, True]], "bool", {1: "b"})) == [[255, 0]]


def test_a_value_of_the_metadata_that_is_no_integer_is_refused(labels):
    with pytest.raises(AlignmentError, match=r"malformed .*label-value 0\.5"):
        open_labels(labels([[0, 1]], named={0: "a", 0.5: "b"}))


def test_a_file_is_no_label_image(tmp_path):
    (tmp_path / "labels.tif").write_bytes(b"II*\0")
    with pytest.raises(AlignmentError, match=r"labels\.tif: a file, and a label image is a folder"):
        open_labels(tmp_path / "labels.tif")


def test_a_value_that_is_not_named_is_refused_where_it_is_read(labels):
    image = open_labels(labels([[1, 2]], "int32", {1: "a"}))
    with pytest.raises(
        AlignmentError, match=r"slide\.zarr has the value 2, which .*\(they name 1\)"
    ):
        image.read(Window(0, 0, 1, 2))
    assert image.read(Window(0, 0, 1, 1)) == 0


@pytest.mark.parametrize(
    ("named", "part"),
    [
        ([(1, "a"), (2, "a")], "the values 1, 2 are all named 'a'"),
        ([(1, "a"), (1, "b")], "the value 1 has several names"),
        ([(i, str(i)) for i in range(1, 300)], "more than 255 classes"),
    ],
)
def test_names_that_contradict_themselves_are_refused(labels, named, part):
    block = {"properties": [{"label-value": v, "class": n} for v, n in named]}
    with pytest.raises(AlignmentError, match=rf"slide\.zarr: {part}"):
        open_labels(labels([[1, 2]], "uint16", block=block))


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"colors": [{"label-value": 1, "rgba": [1, 2, 3]}]},
        {"properties": [{"label-value": 1, "area": 3}]},
    ],
)
def test_without_names_the_values_are_the_names(labels, caplog, block):
    path = labels([[0, 5, 300]], "uint32", block=block)
    assert [c.name for c in open_labels(path).classes] == ["5", "300"]
    assert read(path) == [[255, 0, 1]]
    text = "names no classes, so they have the names of its values, 5, 300; 0 is unlabelled"
    assert open_labels(path).warnings == (f"{path}: {text}",)
    assert text in caplog.text


def test_a_label_image_without_names_is_compared_by_match(labels, make_slide):
    ours = labels([[0, 1, 1]], named={0: "background", 1: "tissue"}, name="ours.zarr")
    theirs = labels([[1, 2, 0]], "uint32", block={}, name="theirs.zarr")
    agreement = evaluate(ours, theirs, match={"1": "background", "2": "tissue"})
    assert (agreement.mean_dice, agreement.pixels_compared) == (1, 2)
    assert "names no classes" in agreement.warnings[0]


def test_an_image_in_a_group_of_labels_needs_no_block(make_slide):
    path = make_slide(np.array([[0, 4]], np.uint16), name="s.zarr/labels/regions")
    assert [c.name for c in open_labels(path).classes] == ["4"]


def test_single_objects_are_no_classes(labels):
    with pytest.raises(
        AlignmentError, match="more than 255 classes; if its values number single obj"
    ):
        open_labels(labels(np.arange(400).reshape(20, 20), "uint32", block={}))


def test_a_label_image_of_zeros_without_names_is_refused(labels):
    with pytest.raises(AlignmentError, match="no pixel has another value than 0"):
        open_labels(labels(np.zeros((4, 4)), "uint32", block={}))


def test_a_label_image_of_several_planes_is_refused(make_slide):
    path = make_slide(
        np.zeros((3, 4, 4), np.uint8), axes="zyx", more={"image-label": block_of({0: "a"})}
    )
    with pytest.raises(AlignmentError, match="several planes along z"):
        open_labels(path)
    one = make_slide(
        np.zeros((1, 4, 4), np.uint8), axes="zyx", more={"image-label": block_of({0: "a"})}
    )
    assert read(one) == [[0] * 4] * 4


@given(st.sampled_from(INTEGERS), st.data())
def test_decoding_is_a_table(dtype, data):
    limits = np.iinfo(dtype)
    numbers = st.integers(limits.min, limits.max)
    values = data.draw(st.lists(numbers, min_size=2, max_size=9, unique=True))
    codes = Codes(tuple(values[:-1]), (values[-1],))
    picked = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=20))
    block = np.array([values[i] for i in picked], dtype)
    expected = [i if i < len(values) - 1 else UNLABELLED for i in picked]
    assert codes.decode(block, "l").tolist() == expected
