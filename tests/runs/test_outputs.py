"""Results lie beside the outermost zarr group that holds a slide, under a name of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from morphinfer import open_slide, slide_from_array
from morphinfer.runs import default_out


@pytest.mark.parametrize(
    ("groups", "image", "expected"),
    [
        ([], "s.zarr", "s_labels.zarr"),
        ([], "s.ome.zarr", "s_labels.zarr"),
        ([], "s", "s_labels.zarr"),
        (["s.zarr"], "s.zarr/0", "s_labels.zarr"),
        (["s.zarr"], "s.zarr/1", "s_1_labels.zarr"),
        (["s.zarr", "s.zarr/images"], "s.zarr/images/dapi", "s_images_dapi_labels.zarr"),
        (["p.ome.zarr", "p.ome.zarr/A/1"], "p.ome.zarr/A/1/0", "p_A_1_0_labels.zarr"),
    ],
)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("relative", [False, True])
def test_results_climb_out_of_every_group(
    make_slide, noise, tmp_path, monkeypatch, groups, image, expected, zarr_format, relative
):
    for path in groups:
        zarr.open_group(str(tmp_path / path), mode="a", zarr_format=zarr_format)
    make_slide(noise(20, 20), name=image)
    monkeypatch.chdir(tmp_path)
    slide = open_slide(image if relative else tmp_path / image)
    assert default_out(slide) == (Path() if relative else tmp_path) / expected


def test_results_of_a_folder_inside_a_group_lie_outside_too(
    make_slide, noise, tmp_path, monkeypatch
):
    zarr.open_group(str(tmp_path / "s.zarr"), mode="w")
    path = make_slide(noise(20, 20), name="s.zarr/images/dapi")
    monkeypatch.chdir(path)
    assert default_out(open_slide(".")) == tmp_path / "s_images_dapi_labels.zarr"
    make_slide(noise(20, 20), name="other.zarr")
    assert default_out(open_slide("../../../other.zarr")) == tmp_path / "other_labels.zarr"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/data/s.ome.zarr", "s_labels.zarr"),
        ("s3://bucket/s.zarr/images/dapi", "s_images_dapi_labels.zarr"),
        ("s3://bucket/s.zarr/0", "s_labels.zarr"),
        ("https://example.org/data/slide", "slide_labels.zarr"),
    ],
)
def test_results_of_a_remote_slide_lie_in_the_current_folder(make_slide, noise, url, expected):
    slide = replace(open_slide(make_slide(noise(20, 20))), path=None, url=url)
    assert default_out(slide) == Path(expected)


def test_results_of_an_array_bear_its_name():
    slide = slide_from_array(np.zeros((4, 4), np.uint8), 0.5, "a")
    assert default_out(slide) == Path("a_labels.zarr")
