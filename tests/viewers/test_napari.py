"""The plugin in a real viewer; needs napari and a screen, which `make viewers` brings."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pytest

from morphinfer import Window, open_labels
from morphinfer.phantom import make_phantom

napari = pytest.importorskip("napari", reason="needs the extra 'viewers': make viewers")
widgets = pytest.importorskip("qtpy.QtWidgets", reason="needs the extra 'viewers': make viewers")
NO_SCREEN = sys.platform.startswith("linux") and "DISPLAY" not in os.environ
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of napari and of what it uses
    pytest.mark.skipif(NO_SCREEN, reason="no screen: apt-get install xvfb, then make viewers"),
]
PATIENCE_S = 300


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer") / "section"
    make_phantom(folder, seed=2, size=(768, 960))
    return folder


@pytest.fixture
def viewer(section):
    viewer = napari.Viewer()
    viewer.open(str(section / "slide.zarr"), plugin="morphinfer")
    yield viewer
    viewer.close()


@pytest.fixture
def panel(viewer):
    _, panel = viewer.window.add_plugin_dock_widget("morphinfer", "Segment nuclei")
    panel.models.value = "phantom"
    panel.overwrite.value = True
    return panel


def wait(panel):
    """Let Qt work until the button can be pressed again; what is said then."""
    deadline = time.monotonic() + PATIENCE_S
    while not panel.run.enabled and time.monotonic() < deadline:
        widgets.QApplication.processEvents()
        time.sleep(0.01)
    assert panel.run.enabled
    return panel.said.value


def edges(layer):
    """World coordinates of the outer edges of a layer: top, left, bottom, right."""
    first, last = layer.extent.world
    half = np.divide(layer.scale, 2)
    return (*(first - half), *(last + half))


def test_a_slide_is_segmented_scored_and_shown_where_it_lies(viewer, panel, section):
    assert panel.pixel_size.value == pytest.approx(0.65)
    panel.soft.value = True
    panel.run.changed.emit(True)
    said = wait(panel)
    assert f"{section / 'slide_labels.zarr'}: background" in said
    labels, image = viewer.layers[-1], viewer.layers[0]
    published = open_labels(section / "slide_labels.zarr")
    assert edges(labels) == pytest.approx(edges(image), abs=1e-9)
    for value, each in enumerate(published.classes):
        colour = np.round(255 * labels.colormap.map(value)[:3]).astype(int)
        assert f"#{bytes(colour.tolist()).hex()}" == each.colour
    assert labels.colormap.map(255)[3] == 0
    name = published.classes[int(published.read(Window(60, 50, 1, 1))[0, 0])].name
    assert name in str(labels.get_status(labels.data_to_world((60, 50)), world=True))
    names = [layer.name for layer in viewer.layers]
    assert names[1:-1] == [*(f"probability of {c.name}" for c in published.classes), "uncertainty"]
    viewer.open(str(section / "reference.zarr"), plugin="morphinfer")
    panel.reference.value = viewer.layers["reference.zarr"]
    panel.score.changed.emit(True)
    assert "mean Dice 0.8" in wait(panel)


def test_colours_are_seen_on_the_screen(viewer, section):
    viewer.open(str(section / "reference.zarr"), plugin="morphinfer")
    viewer.layers[0].visible = False
    viewer.layers[-1].opacity = 1
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].reshape(-1, 3)
    seen = {f"#{bytes(pixel).hex()}" for pixel in np.unique(picture, axis=0)}
    assert {c.colour for c in open_labels(section / "reference.zarr").classes} <= seen


def test_the_view_alone_is_segmented(viewer, panel):
    viewer.camera.zoom *= 4
    panel.part.value = "what is in view"
    panel.run.changed.emit(True)
    wait(panel)
    labels = viewer.layers[-1]
    values = np.asarray(labels.data[0] if labels.multiscale else labels.data)
    assert 0 < np.mean(values != 255) < 0.5
    assert values[48, 60] != 255


def test_a_run_is_cancelled_from_the_window(viewer, panel):
    panel.run.changed.emit(True)
    panel.cancel.changed.emit(True)
    assert "cancelled after" in wait(panel)
    assert len(viewer.layers) == 1


def test_training_says_what_is_missing_and_takes_the_spots_of_a_layer(viewer, section, tmp_path):
    _, panel = viewer.window.add_plugin_dock_widget("morphinfer", "Train on spots")
    panel.run.changed.emit(True)
    assert "no layer of points" in panel.said.value
    points = np.array([[100.0, 100.0], [200.0, 300.0]])
    viewer.add_points(points, features={"gene": ["GeneA", "GeneB"]})
    assert panel.gene.value == "gene"
    panel.out.value = tmp_path / "own"
    panel.run.changed.emit(True)
    assert "no class is named" in panel.said.value


def test_other_readers_of_ome_zarr_show_a_slide_that_can_be_segmented(viewer, panel, section):
    pytest.importorskip("napari_ome_zarr")
    viewer.layers.clear()
    viewer.open(str(section / "slide.zarr"), plugin="napari-ome-zarr")
    assert panel.pixel_size.value == pytest.approx(0.65)
    panel.run.changed.emit(True)
    assert f"{section / 'slide_labels.zarr'}: background" in wait(panel)
    assert edges(viewer.layers[-1]) == pytest.approx(edges(viewer.layers[0]), abs=1e-9)
