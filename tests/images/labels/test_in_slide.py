"""Labels inside a slide lie on its own pixels, are listed, and leave the image as it was."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import zarr
from slides import pixels

from morphinfer.errors import OutputError
from morphinfer.images import create_image, open_labels, open_slide, write_labels_into

pytest_plugins = ["label_images"]

VALUES = np.array([[0, 1, 2], [3, 255, 1]], np.uint8)


@pytest.fixture(params=["0.4", "0.5"])
def slide(request, tmp_path):
    """A slide of 0.5 um pixels and two levels, whose corner lies at (3, 7) um."""
    path = tmp_path / "s.zarr"
    with create_image(
        path, shape=(300, 20), dtype="uint8", pixel_size_um=0.5, origin_um=(3.25, 7.25),
        version=request.param,
    ) as image:  # fmt: skip
        image.write(np.arange(6000, dtype=np.uint8).reshape(300, 20))
    return open_slide(path)


@pytest.fixture
def labels(make):
    """Positions of 4 um over the whole slide."""
    values = np.zeros((38, 3), np.uint8)
    values[:2] = VALUES
    return open_labels(make(values, 4.0, (3.0, 7.0)))


def metadata(group):
    """Attributes of a group, wherever its version keeps them."""
    attributes = dict(zarr.open_group(str(group), mode="r").attrs)
    return attributes.get("ome", attributes)


def files(path):
    own = (p for p in path.rglob("*") if p.is_file() and p.relative_to(path).parts[0] != "labels")
    return {p.relative_to(path): (p.read_bytes(), p.stat().st_mtime_ns) for p in own}


def test_each_pixel_has_the_class_of_its_position(slide, labels):
    written = open_labels(write_labels_into(slide, labels, "regions"))
    assert [level.grid for level in written.image.levels] == [lev.grid for lev in slide.levels]
    expected = np.kron(VALUES, np.ones((8, 8), np.uint8))[:, :20]
    assert np.array_equal(pixels(written.image)[:16], expected)
    assert written.classes == labels.classes


def test_scales_and_translations_are_those_of_the_image(slide, labels):
    path = write_labels_into(slide, labels, "regions")
    of_image, of_labels = (metadata(p)["multiscales"][0] for p in (slide.path, path))
    assert of_labels["axes"] == of_image["axes"]
    for ours, theirs in zip(of_labels["datasets"], of_image["datasets"], strict=True):
        assert ours["coordinateTransformations"] == theirs["coordinateTransformations"]


def test_it_is_listed_beside_others_and_the_image_stays(slide, labels):
    before = files(slide.path)
    write_labels_into(slide, labels, "one")
    write_labels_into(slide, labels, "two")
    assert metadata(slide.path / "labels")["labels"] == ["one", "two"]
    assert files(slide.path) == before
    assert sorted(p.name for p in (slide.path / "labels").iterdir() if p.is_dir()) == ["one", "two"]
    assert open_slide(slide.path).identity == slide.identity


def test_what_is_there_is_replaced_only_on_demand(slide, labels, make):
    path = write_labels_into(slide, labels, "regions")
    kept = path.stat().st_mtime_ns
    write_labels_into(slide, labels, "regions")
    assert path.stat().st_mtime_ns == kept  # the very labels are kept
    attributes = zarr.open_group(str(path), mode="r+").attrs
    attributes["morphinfer"] = {"run": "another"}
    with pytest.raises(OutputError, match="exists already"):
        write_labels_into(slide, labels, "regions")
    write_labels_into(slide, labels, "regions", overwrite=True)
    assert metadata(slide.path / "labels")["labels"] == ["regions"]


def test_labels_of_other_programs_are_never_replaced(slide, labels):
    path = write_labels_into(slide, labels, "cells")
    del zarr.open_group(str(path), mode="r+").attrs["morphinfer"]
    with pytest.raises(OutputError, match="another program"):
        write_labels_into(slide, labels, "cells", overwrite=True)


def test_labels_that_a_process_did_not_come_to_list_are_listed(slide, labels):
    path = write_labels_into(slide, labels, "regions")
    for name in (".zattrs", "zarr.json"):
        (path.parent / name).unlink(missing_ok=True)
    write_labels_into(slide, labels, "regions")
    assert metadata(path.parent)["labels"] == ["regions"]


def test_consolidated_metadata_that_hide_the_labels_are_named(slide, labels, caplog):
    (slide.path / ".zmetadata").write_text("{}")
    with caplog.at_level(logging.WARNING):
        write_labels_into(slide, labels, "regions")
    assert "consolidate" in caplog.text


def test_a_name_that_is_none_is_refused(slide, labels):
    for name in ("a/b", "..", ".a", ""):
        with pytest.raises(OutputError, match="no name"):
            write_labels_into(slide, labels, name)


def test_what_is_no_image_in_a_folder_takes_no_labels(labels, tmp_path):
    zarr.save_array(str(tmp_path / "plain.zarr"), np.zeros((8, 8), np.uint8))
    with pytest.raises(OutputError, match="no OME-Zarr image in a folder"):
        write_labels_into(open_slide(tmp_path / "plain.zarr", pixel_size_um=1), labels, "a")


def test_elements_of_spatialdata_take_none(labels, tmp_path):
    zarr.open_group(str(tmp_path / "sd.zarr"), mode="w", attributes={"spatialdata_attrs": {}})
    (tmp_path / "sd.zarr/images").mkdir()
    path = tmp_path / "sd.zarr/images/dapi"
    with create_image(path, shape=(8, 8), dtype="uint8", pixel_size_um=1) as image:
        image.write(np.ones((8, 8), np.uint8))
    with pytest.raises(OutputError, match="SpatialData store"):
        write_labels_into(open_slide(path), labels, "a")
    assert json.loads((path / "zarr.json").read_text())
