"""What a file claims beyond a limit is refused before it costs time or memory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from morphinfer.errors import ModelError, OptionsError, SlideError
from morphinfer.images import open_slide
from morphinfer.images.ngff import parse_multiscale
from morphinfer.images.slides.checks import check_array
from morphinfer.images.stores.contents import MOST_FILES, some_places
from morphinfer.limits import LIMITS, limit, parse_json, variable
from morphinfer.networks.cards import decode_card

DOCS = Path(__file__).parents[1] / "docs" / "formats.md"
LEVEL = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}


class Claimed:
    """An array that exists in its metadata alone."""

    dtype = np.dtype("uint16")

    def __init__(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        self.shape, self.chunks, self.ndim = shape, chunks, len(shape)


@pytest.mark.parametrize(
    ("array", "axes", "said"),
    [
        (Claimed((10**6, 10**9), (512, 512)), "yx", "more than 10000000 pixels along a side"),
        (Claimed((2**31, 2**31), (512, 512)), "yx", "more than 10000000 pixels along a side"),
        (Claimed((10**6, 10**6), (512, 512)), "yx", "MORPHINFER_MOST_PIXELS"),
        (Claimed((40000, 40000), (40000, 40000)), "yx", "chunks of 3200 MB once decoded"),
        (Claimed((20000, 512, 512), (1, 512, 512)), "cyx", "20000 channels"),
    ],
)
def test_an_array_claims_more_than_the_limit(array, axes, said):
    with pytest.raises(SlideError, match=said):
        check_array(array, axes, "a.zarr")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"multiscales": [{"axes": ["y", "x"], "datasets": [LEVEL] * 65}]}, "lists 65 levels"),
        (
            {"multiscales": [{"axes": ["y", "x"], "datasets": [LEVEL | {"path": "a" * 1001}]}]},
            "1001 characters",
        ),
        (
            {
                "multiscales": [{"axes": ["y", "x"], "datasets": [LEVEL]}],
                "omero": {"channels": [{}] * 10_001},
            },
            "names 10001 channels",
        ),
    ],
)
def test_metadata_list_more_than_the_limit(changed, said):
    with pytest.raises(SlideError, match=said):
        parse_multiscale({"ome": {"version": "0.5", **changed}}, "a.zarr")


def test_a_long_channel_name_is_cut():
    image = {"multiscales": [{"axes": ["y", "x"], "datasets": [LEVEL]}]}
    named = {"ome": {"version": "0.5", **image, "omero": {"channels": [{"label": "A" * 10**6}]}}}
    assert parse_multiscale(named, "a.zarr").channels == ("A" * 1000,)


def test_a_limit_of_the_environment_counts(monkeypatch):
    monkeypatch.setenv(variable("MOST_PIXELS"), "2000000000000")
    check_array(Claimed((10**6, 10**6), (512, 512)), "yx", "a.zarr")
    monkeypatch.setenv(variable("MOST_PIXELS"), "many")
    with pytest.raises(OptionsError, match="'many'"):
        limit("MOST_PIXELS")


def test_json_beyond_the_limits_is_refused(monkeypatch):
    for depth in (101, 100_000):
        with pytest.raises(ValueError, match="nested more than 100"):
            parse_json("[" * depth + "]" * depth)
    assert parse_json(b"\xef\xbb\xbf" + b"[" * 100 + b"]" * 100)
    monkeypatch.setenv(variable("MOST_METADATA_MB"), "1")
    with pytest.raises(ValueError, match="2 MB of JSON"):
        parse_json(json.dumps("a" * 2_000_000))


def test_metadata_of_a_slide_beyond_the_limit_are_not_read(make_slide, monkeypatch):
    path = make_slide(np.zeros((40, 48), np.uint16), more={"a": "a" * 2_000_000})
    monkeypatch.setenv(variable("MOST_METADATA_MB"), "1")
    with pytest.raises(SlideError, match="2 MB, more than 1"):
        open_slide(path)


def test_test_vectors_beyond_the_limit_are_not_unpacked():
    forged = {"shape": [2**20, 2**20], "float32": ""}
    card = {
        "classes": [{"name": "a", "colour": "red"}],
        "pixel_size_um": 1,
        "patch_size_px": 8,
        "test_vectors": [{"image": forged, "probabilities": forged}],
    }
    with pytest.raises(ModelError, match="test vectors of"):
        decode_card(json.dumps(card), "a.onnx")


def test_some_of_many_files_are_looked_at():
    assert list(some_places([range(2), range(5, 7)])) == [(0, 5), (0, 6), (1, 5), (1, 6)]
    assert len(list(some_places([range(10**5), range(10**6)]))) == MOST_FILES


def test_the_limits_are_those_of_the_docs():
    rows = re.findall(r"`MORPHINFER_(\w+)` \| ([\d ]+)", DOCS.read_text(encoding="utf-8"))
    assert {name: int(value.replace(" ", "")) for name, value in rows} == LIMITS
