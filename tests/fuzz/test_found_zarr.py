"""Damaged OME-Zarr images that once ended in a traceback, a hang or gigabytes, rebuilt in a few lines."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morphinfer import MorphinferError, Options, open_labels, open_slide
from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.runs import make_plan

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


@pytest.mark.parametrize("length", [256, 1000, 10_000_000])
def test_the_path_of_a_level_is_longer_than_a_file_name(make_slide, length):
    path = make_slide(np.zeros((40, 48), np.uint8), version="0.5")
    edit(path / "zarr.json", lambda content: rename_level(content, "a" * length))
    with pytest.raises(SlideError):
        open_slide(path)


def rename_level(content: Any, name: str) -> None:
    content["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = name
