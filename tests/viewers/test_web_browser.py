"""The page of `morphinfer view` in Chromium: it pans, zooms, switches classes off and keeps its place."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest
from chromium import errors, keep_screenshot, wait_for
from commands import write_slide
from imagecodecs import png_decode

from morphinfer.viewers.web import ViewServer, open_scene

pytest_plugins = ["chromium", "commands", "label_images"]

VALUES = np.ones((60, 80), np.uint8)
VALUES[:20] = 0
VALUES[30:50, 20:60] = 2
ORANGE = (230, 159, 0)
LOADED = """return panels.length && panels.every(panel => panel.viewer && panel.images.outlines.length == 1
    && panel.images.classes.length == 1 && panel.images.nuclei.length == Number(!!panel.scene.nuclei)
    && Object.values(panel.images).flat().every(each => !each.getOpacity() || each.getFullyLoaded()))"""
PIXEL = """const [panel, x, y] = arguments, view = panels[panel].viewer, um = panels[panel].widthUm;
    const at = view.viewport.pixelFromPoint(new OpenSeadragon.Point(x / um, y / um), true);
    view.forceRedraw(); view.world.update(); view.drawer.draw(
        Array.from({length: view.world.getItemCount()}, (_, k) => view.world.getItemAt(k)));
    const ratio = OpenSeadragon.pixelDensityRatio;
    return [...view.drawer.canvas.getContext("2d").getImageData(at.x * ratio, at.y * ratio, 1, 1).data]"""


@contextmanager
def shown(browser, *scenes):
    """The page of some results, in the browser."""
    with ViewServer(scenes) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            browser.get(server.url)
            wait_for(lambda: browser.execute_script(LOADED), "the page")
            yield browser
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def page(browser, make, tmp_path):
    nuclei = np.full((480, 640), 20, np.uint8)
    nuclei[::20, ::20] = 200
    write_slide(tmp_path / "slide.zarr", nuclei)
    scenes = [open_scene(make(VALUES, 5.2), tmp_path / "slide.zarr") for _ in range(2)]
    with shown(browser, *scenes) as page:
        yield page


def places(page):
    return np.array(page.execute_script("return panels.map(panel => panel.place())"))


def settled(page):
    """Wait until nothing moves and all is loaded; the places then."""
    before = [None]

    def still():
        now, before[0] = places(page).tolist(), before[0]
        same = now == before[0]
        before[0] = now
        return same and page.execute_script(LOADED)

    wait_for(still, "the end of a movement")
    return places(page)


def test_the_mouse_pans_and_zooms_and_the_link_leads_back(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    home = settled(page)
    viewer = page.find_element("css selector", ".viewer")
    ActionChains(page).scroll_from_origin(ScrollOrigin.from_element(viewer), 0, -400).perform()
    zoomed = settled(page)
    assert zoomed[0, 2] < home[0, 2]
    ActionChains(page).drag_and_drop_by_offset(viewer, 100, 50).perform()
    moved = settled(page)
    assert moved[0, 0] < zoomed[0, 0] - 50 * zoomed[0, 2]
    np.testing.assert_allclose(moved[1], home[1])
    page.find_element("id", "copy").click()
    link = page.execute_script("return location.href")
    page.get("about:blank")
    page.get(link)
    wait_for(lambda: page.execute_script(LOADED), "the page")
    np.testing.assert_allclose(places(page), moved, rtol=1e-4)
    assert errors(page) == []


def test_a_class_that_is_switched_off_is_no_longer_drawn(page):
    settled(page)
    inside = (0, 40 * 5.2 + 3, 40 * 5.2 + 3)
    on = page.execute_script(PIXEL, *inside)
    expected = 0.3 * np.array(ORANGE)
    assert np.abs(np.subtract(on[:3], expected)).max() < 40
    assert on[0] - on[2] > 40
    page.find_elements("css selector", ".legend input")[2].click()
    settled(page)
    off = page.execute_script(PIXEL, *inside)
    assert abs(off[0] - off[2]) < 5
    assert page.execute_script(PIXEL, 1, *inside[1:])[0] == on[0]
    keep_screenshot(page, "web.png")
    assert errors(page) == []


def test_tiles_leave_no_seam(page):
    settled(page)
    box = page.find_element("css selector", ".viewer").rect
    row = int(box["y"] + 0.5 * box["height"] + 200)
    left, right = (int(box["x"] + share * box["width"]) for share in (0.7, 0.97))
    shown = png_decode(page.get_screenshot_as_png())[row - 3 : row + 4, left:right, 0]
    greys = [set(line) for line in shown.tolist()]
    assert min(map(len, greys)) == 1, greys


def test_the_scale_bar_is_as_long_as_it_says(page):
    settled(page)
    text = page.find_element("css selector", ".bar span").text
    number, unit = text.split()
    width = page.find_element("css selector", ".bar i").size["width"]
    assert unit == "µm"
    assert width * places(page)[0, 2] == pytest.approx(float(number), rel=0.02)


def test_outlines_and_nuclei_lie_where_the_positions_are(page):
    page.execute_script("panels[0].go([20 * 5.2, 40 * 5.2, 0.1], true)")
    settled(page)
    row = 40 * 5.2 + 2
    edge = [page.execute_script(PIXEL, 0, 20 * 5.2 + shift, row) for shift in (-4, -0.2, 0.2, 4)]
    orange = [abs(each[0] - 230) < 3 and abs(each[1] - 159) < 3 for each in edge]
    assert orange == [False, False, True, False], edge


def test_panels_move_together(page):
    page.find_element("id", "together").click()
    page.execute_script("panels[0].go([100, 120, 0.5], true)")
    np.testing.assert_allclose(settled(page), [[100, 120, 0.5]] * 2, rtol=1e-4)


def test_a_result_without_its_slide_shows_the_classes_alone(browser, make):
    with shown(browser, open_scene(make(VALUES, 5.2))) as page:
        settled(page)
        *colour, alpha = page.execute_script(PIXEL, 0, 40 * 5.2 + 3, 40 * 5.2 + 3)
        assert np.abs(np.subtract(colour, ORANGE)).max() < 3
        assert alpha == pytest.approx(0.3 * 255, abs=2)
        assert "without its slide" in page.find_element("css selector", "h2").text
        assert errors(page) == []
