"""Headless Chromium that tests steer, where it is installed with its driver and selenium.

Test modules also import from here, before pytest could rewrite it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--window-size=1400,900",
)  # fmt: skip
PATIENCE_S = 60.0
"""A page on a busy machine is slow."""


@pytest.fixture
def browser(tmp_path):
    """A browser with an empty profile."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = map(shutil.which, ("chromium", "chromedriver"))
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver, as Debian's chromium-driver has them")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    last = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < last, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.1)


def errors(browser) -> list[str]:
    """What the console of the page holds of severe messages."""
    return [each["message"] for each in browser.get_log("browser") if each["level"] == "SEVERE"]


def keep_screenshot(browser, name: str) -> None:
    """Write a screenshot into the folder that the variable MORPHINFER_SCREENSHOTS names, if it names one."""
    if folder := os.environ.get("MORPHINFER_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder, name)))
