"""Pictures: aligned with the slide, bounded in size, published whole."""

from __future__ import annotations

import numpy as np
import pytest
from imagecodecs import png_decode

from morphinfer.classes import UNLABELLED, LabelClass, default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.opening import open_slide
from morphinfer.images.writing.multiscale import create_image
from morphinfer.reports.figure import write_picture
from morphinfer.reports.overlay import (
    TISSUE_OUTLINE,
    label_map,
    map_figure,
    overlay,
    picture_grid,
    read_thumbnail,
)

CLASSES = default_classes(("background", "tissue", "GeneA", "GeneB"))


def make_labels(path, values, size=4.0, corner=(0.0, 0.0), classes=CLASSES):
    with create_labels(path, grid=PixelGrid(values.shape, size, corner), classes=classes) as out:
        out.write(Window(0, 0, *values.shape), values)
    return open_labels(path)


def thumbnail(slide, **kwargs):
    return read_thumbnail(slide, picture_grid(slide.grid, **kwargs))


@pytest.mark.parametrize("width", [15, 20, 40, 60, 90])
def test_a_thumbnail_is_the_mean_over_each_of_its_pixels(width):
    image = np.random.default_rng(0).integers(0, 60000, (120, 60), dtype=np.uint16)
    finest = np.kron(image, np.ones((width, width)))
    blocks = finest.reshape(2 * width, 60, width, 60).mean(axis=(1, 3))
    thumb = thumbnail(slide_from_array(image, 0.5), width=width)
    np.testing.assert_allclose(thumb, blocks, rtol=1e-4)


def test_a_thumbnail_is_the_same_for_any_band_height():
    slide = slide_from_array(np.random.default_rng(1).random((97, 40), dtype=np.float32), 0.5)
    grid = picture_grid(slide.grid, 17)
    whole = read_thumbnail(slide, grid)
    np.testing.assert_allclose(read_thumbnail(slide, grid, band_pixels=40 * 7), whole, rtol=1e-6)


def test_a_small_slide_is_enlarged_only_to_a_width_that_is_given():
    slide = slide_from_array(np.ones((5, 9), np.uint8), 1.0)
    assert thumbnail(slide).shape == (5, 9)
    assert thumbnail(slide, width=18).shape == (10, 18)


def test_pixels_that_are_not_finite_leave_the_others_as_they_are():
    image = np.arange(64, dtype=np.float32).reshape(8, 8)
    image[3, 3] = np.nan
    thumb = thumbnail(slide_from_array(image, 1.0))
    assert thumb[3, 3] == 0
    np.testing.assert_allclose(np.delete(thumb, 27), np.delete(image, 27))


def test_a_thumbnail_comes_from_a_coarse_level(tmp_path):
    with create_image(
        tmp_path / "s.zarr", shape=(1000, 900), dtype=np.uint8, pixel_size_um=0.5
    ) as out:
        out.write(np.full((1000, 900), 7, np.uint8))
    thumb = thumbnail(open_slide(tmp_path / "s.zarr"), longest=300)
    assert thumb.shape == (300, 270)
    np.testing.assert_allclose(thumb, 7, rtol=1e-6)


def test_the_outline_of_a_gene_region_lies_where_the_labels_say(tmp_path):
    values = np.ones((25, 25), np.uint8)
    values[5:10, 12:20] = 2
    labels = make_labels(tmp_path / "l.zarr", values)
    picture = overlay(slide_from_array(np.zeros((200, 200), np.uint8), 0.5), labels).pixels
    orange = (picture == (0xE6, 0x9F, 0x00)).all(axis=2)
    rows, cols = np.nonzero(orange)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (40, 79, 96, 159)
    assert not orange[50, 120]


