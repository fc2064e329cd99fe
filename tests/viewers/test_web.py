"""The web view: tiles lie on the slide, and the server answers this machine's browser and nobody else."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection

import numpy as np
import pytest
from commands import refused, write_slide
from imagecodecs import png_decode

from morphinfer.viewers.web import Look, Tile, ViewServer, draw_tile, open_scene, scenes

pytest_plugins = ["commands", "label_images"]

VALUES = np.array([[0, 0, 1, 1, 1], [0, 2, 2, 1, 1], [255, 2, 2, 3, 1]], np.uint8)
"""Positions of 5.2 micrometres: squares of 8 pixels of the slide."""
BLUE = (0x56, 0xB4, 0xE9)


@pytest.fixture
def scene(make, tmp_path, image):
    write_slide(tmp_path / "slide.zarr", image[:24, :40])
    return open_scene(make(VALUES, 5.2), tmp_path / "slide.zarr")


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 16 pixels, and a coarsest level of no more."""
    monkeypatch.setattr(scenes, "TILE", 16)
    monkeypatch.setattr(scenes, "OVERVIEW", 16)


@pytest.fixture
def server(scene):
    with ViewServer([scene]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def pixels(scene, layer, level=None, row=0, col=0, shown=(1, 2, 3), low=0.0, high=255.0):
    place = Tile(scene.deepest if level is None else level, row, col)
    return png_decode(draw_tile(scene, layer, place, Look(low, high, shown)))


def whole(scene, layer):
    """The tiles of the deepest level, side by side."""
    rows, cols = (-(-side // scenes.TILE) for side in scene.grid.shape)
    lines = [
        np.hstack([pixels(scene, layer, row=row, col=col) for col in range(cols)])
        for row in range(rows)
    ]
    return np.vstack(lines)


def ask(server, path, host=None):
    """Status, headers and body of the answer to a request below the key of the session."""
    connection = HTTPConnection(*server.server_address, timeout=10)
    named = f"127.0.0.1:{server.server_address[1]}" if host is None else host
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", named)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def test_nuclei_are_the_pixels_of_the_slide_between_black_and_white(scene, image):
    part = image[:24, :40].astype(float)
    expected = np.clip((part - 10) / 20, 0, 1) * 255 + 0.5
    np.testing.assert_array_equal(pixels(scene, "nuclei", low=10, high=30), expected.astype(int))


def test_nuclei_of_a_coarser_level_are_means(small_tiles, make, tmp_path, image):
    write_slide(tmp_path / "slide.zarr", image[:24, :40])
    scene = open_scene(make(VALUES, 5.2), tmp_path / "slide.zarr")
    means = image[:24, :40].reshape(6, 4, 10, 4).mean(axis=(1, 3))
    assert scene.coarsest == scene.deepest - 2
    np.testing.assert_allclose(pixels(scene, "nuclei", scene.coarsest), means, atol=1.01)


def test_classes_lie_where_the_labels_say_and_only_those_that_are_shown(scene):
    drawn = pixels(scene, "classes", shown=(2,))
    assert tuple(drawn[20, 29]) == (*BLUE, 0)
    assert drawn[..., 3].max() == 255
    opaque = np.kron(VALUES == 2, np.ones((8, 8), bool))
    hatched = np.kron(VALUES == 255, np.ones((8, 8), bool))
    assert (drawn[opaque, 3] == 255).all()
    assert (drawn[~opaque & ~hatched, 3] == 0).all()
    assert 0 < (drawn[hatched, 3] == 255).mean() < 1
    tissue = pixels(scene, "tissue", shown=(1, 2))[..., 3]
    np.testing.assert_array_equal(tissue == 255, np.kron(VALUES == 1, np.ones((8, 8), bool)))


@pytest.mark.parametrize("layer", ["nuclei", "classes", "outlines"])
def test_tiles_fit_together(layer, scene, monkeypatch):
    at_once = whole(scene, layer)
    monkeypatch.setattr(scenes, "TILE", 16)
    np.testing.assert_array_equal(whole(scene, layer), at_once)


def test_outlines_follow_the_borders_of_targets_and_of_the_tissue(scene):
    drawn = pixels(scene, "outlines")
    assert tuple(drawn[12, 8]) == (0xE6, 0x9F, 0x00, 255)
    assert tuple(drawn[3, 16]) == (235, 235, 235, 255)
    assert drawn[4, 4, 3] == drawn[16, 16, 3] == 0
    assert (pixels(scene, "outlines", shown=(3,))[:12, :, 3] == 0).all()


def test_areas_and_shares_are_those_of_the_positions(scene):
    classes = {each["name"]: each for each in scene.description()["classes"]}
    assert classes["Slc17a7"]["area_mm2"] == pytest.approx(4 * 5.2e-3**2)
    assert classes["Slc17a7"]["share"] == pytest.approx(4 / 14)


def test_a_tile_that_does_not_exist_is_none(scene):
    for place in (Tile(scene.deepest, 0, 1), Tile(scene.deepest + 1, 0, 0), Tile(0, 0, 0)):
        if place.level != scene.coarsest:
            assert draw_tile(scene, "classes", place, Look()) is None


def test_without_the_slide_the_classes_are_shown_alone(make):
    scene = open_scene(make(VALUES))
    assert scene.description()["nuclei"] is None
    assert draw_tile(scene, "nuclei", Tile(scene.deepest, 0, 0), Look()) is None
    assert pixels(scene, "classes").shape == (24, 40, 4)


def test_the_page_its_files_the_scenes_and_tiles_are_served(server, scene):
    status, headers, page = ask(server, f"/{server.key}/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for name in (b"view.css", b"view.js", b"openseadragon.js"):
        assert name in page
        assert ask(server, f"/{server.key}/{name.decode()}")[0] == 200
    described = json.loads(ask(server, f"/{server.key}/scenes.json")[2])
    assert [each["name"] for each in described] == ["slide.zarr"]
    path = f"/{server.key}/tiles/0/classes/{scene.deepest}/0/0?shown=2"
    status, headers, png = ask(server, path)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    np.testing.assert_array_equal(png_decode(png), pixels(scene, "classes", shown=(2,)))


def test_a_request_that_names_another_host_is_refused(server):
    for host in ("evil.example:80", "127.0.0.1", "", "127.0.0.1:1", "[::1]:80"):
        assert ask(server, f"/{server.key}/", host)[0] == 403, host


def test_a_path_leads_to_what_is_served_and_nowhere_else(server):
    answers = {
        403: ("/", "/wrong/scenes.json", "//scenes.json", "/KEY"),
        404: (
            "/KEY/../pyproject.toml", "/KEY/%2e%2e/view.html", "/KEY/view.html", "/KEY//etc/passwd",
            "/KEY/page/view.js", "/KEY/tiles/9/classes/6/0/0", "/KEY/tiles/0/other/6/0/0",
            "/KEY/tiles/0/classes/6/0/99", "/KEY/tiles/0/classes/6/-1/0",
            "/KEY/tiles/0/uncertainty/6/0/0",
        ),
        400: (
            "/KEY/tiles/0/nuclei/6/0/0?low=x", "/KEY/tiles/0/nuclei/6/0/0?high=nan",
            "/KEY/tiles/0/classes/6/0/0?shown=1,a",
        ),
        200: ("/KEY/tiles/0/classes/6/0/0?shown=-1", "/KEY/tiles/0/nuclei/6/0/0?low=9&high=9"),
    }  # fmt: skip
    for status, paths in answers.items():
        for path in paths:
            assert ask(server, path.replace("KEY", server.key))[0] == status, path


def test_only_this_machine_is_listened_to(server):
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server, f"/{server.key}/", f"localhost:{server.server_address[1]}")[0] == 200


def test_view_prints_the_address_and_ctrl_c_ends_it(call, labels, monkeypatch):
    def stopped(self):
        assert [each.uncertainty is not None for each in self.scenes] == [True, False]
        raise KeyboardInterrupt

    monkeypatch.setattr(ViewServer, "serve_forever", stopped)
    reference = "r.zarr"
    words = ("view", labels, "l_uncertainty.zarr", reference, "--no-browser", "--at", "#at=1,2,3")
    code, out, err = call(*words)
    assert code == 130
    assert out.startswith("view     http://127.0.0.1:")
    assert out.endswith("/#at=1,2,3\n")
    assert err.splitlines() == [
        "Ctrl-C ends it",
        "morphinfer: interrupted; the page is no longer served",
    ]


def test_a_slide_for_several_results_and_a_taken_port_are_refused(call, make, server):
    path = str(make(VALUES))
    refused(call("view", path, str(make(VALUES)), "--slide", "slide.zarr"), "--slide", "2")
    port = str(server.server_address[1])
    refused(call("view", path, "--port", port, "--no-browser"), f"--port {port}")


@pytest.fixture
def labels(call, slide, models, make, tmp_path):
    """A segmented slide, and a label image without a record."""
    words = ("segment", slide, "--models", models, "--out", "l.zarr", "--tile", "64")
    assert call(*words, "-q", "--provider", "cpu", "--uncertainty")[0] == 0
    make(VALUES).rename(tmp_path / "r.zarr")
    return "l.zarr"
