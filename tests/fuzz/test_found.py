"""Damaged inputs that once ended in a traceback, a hang or gigabytes, rebuilt in a few lines each."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tifffile
from onnx import TensorProto, helper

from morphinfer import MorphinferError, Options, load_ensemble, load_models, open_labels, open_slide
from morphinfer.errors import ConfigError, ModelError, SlideError, SpotsError
from morphinfer.geometry import Window
from morphinfer.networks.cards import METADATA_KEY, encode_card
from morphinfer.runs import make_plan
from networks import card_of

STEPS = [{"type": "scale", "scale": [0.65, 0.65]}]
UNITS: list[Any] = [[0, 0], [None], STEPS, {"path": "0", "coordinateTransformations": STEPS}, 3]
IMPOSSIBLE = 10**30


@pytest.fixture(params=["0.4", "0.5"])
def stack(make_slide, noise, request):
    """An image of two channels and three planes."""
    return make_slide(
        noise(1, 2, 3, 80, 96),
        axes="tczyx",
        version=request.param,
        channels=["DAPI", "GFP"],
        chunk=40,
    )


def edit(path: Path, change: Any) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def array_file(image: Path) -> Path:
    return next(p for p in (image / "s0/.zarray", image / "s0/zarr.json") if p.exists())


def refused(image: Path, models: Any) -> None:
    """Opening, reading or planning ends in one sentence."""

    def use() -> None:
        slide = open_slide(image, pixel_size_um=0.65)
        slide.read(Window(0, 0, 8, 8))
        make_plan(slide, models, Options(provider="cpu"))

    with pytest.raises(SlideError) as caught:
        use()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_the_unit_of_an_axis_is_no_text(stack, unit):
    def change(content):
        attributes = content.get("attributes", content)
        axes = attributes.get("ome", attributes)["multiscales"][0]["axes"]
        axes[3]["unit"] = unit

    file = next(p for p in (stack / ".zattrs", stack / "zarr.json") if p.exists())
    edit(file, change)
    with pytest.raises(MorphinferError):
        open_slide(stack)
    with pytest.raises(MorphinferError):
        open_labels(stack)


@pytest.mark.parametrize("listed", ["properties", "colors"])
def test_the_value_of_a_class_is_infinite(make_slide, listed):
    block: dict[str, Any] = {
        "properties": [{"label-value": 0, "class": "background"}],
        "colors": [],
    }
    block[listed] = [{"label-value": math.inf, "class": "tissue"}]
    path = make_slide(np.zeros((40, 48), np.uint8), more={"image-label": block})
    with pytest.raises(MorphinferError):
        open_labels(path)


@pytest.mark.parametrize("value", [-1, 2**63, -(2**63), 1e308], ids=str)
def test_the_fill_value_does_not_fit_the_data_type(stack, random_models, value):
    edit(array_file(stack), lambda content: content.update(fill_value=value))
    refused(stack, random_models)


@pytest.mark.parametrize("axis", range(5))
def test_chunks_have_no_length(stack, random_models, axis):
    def change(content):
        chunks = content.get("chunks") or content["chunk_grid"]["configuration"]["chunk_shape"]
        chunks[axis] = 0

    edit(array_file(stack), change)
    refused(stack, random_models)


@pytest.mark.parametrize(
    ("axis", "length"),
    [
        (1, 17179869184),
        (1, 2**63),
        (2, 25769803776),
        (3, 687194767360),
        (4, 824633720832),
        (4, IMPOSSIBLE),
    ],
)
def test_an_axis_is_longer_than_any_slide(stack, random_models, axis, length):
    edit(array_file(stack), lambda content: content["shape"].__setitem__(axis, length))
    refused(stack, random_models)


def tags_of(data: bytes) -> dict[int, int]:
    """Offset of the entry of each tag of the first directory of a little-endian file."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [at + 2 + 12 * k for k in range(count)]
    return {struct.unpack_from("<H", data, entry)[0]: entry for entry in entries}


TYPE, COUNT, VALUE = 2, 4, 8
WIDTH, LENGTH, BITS, COMPRESSION, SAMPLES, STRIP_ROWS = 256, 257, 258, 259, 277, 278
TILE_WIDTH, TILE_OFFSETS, TILE_BYTES = 322, 324, 325


@pytest.mark.parametrize(
    ("tag", "field", "form", "value"),
    [
        (WIDTH, COUNT, "I", 2),  # several widths
        (LENGTH, TYPE, "H", 2),  # a text
        (LENGTH, VALUE, "I", 0),
        (BITS, COUNT, "I", 3),
        (BITS, VALUE, "I", 0),
        (COMPRESSION, VALUE, "I", 1),  # compressed tiles as raw ones
        (COMPRESSION, COUNT, "I", 7),
        (SAMPLES, VALUE, "I", 0),
        (SAMPLES, VALUE, "I", 40000),
        (TILE_WIDTH, VALUE, "I", 0),
        (TILE_WIDTH, VALUE, "I", 2**31),
        (TILE_WIDTH, TYPE, "H", 12),  # a real number
        (TILE_OFFSETS, COUNT, "I", 1),
        (TILE_OFFSETS, TYPE, "H", 2),  # a text
        (TILE_BYTES, COUNT, "I", 2),
        (TILE_BYTES, TYPE, "H", 5),  # fractions
    ],
)
def test_a_tag_of_a_tiff_file_cannot_be(tmp_path, tag, field, form, value):
    path = tmp_path / "a.tif"
    image = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
    tifffile.imwrite(path, image, tile=(32, 32), compression="zlib")
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{form}", data, tags_of(data)[tag] + field, value)
    path.write_bytes(data)
    with pytest.raises(SlideError):
        open_slide(path, pixel_size_um=0.65).read(Window(0, 0, 64, 96))


