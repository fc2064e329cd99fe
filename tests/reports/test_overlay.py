"""Pictures: aligned with the slide, bounded in size, published whole."""

from __future__ import annotations

import numpy as np
import pytest
from imagecodecs import png_decode

from morphinfer.classes import UNLABELLED, LabelClass, default_classes
from morphinfer.errors import OutputError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.opening import open_slide
from morphinfer.images.writing.multiscale import create_image
from morphinfer.reports.overlay import read_thumbnail, write_label_map, write_overlay

CLASSES = default_classes(("background", "tissue", "GeneA", "GeneB"))


def make_labels(path, values, size=4.0, corner=(0.0, 0.0), classes=CLASSES):
    with create_labels(path, grid=PixelGrid(values.shape, size, corner), classes=classes) as out:
        out.write(Window(0, 0, *values.shape), values)
    return open_labels(path)


def test_a_thumbnail_is_the_mean_of_whole_blocks_even_at_ragged_edges():
    image = np.random.default_rng(0).integers(0, 60000, (101, 67), dtype=np.uint16)
    thumb = read_thumbnail(slide_from_array(image, 0.5), 30)
    assert thumb.shape == (26, 17)
    np.testing.assert_allclose(thumb[3, 5], image[12:16, 20:24].mean(), rtol=1e-6)
    np.testing.assert_allclose(thumb[25, 16], image[100:, 64:].mean(), rtol=1e-6)


def test_a_thumbnail_is_the_same_for_any_band_height():
    image = np.random.default_rng(1).random((97, 40), dtype=np.float32)
    slide = slide_from_array(image, 0.5)
    whole = read_thumbnail(slide, 20)
    np.testing.assert_allclose(read_thumbnail(slide, 20, band_pixels=40 * 7), whole, rtol=1e-6)


def test_a_small_slide_is_not_enlarged():
    assert read_thumbnail(slide_from_array(np.ones((5, 9), np.uint8), 1.0), 100).shape == (5, 9)


def test_a_thumbnail_comes_from_a_coarse_level(tmp_path):
    with create_image(
        tmp_path / "s.zarr", shape=(1000, 900), dtype=np.uint8, pixel_size_um=0.5
    ) as out:
        out.write(np.full((1000, 900), 7, np.uint8))
    thumb = read_thumbnail(open_slide(tmp_path / "s.zarr"), 300)
    assert thumb.shape == (250, 225)
    assert (thumb == 7).all()


def test_the_outline_of_a_gene_region_lies_where_the_labels_say(tmp_path):
    values = np.ones((25, 25), np.uint8)
    values[5:10, 12:20] = 2
    labels = make_labels(tmp_path / "l.zarr", values)
    write_overlay(tmp_path / "o.png", slide_from_array(np.zeros((200, 200), np.uint8), 0.5), labels)
    picture = png_decode((tmp_path / "o.png").read_bytes())
    orange = (picture == (0xE6, 0x9F, 0x00)).all(axis=2)[:200]
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
    write_overlay(tmp_path / "o.png", slide_from_array(np.zeros((40, 40), np.uint8), 1.0), labels)
    picture = png_decode((tmp_path / "o.png").read_bytes())[:40]
    rim = {0: 9, 1: 10, 2: 29, 3: 30}
    for value, role in enumerate(roles):
        inside, outline = picture[20, 10 * value + 5, 1], picture[20, rim[value], 1]
        assert inside == {"background": 0, "tissue": 20, "target": 76}[role]
        assert outline == (255 if role == "target" else inside)


def test_a_label_image_that_covers_a_part_is_placed_by_micrometres(tmp_path):
    labels = make_labels(
        tmp_path / "l.zarr", np.full((10, 5), 3, np.uint8), size=2.0, corner=(30.0, 10.0)
    )
    slide = slide_from_array(np.zeros((100, 100), np.uint8), 1.0)
    write_overlay(tmp_path / "o.png", slide, labels)
    picture = png_decode((tmp_path / "o.png").read_bytes())[:100]
    rows, cols = np.nonzero(picture.any(axis=2))
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (30, 49, 10, 19)


def test_labels_outside_the_slide_change_nothing(tmp_path):
    labels = make_labels(tmp_path / "l.zarr", np.full((9, 9), 2, np.uint8), corner=(9e4, 9e4))
    write_overlay(tmp_path / "o.png", slide_from_array(np.eye(64, dtype=np.uint8), 1.0), labels)
    picture = png_decode((tmp_path / "o.png").read_bytes())[:64]
    assert (picture[..., 0] == picture[..., 2]).all()


def test_an_overlay_without_its_legend_is_no_larger_than_max_side(tmp_path):
    labels = make_labels(tmp_path / "l.zarr", np.ones((40, 100), np.uint8), size=8.0)
    slide = slide_from_array(np.ones((320, 800), np.float32), 1.0)
    write_overlay(tmp_path / "o.png", slide, labels, max_side=200)
    picture = png_decode((tmp_path / "o.png").read_bytes())
    assert picture.shape[1] == 200
    assert 80 < picture.shape[0] < 160


def test_a_label_map_shows_the_colours_of_the_classes(tmp_path):
    values = np.arange(4, dtype=np.uint8).reshape(2, 2)
    labels = make_labels(tmp_path / "l.zarr", values)
    write_label_map(tmp_path / "m.png", labels, max_side=16)
    picture = png_decode((tmp_path / "m.png").read_bytes())[:16]
    assert [tuple(picture[r, c]) for r, c in ((0, 0), (0, 9), (9, 0), (9, 9))] == [
        (0, 0, 0), (128, 128, 128), (230, 159, 0), (86, 180, 233),
    ]  # fmt: skip


def test_areas_without_a_label_are_hatched(tmp_path):
    labels = make_labels(tmp_path / "l.zarr", np.full((64, 64), UNLABELLED, np.uint8))
    write_label_map(tmp_path / "m.png", labels, max_side=64)
    picture = png_decode((tmp_path / "m.png").read_bytes())[:64]
    assert 0.2 < (picture > 0).mean() < 0.3


def test_a_long_class_name_is_cut_at_the_edge_of_a_narrow_picture(tmp_path):
    labels = make_labels(tmp_path / "l.zarr", np.ones((30, 3), np.uint8))
    slide = slide_from_array(np.ones((120, 12), np.uint8), 1.0)
    write_overlay(tmp_path / "o.png", slide, labels)
    assert png_decode((tmp_path / "o.png").read_bytes()).shape[1] == 12


def test_an_existing_picture_is_replaced_only_with_overwrite(tmp_path):
    labels = make_labels(tmp_path / "l.zarr", np.ones((4, 4), np.uint8))
    write_label_map(tmp_path / "m.png", labels)
    with pytest.raises(OutputError, match="exists already"):
        write_label_map(tmp_path / "m.png", labels)
    write_label_map(tmp_path / "m.png", labels, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.zarr", "m.png"]
