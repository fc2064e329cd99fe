"""An exported project in the real TissUUmaps: nuclei, classes and spots lie at the same place."""

from __future__ import annotations

import socket
import subprocess
import sys
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from chromium import keep_screenshot, wait_for
from imagecodecs import imread

from morphinfer.exports import export_labels
from morphinfer.images import open_labels
from morphinfer.images.writing.multiscale import create_image

pytest.importorskip("shapely")
pytest.importorskip("tissuumaps_schema", reason="needs tissuumaps")
pytest_plugins = ["chromium", "label_images"]

SHAPE = (600, 1100)
VALUES = np.ones((75, 138), np.uint8)
VALUES[:10] = 0
VALUES[20:40, 30:50] = 2
READY = """return Object.keys(regionUtils._regions).length == 2 && Object.keys(dataUtils.data).length == 1
    && tmapp.ISS_viewer.world.getItemAt(0)?.getFullyLoaded()"""


@pytest.fixture
def project(make, tmp_path):
    """A project in a folder of its own, with a bright square of nuclei below a target."""
    folder = tmp_path / "project"
    folder.mkdir()
    image = np.full(SHAPE, 30, np.uint8)
    image[160:320, 240:400] = 220
    with create_image(tmp_path / "s.zarr", shape=SHAPE, dtype="uint8", pixel_size_um=0.5) as out:
        out.write(image)
    spots = folder.parent / "spots.csv"
    spots.write_text("gene,x,y\nSlc17a7,240,160\nLamp5,400,320\n")
    export_labels(
        open_labels(make(VALUES, 4.0)), folder / "p.tmap", "tissuumaps",
        slide=tmp_path / "s.zarr", spots=str(spots),
    )  # fmt: skip
    return folder


@pytest.fixture
def server(project):
    """Address of TissUUmaps, which serves the folder of the project."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("-m", "tissuumaps", "-l", "127.0.0.1", "-p", str(port), "-f", "png", str(project))
    address = f"http://127.0.0.1:{port}"
    with (project / "log").open("w") as log:
        running = subprocess.Popen([sys.executable, *words], stdout=log, stderr=log)
        try:
            wait_for(lambda: answers(address, running), "TissUUmaps")
            yield address
        finally:
            running.terminate()
            running.wait()


def answers(address, running):
    if running.poll() is not None:
        pytest.skip(f"TissUUmaps does not start here: exit code {running.returncode}")
    try:
        return urlopen(f"{address}/ping", timeout=5).status == 200
    except URLError:
        return False


def test_the_project_opens_in_tissuumaps(browser, server, tmp_path):
    browser.get(f"{server}/p.tmap")
    wait_for(lambda: browser.execute_script(READY), "the project")
    keep_screenshot(browser, "tissuumaps.png")
    size = browser.execute_script(
        "const size = tmapp.ISS_viewer.world.getItemAt(0).getContentSize(); return [size.y, size.x]"
    )
    assert tuple(size) == SHAPE
    regions = {
        each["class"]: np.array(each["points"])
        for each in browser.execute_script(
            "return Object.values(regionUtils._regions).map(each => ({class: each.regionClass,"
            "points: each.globalPoints[0][0].map(point => [point.x, point.y])}))"
        )
    }
    target = regions["Slc17a7"]
    np.testing.assert_allclose(target.min(0), (240, 160), atol=1e-6)
    np.testing.assert_allclose(target.max(0), (400, 320), atol=1e-6)
    data = browser.execute_script(
        "const each = Object.values(dataUtils.data)[0]; return [each._X, each._Y].map(name =>"
        "Array.from(each._processeddata[name], Number))"
    )
    assert data == [[240, 400], [160, 320]]
    tile = tmp_path / "tile.png"
    tile.write_bytes(urlopen(f"{server}/p_nuclei.tif_files/11/0_0.png", timeout=30).read())
    shown = imread(tile)[..., 0] if imread(tile).ndim == 3 else imread(tile)
    bright = np.argwhere(shown > 128)
    assert np.abs(bright.min(0) - (160, 240)).max() <= 1
