"""Label images: written by tile, read back with their classes, lying exactly over the slide."""

from __future__ import annotations

import re

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slides import pixels

from morphinfer.classes import UNLABELLED, LabelClass, default_classes
from morphinfer.errors import AlignmentError, OutputError, SlideError
from morphinfer.geometry import PixelGrid, TileGrid, Window
from morphinfer.images.labels.label_image import Layout, create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.opening import open_slide
from morphinfer.images.writing.multiscale import create_image, write_image

VERSIONS = ["0.4", "0.5"]
CLASSES = default_classes(("background", "tissue", "Gad1", "Slc17a7"))


def write(path, values, tile=16, **options):
    grid = PixelGrid(values.shape, 5.0, (0.0, 0.0))
    with create_labels(path, **{"grid": grid, "classes": CLASSES, **options}) as writer:
        for band in TileGrid(*values.shape, tile).bands():
            for window in band:
                writer.write(window, values[window.slices])
    return path


def classes_of(*shape, seed=3):
    return np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
def test_tiles_are_read_back_as_they_were_written(tmp_path, height, width, tile):
    values = classes_of(height, width)
    path = write(tmp_path / "l.zarr", values, tile, overwrite=True)
    np.testing.assert_array_equal(pixels(open_labels(path).image), values)


@pytest.mark.parametrize("version", VERSIONS)
def test_larger_label_images_have_coarser_levels_by_the_mode(tmp_path, version):
    values = np.repeat(np.repeat(classes_of(150, 140), 2, axis=0), 2, axis=1)
    labels = open_labels(write(tmp_path / "l.zarr", values, 64, version=version))
    coarse = labels.read(Window(0, 0, 150, 140), level=1)
    np.testing.assert_array_equal(coarse, values[::2, ::2])


@pytest.mark.parametrize("version", VERSIONS)
def test_names_colours_and_roles_of_the_classes_are_kept(tmp_path, version):
    classes = (
        LabelClass("background", "#000000", "target"), LabelClass("Gad1", "#12ab9f", "target"),
        LabelClass("stroma", "#808080", "tissue"), LabelClass("glass", "#010101", "background"),
    )  # fmt: skip
    path = write(tmp_path / "l.zarr", classes_of(5, 5), classes=classes, version=version)
    assert open_labels(path).classes == classes


@pytest.mark.parametrize("version", VERSIONS)
def test_unlabelled_is_named_on_disk_and_is_no_class(tmp_path, version):
    path = write(tmp_path / "l.zarr", np.full((5, 5), UNLABELLED, np.uint8), version=version)
    attributes = dict(zarr.open_group(str(path), mode="r").attrs)
    block = attributes.get("ome", attributes)["image-label"]
    assert {"label-value": 255, "class": "unlabelled"} in block["properties"]
    assert {"label-value": 255, "rgba": [0, 0, 0, 0]} in block["colors"]
    assert open_labels(path).classes == CLASSES
    assert (pixels(open_labels(path).image) == UNLABELLED).all()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("corner", [(0.0, 0.0), (-0.1625, 1234.5)])
def test_corner_and_pixel_size_are_kept(tmp_path, version, corner):
    grid = PixelGrid((300, 5), 5.2, corner)
    path = write(tmp_path / "l.zarr", classes_of(300, 5), grid=grid, version=version)
    image = open_labels(path).image
    assert image.version == version
    assert (image.shape, image.pixel_size_um) == ((300, 5), 5.2)
    assert image.grid.corner_um == pytest.approx(corner)
    assert image.levels[1].grid.corner_um == pytest.approx(corner)


