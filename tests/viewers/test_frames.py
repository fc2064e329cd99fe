from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari_layers import FakeLayer

from morphinfer import AlignmentError, PixelGrid, Window
from morphinfer.viewers.napari.frames import LayerFrame, visible_window

SLIDE = PixelGrid((101, 83), 0.325, (0.0, 0.0))


def test_labels_cover_their_slide_wherever_the_layer_lies():
    frame = LayerFrame.of(FakeLayer(None, scale=(2.0, 3.0), translate=(-7.0, 5.0)))
    grid = SLIDE.cover(2.6)
    scale, translate = frame.place(grid, SLIDE)
    first_edge = np.subtract(translate, np.divide(scale, 2))
    assert first_edge == pytest.approx((-7.0 - 1.0, 5.0 - 1.5), abs=1e-12)
    assert scale == pytest.approx((16.0, 24.0))


def test_a_layer_over_another_gets_its_grid_back():
    frame = LayerFrame.of(FakeLayer(None, scale=(0.5, 0.5), translate=(9.0, -4.0)))
    grid = PixelGrid((13, 11), 2.6, (0.325, -0.65))
    scale, translate = frame.place(grid, SLIDE)
    again = frame.grid_of(LayerFrame(translate, scale), grid.shape, SLIDE)
    assert again.pixel_size_um == pytest.approx(grid.pixel_size_um, rel=1e-12)
    assert again.corner_um == pytest.approx(grid.corner_um, abs=1e-12)


def test_units_of_the_two_layers_may_differ():
    slide = LayerFrame((0.0, 0.0), (0.5, 0.5), (1.0, 1.0))
    in_mm = LayerFrame((0.001, 0.002), (0.001, 0.001), (1000.0, 1000.0))
    assert in_mm.pixel_size_um() == pytest.approx(1.0)
    assert slide.locate(in_mm, [[1.0, 0.0]]) == pytest.approx(np.array([[4.0, 4.0]]))


@pytest.mark.parametrize(
    "linear", [[[0, 1], [1, 0]], [[1, 0.1], [0, 1]], [[-1, 0], [0, 1]]], ids=str
)
def test_a_layer_that_is_turned_or_mirrored_is_refused(linear):
    with pytest.raises(AlignmentError, match="'turned' is rotated, sheared or mirrored"):
        LayerFrame.of(FakeLayer(None, linear=linear, name="turned"))


def test_pixels_that_are_not_square_have_no_size():
    assert LayerFrame((0, 0), (0.5, 0.6)).pixel_size_um() is None
    with pytest.raises(AlignmentError, match=r"0\.5 x 0\.6"):
        LayerFrame((0, 0), (1, 1)).grid_of(
            LayerFrame((0, 0), (1.0, 1.2)), (2, 2), PixelGrid((4, 4), 0.5, (0, 0))
        )


def test_the_view_is_what_the_canvas_shows_of_level_0():
    viewer = SimpleNamespace(
        canvas=SimpleNamespace(size=(100, 400)),
        camera=SimpleNamespace(center=(0.0, 20.25, 99.75), zoom=4.0),
    )
    layer = FakeLayer(None, scale=(0.5, 0.5), translate=(0.25, 0.25))
    assert visible_window(viewer, layer, (100, 200)) == Window(15, 99, 51, 101)
    with pytest.raises(AlignmentError, match="in view"):
        visible_window(viewer, layer, (10, 200))
