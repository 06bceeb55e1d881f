"""The demo in a real Chromium, and a proxy that sees whatever would leave this computer."""

from __future__ import annotations

import re
import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hrf_ser.deploy.demo.serve import Server
from hrf_ser.deploy.demo.site import Resource, build_site
from hrf_ser.deploy.runtime.model_file import load_model

DESKTOP, PHONE = (1280, 900), (360, 740)
PROGRAMS = {
    "browser": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    "driver": ("chromedriver", "chromium.chromedriver"),
}
HOSTILE = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>\"'&"
# What Chromium asks on its own account, switched off or not; the page names no such place, as a test holds.
BROWSERS_OWN = re.compile(r"^[A-Z]+ (http://)?[a-z0-9.-]*\.(google|googleapis|gvt1)\.com[:/]")
ENDED = "return ['done', 'problem'].includes(document.body.dataset.state)"


def find(role: str) -> str:
    found = next(filter(None, map(shutil.which, PROGRAMS[role])), None)
    if not found:
        pytest.skip(f"no {' or '.join(PROGRAMS[role][:2])} on the PATH (Debian: chromium, chromium-driver)")
    return found


def start_browser(wav: Any, proxy: int, *more: str) -> Any:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = find("browser")
    arguments = (
        # Without a sandbox, because containers are often root; it opens only our own pages.
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *("--use-fake-device-for-media-stream", "--mute-audio"),
        f"--use-file-for-fake-audio-capture={wav}",
        # Loopback goes past the proxy, all else into it; the browser's own questions are switched off.
        *(f"--proxy-server=http://127.0.0.1:{proxy}", "--disable-background-networking", "--disable-component-update"),
        *(
            "--disable-sync",
            "--no-first-run",
            "--disable-domain-reliability",
            "--disable-client-side-phishing-detection",
        ),
        *more,
    )
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With the path of the driver, selenium downloads none.
    driver = webdriver.Chrome(options, webdriver.ChromeService(find("driver")))
    allow_microphone(driver, "granted")
    return driver


def allow_microphone(driver: Any, setting: str) -> None:
    driver.execute_cdp_cmd("Browser.setPermission", {"permission": {"name": "microphone"}, "setting": setting})


@contextmanager
def recording_proxy() -> Iterator[tuple[int, list[str]]]:
    """A port, and the first line of every request that came to it."""
    seen: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline(1000).decode(errors="replace").strip()
            if not BROWSERS_OWN.search(line):
                seen.append(line)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1], seen
        server.shutdown()


def site_of(path: Any) -> dict[str, Resource]:
    """The site of an exported file."""
    file, _, content = load_model(path)
    return build_site(file, content)


@contextmanager
def serving(site: Any, port: int = 0) -> Iterator[Server]:
    with Server(site, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Page:
    """The open page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def look(self, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        # Without motion, a colour is at its end at once.
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, address: str, size: tuple[int, int] = DESKTOP) -> Page:
        self.look(size)
        self.driver.get(address)
        self.until("return document.body?.dataset.state")
        return self

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def module(self, name: str, script: str, *arguments: Any) -> Any:
        """What a script gives, in which ``module`` is one of the page's own."""
        program = f"""const [...given] = arguments, done = given.pop();
          const folder = document.querySelector('script[type=module]').src.replace(/[^/]*$/, '');
          import(folder + {name!r}).then((module) => ((module, given) => {{ {script} }})(module, given))
            .then(done, (error) => done('failed: ' + error))"""
        return self.driver.execute_async_script(program, *arguments)

    def until(self, script: str, seconds: float = 15) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, seconds, poll_frequency=0.02)
        return wait.until(lambda driver: driver.execute_script(script), f"never true: {script}")

    def choose(self, path: Any) -> None:
        """Choose a file and wait for its end."""
        self.js("document.body.dataset.state = 'asked'")
        self.one("#file").send_keys(str(path))
        self.until(ENDED)

    def one(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def text(self, css: str) -> str:
        return self.js("return document.querySelector(arguments[0]).textContent", css)

    def probabilities(self) -> list[float]:
        return self.js(
            "return [...document.querySelectorAll('#bars .number')].map((node) => Number(node.dataset.value))"
        )

    def keys(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]
