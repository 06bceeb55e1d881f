"""A real Chromium that opens pages from disk, one for all tests; every page must leave its console empty."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser_page import Page

PROGRAMS = {
    "browser": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    "driver": ("chromedriver", "chromium.chromedriver"),
}


def find(role: str) -> str:
    found = next(filter(None, map(shutil.which, PROGRAMS[role])), None)
    if not found:
        pytest.skip(f"no {' or '.join(PROGRAMS[role][:2])} on the PATH (Debian: chromium, chromium-driver)")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = find("browser")
    # Without a sandbox, because containers are often root; it opens only our own pages.
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With the path of the driver, selenium downloads none.
    driver = webdriver.Chrome(options, webdriver.ChromeService(find("driver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, tmp_path) -> Iterator[Page]:
    opened = Page(browser, tmp_path)
    opened.console()
    yield opened
    assert opened.console() == []


@pytest.fixture
def show(page) -> Callable[..., Page]:
    """Opens a report: ``show(report, size=..., scheme=..., medium=...)`` -> the page."""

    def run(report: dict[str, Any], *arguments: Any, **options: Any) -> Page:
        page.open(report, *arguments, **options)
        return page

    return run
