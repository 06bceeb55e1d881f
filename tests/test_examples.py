"""The programs in examples/, each of which predicts as ``hrf_ser.load`` does."""

import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

import hrf_ser
from helpers import REPOSITORY
from tiny_bundles import write_bundle

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """``model.onnx`` with its description, and ``speech.wav``."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    import numpy as np
    import soundfile

    from hrf_ser.deploy.export.write import Export, export_bundle

    folder = tmp_path_factory.mktemp("example")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hrf_ser.deploy.export.write._ROUNDS", 1)
        export_bundle(Export(write_bundle(folder / "bundle"), folder / "model.onnx", "onnx"))
    soundfile.write(folder / "speech.wav", 0.1 * np.random.default_rng(0).normal(size=24_000), 16_000, subtype="PCM_16")
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    return hrf_ser.load(folder / "model.onnx", speech_gate=False)(folder / "speech.wav").probabilities


def predictions(command, folder, **environment):
    arguments = [str(folder / "model.onnx"), str(folder / "speech.wav")]
    options = {"env": {**os.environ, **environment}, "capture_output": True, "text": True}
    done = subprocess.run([*command, *arguments], check=False, timeout=300, **options)
    assert done.returncode == 0, done.stderr
    return {label: float(value) for label, value in (line.split() for line in done.stdout.splitlines())}


def test_python_without_torch_and_without_hrf_ser(folder, expected, tmp_path):
    for name in ("torch", "hrf_ser"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    program = str(EXAMPLES / "python" / "predict.py")
    assert predictions([sys.executable, program], folder, PYTHONPATH=str(tmp_path)) == pytest.approx(expected, abs=1e-5)


def test_node(folder, expected):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    found = subprocess.run([node, "-e", "require.resolve('onnxruntime-node')"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(
            "onnxruntime-node is not installed: npm install onnxruntime-node, and set NODE_PATH to node_modules"
        )
    assert predictions([node, str(EXAMPLES / "node" / "predict.js")], folder) == pytest.approx(expected, abs=1e-5)


@pytest.mark.browser
def test_browser_page(folder, expected):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    from hrf_ser.deploy.demo.site import build_site
    from hrf_ser.deploy.runtime.model_file import load_model

    sys.path.insert(0, str(REPOSITORY / "tests/deploy/demo"))
    demo_page = pytest.importorskip("demo_page", reason="selenium is not installed")
    shutil.copy(EXAMPLES / "browser" / "index.html", folder)
    file, _, content = load_model(folder / "model.onnx")
    for path, resource in build_site(file, content).items():
        if "/vendor/" in path:
            import gzip

            name = path.rpartition("/")[2]
            (folder / name).write_bytes(gzip.decompress(resource.content) if resource.packed else resource.content)
    assert len((folder / "index.html").read_text().splitlines()) <= 45

    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, demo_page.recording_proxy() as (proxy, _):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = demo_page.start_browser(folder / "speech.wav", proxy)
        try:
            browser.get(f"http://127.0.0.1:{server.server_port}/index.html")
            status = browser.find_element(By.ID, "status")
            WebDriverWait(browser, 60).until(lambda _: status.text == "Choose a recording.")
            browser.find_element(By.ID, "file").send_keys(str(folder / "speech.wav"))
            WebDriverWait(browser, 60).until(lambda _: status.text in expected)
            cells = [cell.text for cell in browser.find_elements(By.TAG_NAME, "td")]
        finally:
            browser.quit()
            server.shutdown()
    shown = dict(zip(cells[::2], map(float, cells[1::2]), strict=True))
    assert shown == pytest.approx(expected, abs=2e-3)