def test_the_pages_of_a_tiff_file_run_in_a_circle(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.zeros((2, 32, 32), np.uint16), photometric="minisblack", metadata=None
    )
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * count, second)
    path.write_bytes(data)
    with pytest.raises(SlideError):
        open_slide(path, pixel_size_um=0.65)


@pytest.mark.parametrize(
    "content",
    [b"gen\xcc,x,y\nA,1,2\n", b"gene\t\xff\ty\nA\t1\t2\n"],
    ids=["gene", "coordinate"],
)
def test_the_header_of_a_table_is_not_utf8(tmp_path, content):
    pytest.importorskip("pyarrow")
    from morphinfer_training.spots import read_spots

    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(SpotsError):
        read_spots(path, pixel_size_um=0.5)


def test_names_in_parquet_are_not_utf8(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    from morphinfer_training.spots import read_spots

    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"gene": ["A", "=cmd"], "x": [1, 2], "yyy": [3, 4]}), path, compression="none"
    )
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"=cmd", b"=c\xa5d").replace(b"yyy", b"y\x00\x00"))
    with pytest.raises(SpotsError):
        read_spots(path, pixel_size_um=0.5)
    path.write_bytes(whole.replace(b"yyy", b"\x89yy"))
    with pytest.raises(SpotsError):
        read_spots(path, pixel_size_um=0.5)


def test_a_configuration_is_nested_without_end(tmp_path):
    pytest.importorskip("pyarrow")
    from morphinfer_training.config import read_config

    path = tmp_path / "a.toml"
    path.write_text(f"name = {'[' * 3000}")
    with pytest.raises(ConfigError):
        read_config(path)


def save_graph(path: Path, nodes: list[Any], weights: list[Any], **card: Any) -> Path:
    """A network of one input x and one output y, with a card."""
    graph = helper.make_graph(
        nodes,
        "found",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, "R", "C"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: encode_card(card_of(48, **card))})
    onnx.save(model, path)
    return path


def constant(name: str, values: Any, kind: int = TensorProto.INT64) -> Any:
    array = np.atleast_1d(values)
    return helper.make_tensor(name, kind, [] if np.isscalar(values) else array.shape, array)


FOUR = helper.make_node("Concat", ["x"] * 4, ["q"], axis=1)
MEAN = helper.make_node("ReduceMean", ["q", "axes"], ["r"], keepdims=1)
AXES = constant("axes", [2, 3])
GRAPHS: dict[str, tuple[list[Any], list[Any]]] = {
    "not a number": (
        [FOUR, MEAN, helper.make_node("Mul", ["r", "nan"], ["y"])],
        [AXES, constant("nan", math.nan, TensorProto.FLOAT)],
    ),
    "no probabilities": ([FOUR, helper.make_node("ReduceMean", ["q", "axes"], ["y"])], [AXES]),
    "another rank": ([helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0)], []),
    "one value a pixel": ([helper.make_node("Concat", ["x"] * 4, ["y"], axis=1)], []),
    "an unknown operator": ([helper.make_node("Evil", ["x"], ["y"], domain="example.org")], []),
    "a constant of 256 GB": (
        [
            helper.make_node("ConstantOfShape", ["side"], ["z"]),
            helper.make_node("ReduceSum", ["z"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["more"]),
            helper.make_node("Concat", ["more"] * 4, ["y"], axis=1),
        ],
        [constant("side", [2**36])],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_network_cannot_be_used(tmp_path, name):
    path = save_graph(tmp_path / "a.onnx", *GRAPHS[name])
    with pytest.raises(MorphinferError) as caught:
        load_ensemble(path, Options(provider="cpu"))
    assert "\n" not in str(caught.value)


def test_a_network_is_cut_short(tmp_path):
    path = save_graph(tmp_path / "a.onnx", *GRAPHS["one value a pixel"])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError):
        load_models(path)


def test_metadata_of_a_network_are_no_text(tmp_path):
    path = save_graph(tmp_path / "a.onnx", *GRAPHS["one value a pixel"])
    path.write_bytes(path.read_bytes().replace(b"background", b"backgroun\xef"))
    with pytest.raises(ModelError, match="no text"):
        load_models(path)


def test_a_number_of_a_configuration_is_larger_than_any(tmp_path):
    pytest.importorskip("pyarrow")
    from morphinfer_training.config import read_config

    path = tmp_path / "a.toml"
    path.write_text(f'name = "a"\npixel_size_um = {"9" * 400}\nsections = []')
    with pytest.raises(ConfigError):
        read_config(path)