@pytest.mark.parametrize(
    "roles",
    [
        ("background", "tissue", "target", "target"), ("target", "target", "tissue", "background"),
        ("target", "background", "background", "target"), ("target", "tissue", "target", "tissue"),
    ],
)  # fmt: skip
def test_the_role_decides_how_a_class_is_drawn(tmp_path, roles):
    classes = tuple(LabelClass(str(k), f"#{40 * k + 60:02x}ff00", r) for k, r in enumerate(roles))
    values = np.repeat(np.arange(4, dtype=np.uint8), 10)[None].repeat(40, axis=0)
    labels = make_labels(tmp_path / "l.zarr", values, 1.0, classes=classes)
    picture = overlay(slide_from_array(np.zeros((40, 40), np.uint8), 1.0), labels).pixels
    rim, beside = {0: 9, 1: 10, 2: 29, 3: 30}, {0: 1, 1: 0, 2: 3, 3: 2}
    for value, role in enumerate(roles):
        inside, outline = picture[20, 10 * value + 5, 1], picture[20, rim[value], 1]
        assert inside == {"background": 0, "tissue": 20, "target": 76}[role]
        edge = role == "tissue" and roles[beside[value]] == "background"
        assert outline == (255 if role == "target" else TISSUE_OUTLINE if edge else inside)


def test_a_label_image_that_covers_a_part_is_placed_by_micrometres(tmp_path):
    labels = make_labels(
        tmp_path / "l.zarr", np.full((10, 5), 3, np.uint8), size=2.0, corner=(30.0, 10.0)
    )
    slide = slide_from_array(np.zeros((100, 100), np.uint8), 1.0)
    picture = overlay(slide, labels).pixels
    rows, cols = np.nonzero(picture.any(axis=2))
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (30, 49, 10, 19)


def test_labels_outside_the_slide_change_nothing(tmp_path):
    labels = make_labels(tmp_path / "l.zarr", np.full((9, 9), 2, np.uint8), corner=(9e4, 9e4))
    picture = overlay(slide_from_array(np.eye(64, dtype=np.uint8), 1.0), labels).pixels
    assert (picture[..., 0] == picture[..., 2]).all()


@pytest.mark.parametrize("width", [200, 333, 1200])
def test_an_overlay_has_the_width_that_is_given(tmp_path, width):
    labels = make_labels(tmp_path / "l.zarr", np.ones((40, 100), np.uint8), size=8.0)
    figure = overlay(slide_from_array(np.ones((320, 800), np.float32), 1.0), labels, width)
    assert figure.pixels.shape[1] == width
    assert figure.pixel_size_um * width == pytest.approx(800)
    assert png_decode(figure.png()).shape[1] == width


def test_a_label_map_shows_the_colours_of_the_classes(tmp_path):
    values = np.arange(4, dtype=np.uint8).reshape(2, 2)
    picture = label_map(make_labels(tmp_path / "l.zarr", values), longest=16).pixels
    assert [tuple(picture[r, c]) for r, c in ((0, 0), (0, 9), (9, 0), (9, 9))] == [
        (0, 0, 0), (128, 128, 128), (230, 159, 0), (86, 180, 233),
    ]  # fmt: skip


def test_areas_without_a_label_are_hatched_and_in_the_legend():
    whole = map_figure(np.ones((64, 64), np.uint8), CLASSES, 1.0)
    assert [entry.text for entry in whole.entries] == [c.name for c in CLASSES]
    figure = map_figure(np.full((64, 64), UNLABELLED, np.uint8), CLASSES, 1.0)
    assert 0.2 < (figure.pixels == 130).mean() < 0.3
    assert figure.entries[-1].text == "unlabelled"


def test_the_samples_of_a_legend_differ(tmp_path):
    values = np.array([[0, 1, UNLABELLED, 2]], np.uint8)
    labels = make_labels(tmp_path / "l.zarr", values)
    figure = overlay(slide_from_array(np.zeros((4, 16), np.uint8), 1.0), labels)
    assert len({entry.sample.tobytes() for entry in figure.entries}) == 5


def test_a_long_class_name_is_cut_at_the_edge_of_a_narrow_picture(tmp_path):
    labels = make_labels(tmp_path / "l.zarr", np.ones((30, 3), np.uint8))
    slide = slide_from_array(np.ones((120, 12), np.uint8), 1.0)
    assert png_decode(overlay(slide, labels).png()).shape[1] == 12


def test_a_picture_is_written_twice(tmp_path):
    figure = map_figure(np.ones((4, 4), np.uint8), CLASSES, 1.0)
    write_picture(figure, tmp_path / "m.png", tmp_path / "m.svg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.png", "m.svg"]
