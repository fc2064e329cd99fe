"""Classes at the centres of cells: the same as a direct look-up, whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer.errors import AlignmentError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import Layout, create_labels, layer_path
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.writing import write_image
from morphinfer_training.cells import look_up as module
from morphinfer_training.cells.look_up import look_up

SHAPE, UM = (90, 130), 2.0
CLASSES = default_classes(("background", "tissue", "a"))
FRAME = PixelGrid((400, 540), 0.5, (0.0, 0.0))
RNG = np.random.default_rng(3)
LABELS = RNG.choice(np.array([0, 1, 2, UNLABELLED], np.uint8), SHAPE)
LAYERS = {
    "probabilities": RNG.integers(0, 256, (3, *SHAPE), np.uint8),
    "uncertainty": RNG.integers(0, 256, (1, *SHAPE), np.uint8),
}


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "l.zarr"
    layout = Layout(PixelGrid(SHAPE, UM, (0.0, 0.0)), CLASSES)
    with create_labels(path, grid=layout.grid, classes=CLASSES) as out:
        out.write(Window(0, 0, *SHAPE), LABELS)
    for layer, values in LAYERS.items():
        with write_image(layer_path(path, layer), layout.layer(layer, layer)) as writers:
            for writer, channel in zip(writers, values, strict=True):
                writer.write(channel)
    return path


@pytest.mark.parametrize("tile", [30, 1024])
def test_any_tile_gives_the_values_of_a_direct_look_up(labels, monkeypatch, tile):
    monkeypatch.setattr(module, "TILE", tile)
    row, col = RNG.uniform(-20, 420, 3000), RNG.uniform(-20, 560, 3000)
    found = look_up(open_labels(labels), FRAME, row, col)
    i, j = (np.floor((each + 0.5) * 0.5 / UM).astype(int) for each in (row, col))
    inside = (i >= 0) & (i < SHAPE[0]) & (j >= 0) & (j < SHAPE[1])
    np.testing.assert_array_equal(found.inside, inside)
    value = np.where(inside, LABELS[i.clip(0, 89), j.clip(0, 129)], UNLABELLED)
    np.testing.assert_array_equal(found.value, value)
    labelled = value != UNLABELLED
    i, j, k = i[labelled], j[labelled], value[labelled]
    stored = LAYERS["probabilities"][k, i, j], LAYERS["uncertainty"][0, i, j]
    for floats, expected in zip((found.probability, found.uncertainty), stored, strict=True):
        np.testing.assert_allclose(floats[labelled], expected / 255, atol=1e-4)
        assert np.isnan(floats[~labelled]).all()


def test_a_place_on_a_border_belongs_to_the_second_position_and_nan_to_none(labels):
    row = np.array([3.5, 3.4999, 0.0, np.nan, 1e300, 359.4, 359.5])
    found = look_up(open_labels(labels), FRAME, row, np.zeros(7))
    np.testing.assert_array_equal(found.inside, [True, True, True, False, False, True, False])
    np.testing.assert_array_equal(found.value[:3], LABELS[[1, 0, 0], 0])


def test_without_layers_there_is_neither_probability_nor_uncertainty(tmp_path):
    path = tmp_path / "l.zarr"
    with create_labels(path, grid=PixelGrid(SHAPE, UM, (0.0, 0.0)), classes=CLASSES) as out:
        out.write(Window(0, 0, *SHAPE), LABELS)
    found = look_up(open_labels(path), FRAME, np.zeros(2), np.zeros(2))
    assert found.probability is None
    assert found.uncertainty is None


def test_a_layer_of_another_run_is_refused(labels, tmp_path):
    grid = PixelGrid((40, 40), UM, (0.0, 0.0))
    path = tmp_path / "l.zarr"
    with create_labels(path, grid=grid, classes=CLASSES) as out:
        out.write(Window(0, 0, 40, 40), LABELS[:40, :40])
    layer_path(labels, "uncertainty").rename(layer_path(path, "uncertainty"))
    with pytest.raises(AlignmentError, match="of another run"):
        look_up(open_labels(path), FRAME, np.zeros(2), np.zeros(2))
    layer_path(path, "uncertainty").rename(layer_path(labels, "uncertainty"))