@pytest.mark.parametrize("size", [0.5, 5.0, 7.3, 12.0])
def test_values_are_looked_up_at_the_centres_of_another_grid(tmp_path, size):
    values = classes_of(30, 40)
    labels = open_labels(write(tmp_path / "l.zarr", values))
    grid = PixelGrid((70, 60), size, (12.5, -13.0))
    window = grid.window(labels.image.grid)
    rows = (12.5 + (np.arange(window.row, window.row_stop) + 0.5) * size) // 5.0
    cols = (-13.0 + (np.arange(window.col, window.col_stop) + 0.5) * size) // 5.0
    assert rows.size
    assert cols.size
    np.testing.assert_array_equal(
        labels.look_up(grid, window), values[np.ix_(rows.astype(int), cols.astype(int))]
    )


def test_the_record_is_published_as_it_is_when_the_writer_closes(tmp_path):
    path = write(tmp_path / "l.zarr", classes_of(5, 5), record={"models": "m"})
    assert open_labels(path).record == {"models": "m"}


@pytest.mark.parametrize("translations", [None, [(100.0, -50.0)]])
@pytest.mark.parametrize("shape", [(1, 1), (37, 53), (160, 96)])
def test_the_corners_of_the_labels_lie_on_those_of_the_slide(
    tmp_path, make_slide, noise, shape, translations
):
    stride_px, size = 8, 0.65
    slide = open_slide(make_slide(noise(*shape), scales=[size], translations=translations))
    grid = slide.grid.cover(stride_px * size)
    path = write(tmp_path / "l.zarr", classes_of(*grid.shape), grid=grid)
    labels = open_labels(path).image.grid
    assert labels.corner_um == pytest.approx(slide.grid.corner_um)
    for end_of_slide, end_of_labels in zip(slide.grid.extent_um, labels.extent_um, strict=True):
        assert -1e-9 <= end_of_labels - end_of_slide < stride_px * size


def test_an_image_without_classes_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20, dtype="uint8"))
    with pytest.raises(AlignmentError, match="not a label image that can be read"):
        open_labels(path)


def test_labels_that_are_no_integers_are_refused(make_slide, noise):
    block = {"properties": [{"label-value": 0, "class": "background"}]}
    path = make_slide(noise(20, 20, dtype="float32"), more={"image-label": block})
    with pytest.raises(AlignmentError, match="it needs integers"):
        open_labels(path)


def test_labels_of_another_tool_may_have_no_colours(make_slide, noise):
    block = {"properties": [{"label-value": 0, "class": "a"}, {"label-value": 1, "class": "b"}]}
    path = make_slide(noise(20, 20, dtype="uint8"), more={"image-label": block})
    assert open_labels(path).classes == (
        LabelClass("a", "#000000", "target"), LabelClass("b", "#000000", "target"),
    )  # fmt: skip
    assert open_labels(path).record == {}


def test_classes_without_a_role_have_that_of_their_name(make_slide, noise):
    stated = {"glass": "background", "tissue": "target"}
    block = {
        "properties": [
            {
                "label-value": value,
                "class": name,
                **({"role": stated[name]} if name in stated else {}),
            }
            for value, name in enumerate(("Gad1", "glass", "Tissue", "Background", "tissue"))
        ]
    }
    path = make_slide(noise(20, 20, dtype="uint8"), more={"image-label": block})
    assert [c.role for c in open_labels(path).classes] == [
        "target", "background", "tissue", "background", "target",
    ]  # fmt: skip


@pytest.mark.parametrize("role", ["Background", "gene", "", 0, ["tissue"]])
def test_an_unknown_role_is_refused_with_the_known_ones(make_slide, noise, role):
    block = {"properties": [{"label-value": 0, "class": "a", "role": role}]}
    path = make_slide(noise(20, 20, dtype="uint8"), more={"image-label": block})
    message = (
        rf"zarr: class 'a' has the role {re.escape(repr(role))}; a role is background, tissue or"
    )
    with pytest.raises(AlignmentError, match=message):
        open_labels(path)


