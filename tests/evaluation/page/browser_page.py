"""A page of a report in Chromium, and what tests do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hrf_ser.evaluation.page import render

DESKTOP, PHONE = (1280, 900), (360, 740)
# A driver may call a page opened while its scripts still run, when there is no picture yet that could be missing.
DRAWN = """
return document.readyState === 'complete'
    && [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('svg'))
"""


class Page:
    """The open page."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder

    def open(
        self, report: dict[str, Any], size: tuple[int, int] = DESKTOP, scheme: str = "light", medium: str = ""
    ) -> None:
        """Open the page of ``report``, unless it stands there already as it was opened: tests that only read share it."""
        text = render(report)
        key = (text, size, scheme, medium)
        if getattr(self.driver, "untouched", None) == key:
            return
        path = self.folder / "page.html"
        path.write_text(text, encoding="utf-8")
        self.look(size, scheme, medium)
        self.driver.get(path.as_uri())
        self.until(DRAWN)
        self.driver.untouched = key

    def look(self, size: tuple[int, int] = DESKTOP, scheme: str = "light", medium: str = "") -> None:
        self.driver.untouched = None
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        media = {"media": medium, "features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def js(self, script: str, *arguments: Any) -> Any:
        """What a script reads."""
        return self.driver.execute_script(script, *arguments)

    def change(self, script: str, *arguments: Any) -> None:
        self.driver.untouched = None
        self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, 10, poll_frequency=0.02)
        return wait.until(lambda driver: driver.execute_script(script, *arguments), f"never true: {script}")

    def one(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def all(self, css: str) -> list[Any]:
        return self.driver.find_elements("css selector", css)

    def texts(self, css: str) -> list[str]:
        return self.js("return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)", css)

    def count(self, css: str) -> int:
        return self.js("return document.querySelectorAll(arguments[0]).length", css)

    def click(self, css: str) -> None:
        node = self.one(css)
        self.change("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", node)
        node.click()

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        from selenium.webdriver import ActionChains

        self.driver.untouched = None
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def paste(self) -> None:
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.driver, duration=0).key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()

    def point(self, css: str) -> None:
        """Move the mouse onto an element."""
        from selenium.webdriver import ActionChains

        node = self.one(css)
        self.change("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", node)
        ActionChains(self.driver, duration=0).move_to_element(node).perform()

    def focus(self, css: str) -> None:
        self.change("document.querySelector(arguments[0]).focus()", css)

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]
