"""Pyramids: the same bytes however the rows arrive, levels as an oracle makes them, valid metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from morphinfer.errors import OutputError
from morphinfer.images.ngff import display_window
from morphinfer.images.writing.downsampling import halve_by_mean, level_shapes
from morphinfer.images.writing.multiscale import (
    ImageSpec,
    create_image,
    write_image,
)

VERSIONS = ["0.4", "0.5"]


def write(path, image, bands=None, **options):
    fields = {"shape": image.shape, "dtype": image.dtype, "pixel_size_um": 0.5, **options}
    with create_image(path, **fields) as writer:
        row = 0
        for height in bands or [image.shape[0]]:
            writer.write(image[row : row + height])
            row += height
    return path


def levels(path):
    group = zarr.open_group(str(path), mode="r")
    return [group[str(k)][...] for k in range(len(list(group.array_keys())))]


def everything(path: Path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_bytes_are_written_in_any_band_heights(tmp_path, noise, version):
    image = noise(300, 270)
    options = {"chunk": 64, "version": version, "channel": "DAPI"}
    found = []
    for place, bands in (("a", None), ("b", [1] * 300), ("c", [63, 2, 129, 0, 106])):
        (tmp_path / place).mkdir()
        found.append(everything(write(tmp_path / place / "s.zarr", image, bands, **options)))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 600), (513, 1), (511, 513), (512, 512), (257, 300)])
def test_the_levels_of_images_of_odd_sizes_are_halved_one_by_one(tmp_path, noise, shape):
    image = noise(*shape)
    found = levels(write(tmp_path / "s.zarr", image, chunk=128))
    assert [level.shape for level in found] == level_shapes(shape)
    for level in found:
        np.testing.assert_array_equal(level, image)
        image = halve_by_mean(image)


def test_a_buffer_that_the_caller_fills_again_is_not_kept(tmp_path, noise):
    image = noise(10, 8)
    buffer = np.empty((1, 8), np.uint16)
    with create_image(tmp_path / "s.zarr", shape=(10, 8), dtype="u2", pixel_size_um=1) as writer:
        for row in image:
            buffer[0] = row
            writer.write(buffer)
    np.testing.assert_array_equal(levels(tmp_path / "s.zarr")[0], image)


def test_an_image_appears_only_when_it_is_complete(tmp_path, noise):
    path = tmp_path / "s.zarr"
    with create_image(path, shape=(10, 8), dtype="u2", pixel_size_um=1) as writer:
        writer.write(noise(10, 8))
        assert not path.exists()
    assert path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


@pytest.mark.parametrize("rows", [0, 9, 11])
def test_rows_that_are_missing_or_too_many_leave_nothing_behind(tmp_path, noise, rows):
    with (
        pytest.raises(ValueError, match="rows"),
        create_image(tmp_path / "s.zarr", shape=(10, 8), dtype="u2", pixel_size_um=1) as writer,
    ):
        writer.write(noise(rows, 8))
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_width_leave_nothing_behind(tmp_path, noise):
    with (
        pytest.raises(ValueError, match=r"shape|broadcast"),
        create_image(tmp_path / "s.zarr", shape=(10, 8), dtype="u2", pixel_size_um=1) as writer,
    ):
        writer.write(noise(10, 1))
    assert list(tmp_path.iterdir()) == []


def fail_halfway(path, problem, **options):
    with create_image(path, shape=(10, 8), dtype="u2", pixel_size_um=1, **options) as writer:
        writer.write(np.ones((5, 8), np.uint16))
        raise problem


def test_an_error_while_writing_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="the network failed"):
        fail_halfway(tmp_path / "s.zarr", RuntimeError("the network failed"))
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_overwriting_keeps_the_old_one(tmp_path, noise):
    path = write(tmp_path / "s.zarr", noise(10, 8))
    before = everything(path)
    with pytest.raises(KeyboardInterrupt):
        fail_halfway(path, KeyboardInterrupt(), overwrite=True)
    assert everything(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_overwriting_replaces_the_whole_image(tmp_path, noise):
    path = write(tmp_path / "s.zarr", noise(600, 8))
    image = noise(4, 4, seed=1)
    write(path, image, overwrite=True)
    np.testing.assert_array_equal(levels(path), [image])


def test_an_existing_image_is_not_touched_without_overwrite(tmp_path, noise):
    path = write(tmp_path / "s.zarr", noise(10, 8))
    before = everything(path)
    with pytest.raises(OutputError, match="`overwrite=True`"):
        write(path, noise(10, 8))
    assert everything(path) == before


def test_channels_may_be_fed_in_any_order(tmp_path, noise):
    image = noise(2, 300, 280)
    spec = ImageSpec("s", (2, 300, 280), np.dtype("u2"), 1, chunk=128, channels=("a", "b"))
    with write_image(tmp_path / "s.zarr", spec) as (first, second):
        second.write(image[1, :200])
        first.write(image[0])
        second.write(image[1, 200:])
    fine, coarse = levels(tmp_path / "s.zarr")
    np.testing.assert_array_equal(fine, image)
    np.testing.assert_array_equal(coarse, [halve_by_mean(plane) for plane in image])


def test_a_channel_that_was_not_fed_leaves_nothing_behind(tmp_path, noise):
    spec = ImageSpec("s", (2, 10, 8), np.dtype("u2"), 1, channels=("a", "b"))
    with (
        pytest.raises(ValueError, match="10 of 10 rows were never written"),
        write_image(tmp_path / "s.zarr", spec) as (first, _),
    ):
        first.write(noise(10, 8))
    assert list(tmp_path.iterdir()) == []


# Metadata, by the schemas at https://github.com/ome/ngff (0.4/schemas, 0.5/schemas)


def check_image(content, ndim):
    (block,) = content["multiscales"]
    assert [a["name"] for a in block["axes"]] == list("cyx")[-ndim:]
    for axis in block["axes"]:
        assert axis["type"] == ("channel" if axis["name"] == "c" else "space")
        assert axis.get("unit", "micrometer") == "micrometer"
    assert block["datasets"]
    for dataset in block["datasets"]:
        first, second = dataset["coordinateTransformations"]
        assert (first["type"], second["type"]) == ("scale", "translation")
        assert len(first["scale"]) == len(second["translation"]) == ndim
    sizes = [d["coordinateTransformations"][0]["scale"][-1] for d in block["datasets"]]
    assert sizes == sorted(sizes)
    for channel in content.get("omero", {"channels": []})["channels"]:
        assert set(channel["window"]) == {"start", "end", "min", "max"}
        assert channel["window"]["start"] < channel["window"]["end"]
        assert len(bytes.fromhex(channel["color"])) == 3
    return block


def test_a_0_4_image_is_valid_by_the_specification(tmp_path, noise):
    path = write(tmp_path / "s.zarr", noise(300, 20), version="0.4", channel="DAPI")
    content = json.loads((path / ".zattrs").read_text())
    assert check_image(content, 2)["version"] == "0.4"
    assert json.loads((path / ".zgroup").read_text()) == {"zarr_format": 2}
    for dataset in content["multiscales"][0]["datasets"]:
        array = json.loads((path / dataset["path"] / ".zarray").read_text())
        assert (array["zarr_format"], array["dimension_separator"]) == (2, "/")
    assert (path / "0" / "0" / "0").is_file()


@pytest.mark.parametrize("channel", [None, "DAPI"])
def test_a_0_5_image_is_valid_by_the_specification(tmp_path, noise, channel):
    path = write(tmp_path / "s.zarr", noise(300, 20), version="0.5", channel=channel)
    group = json.loads((path / "zarr.json").read_text())
    assert (group["zarr_format"], group["node_type"]) == (3, "group")
    content = group["attributes"]["ome"]
    assert content["version"] == "0.5"
    assert "version" not in check_image(content, 2)
    assert ("omero" in content) == (channel is not None)
    for dataset in content["multiscales"][0]["datasets"]:
        array = json.loads((path / dataset["path"] / "zarr.json").read_text())
        assert (array["zarr_format"], array["dimension_names"]) == (3, ["y", "x"])


@pytest.mark.parametrize("version", VERSIONS)
def test_an_image_of_channels_is_valid_by_the_specification(tmp_path, noise, version):
    path = tmp_path / "s.zarr"
    spec = ImageSpec("s", (2, 20, 30), np.dtype("u2"), None, version=version, channels=("a", "b"))
    with write_image(path, spec) as writers:
        for writer in writers:
            writer.write(noise(20, 30))
    attributes = dict(zarr.open_group(str(path), mode="r").attrs)
    content = attributes.get("ome", attributes)
    block = check_image(content, 3)
    assert all("unit" not in axis for axis in block["axes"])
    assert [c["label"] for c in content["omero"]["channels"]] == ["a", "b"]


@pytest.mark.parametrize("version", VERSIONS)
def test_further_attributes_stand_where_the_specification_wants_them(tmp_path, noise, version):
    more = {"image-label": {"x": 1}, "morphinfer": {"y": 2}}
    path = write(tmp_path / "s.zarr", noise(4, 4), version=version, attributes=more)
    attributes = dict(zarr.open_group(str(path), mode="r").attrs)
    assert attributes["morphinfer"] == {"y": 2}
    assert attributes.get("ome", attributes)["image-label"] == {"x": 1}


@pytest.mark.parametrize(
    ("image", "window"),
    [
        (np.array([[3, 9]], np.uint16), (3, 9, 0, 65535)),
        (np.array([[4, 4]], np.uint8), (4, 5, 0, 255)),
        (np.array([[-1.0, np.nan, 2.0]], np.float32), (-1, 2, -1, 2)),
        (np.array([[np.nan]], np.float32), (0, 1, 0, 1)),
    ],
)
def test_an_image_is_shown_from_its_darkest_to_its_brightest_pixel(image, window):
    limits = display_window(image)
    assert tuple(limits[k] for k in ("start", "end", "min", "max")) == window


@pytest.mark.parametrize("chunk", [-2, 0, 7])
def test_chunks_whose_side_is_not_even_are_refused_before_anything_is_made(tmp_path, noise, chunk):
    with pytest.raises(
        OutputError, match=f"s: chunks of {chunk} pixels; .* must be an even number"
    ):
        write(tmp_path / "s.zarr", noise(20, 20), chunk=chunk)
    assert not list(tmp_path.iterdir())
