"""The slides in a folder are found, and results among them are known for what they are."""

from __future__ import annotations

import json

import pytest

from morphinfer.images.stores.folders import is_folder_of_slides, slides_in, stored_result


def test_a_folder_gives_its_slides_in_order_without_results(make_slide, noise, tmp_path):
    image = noise(20, 20)
    make_slide(image, name="b.zarr")
    make_slide(image, name="a.zarr", version="0.4")
    make_slide(image, name="b_labels.zarr", more={"image-label": {}})
    make_slide(image, name="a_labels.zarr", version="0.4", more={"image-label": {}})
    make_slide(image, name="c_labels.zarr.unfinished")
    for name in ("d.ozx", "e.ome.tif", "f.QPTIFF", "notes.txt", "b_labels.json", "b_labels.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "more").mkdir()
    names = ["a.zarr", "b.zarr", "d.ozx", "e.ome.tif", "f.QPTIFF"]
    assert [path.name for path in slides_in(tmp_path)] == names


@pytest.mark.parametrize("end", ["probabilities", "uncertainty"])
def test_the_layers_of_a_run_are_results(make_slide, noise, end):
    path = make_slide(noise(20, 20))
    content = json.loads((path / "zarr.json").read_text())
    content["attributes"]["ome"]["multiscales"][0]["name"] = f"slide_labels_{end}"
    (path / "zarr.json").write_text(json.dumps(content))
    assert stored_result(path) == end


@pytest.mark.parametrize("text", ["", "[]", "{", '{"attributes": 1}', '{"attributes": {"ome": 1}}'])
def test_metadata_that_cannot_be_read_are_no_result(make_slide, noise, text):
    path = make_slide(noise(20, 20))
    (path / "zarr.json").write_text(text)
    assert stored_result(path) == ""


def test_a_zarr_folder_is_no_folder_of_slides(make_slide, noise, tmp_path):
    make_slide(noise(20, 20), name="slide")
    (tmp_path / "empty.zarr").mkdir()
    assert is_folder_of_slides(tmp_path)
    for name in ("slide", "empty.zarr", "nothing"):
        assert not is_folder_of_slides(tmp_path / name)