@pytest.mark.parametrize(
    "block",
    [
        "image-label", {"properties": [{"class": "a"}]}, {"properties": 3},
        {"properties": [{"label-value": 0, "class": "a"}], "colors": [{"label-value": 0,
                                                                       "rgba": [300, 0, 0]}]},
    ],
)  # fmt: skip
def test_a_malformed_image_label_block_is_refused(make_slide, noise, block):
    path = make_slide(noise(20, 20, dtype="uint8"), more={"image-label": block})
    with pytest.raises(AlignmentError):
        open_labels(path)


def test_labels_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(SlideError, match="no such file"):
        open_labels(tmp_path / "l.zarr")


def test_a_tile_that_is_missing_leaves_nothing_behind(tmp_path):
    with (
        pytest.raises(ValueError, match="3 of 3 rows were never written"),
        create_labels(
            tmp_path / "l.zarr", grid=PixelGrid((3, 4), 1, (0, 0)), classes=CLASSES
        ) as writer,
    ):
        writer.write(Window(0, 0, 3, 2), classes_of(3, 2))
    assert list(tmp_path.iterdir()) == []


def test_labels_that_stand_there_are_not_touched_without_overwrite(tmp_path):
    path = write(tmp_path / "l.zarr", classes_of(5, 5))
    with pytest.raises(OutputError, match="`overwrite=True`"):
        write(path, classes_of(6, 6))
    assert open_labels(path).image.shape == (5, 5)


@pytest.mark.parametrize("version", VERSIONS)
def test_probabilities_are_channels_named_after_the_classes(tmp_path, version):
    path = tmp_path / "p.zarr"
    values = np.random.default_rng(0).integers(0, 256, (4, 20, 30)).astype(np.uint8)
    spec = Layout(PixelGrid((20, 30), 5, (1.0, 2.0)), CLASSES, version).layer("probabilities", "p")
    with write_image(path, spec) as writers:
        for writer, plane in zip(writers, values, strict=True):
            writer.write(plane)
    for index, entry in enumerate(CLASSES):
        slide = open_slide(path, channel=entry.name)
        assert slide.grid.corner_um == pytest.approx((1, 2))
        np.testing.assert_array_equal(slide.read(Window(0, 0, 20, 30)), values[index])


@pytest.mark.parametrize("version", VERSIONS)
def test_uncertainty_is_an_image_without_an_axis_of_channels(tmp_path, version):
    path = tmp_path / "u.zarr"
    values = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    spec = Layout(PixelGrid((20, 30), 5, (1.0, 2.0)), CLASSES, version).layer("uncertainty", "u")
    with write_image(path, spec) as (writer,):
        writer.write(values)
    slide = open_slide(path, channel="uncertainty")
    assert (slide.grid.corner_um, slide.pixel_size_um) == (pytest.approx((1, 2)), 5)
    np.testing.assert_array_equal(slide.read(Window(0, 0, 20, 30)), values)


def test_a_plain_array_is_no_label_image(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(4, 4), dtype="u1")
    with pytest.raises(
        AlignmentError, match=r"a\.zarr: a plain zarr array, which names no classes"
    ):
        open_labels(tmp_path / "a.zarr")


def test_a_record_of_another_tool_that_is_no_mapping_counts_as_none(tmp_path):
    path = tmp_path / "l.zarr"
    with create_labels(path, grid=PixelGrid((4, 4), 1, (0.0, 0.0)), classes=CLASSES) as writer:
        writer.write(Window(0, 0, 4, 4), classes_of(4, 4))
    zarr.open_group(str(path)).attrs["morphinfer"] = "0.1"
    assert open_labels(path).record == {}


def test_an_image_is_no_label_image(tmp_path):
    values = classes_of(4, 4)
    with create_image(tmp_path / "i.zarr", shape=(4, 4), dtype="u1", pixel_size_um=1) as writer:
        writer.write(values)
    with pytest.raises(AlignmentError, match="'morphinfer segment'"):
        open_labels(tmp_path / "i.zarr")
