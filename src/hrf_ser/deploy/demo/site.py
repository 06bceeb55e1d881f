"""The content of the server: a fixed table from path to resource, made before it starts.

What the page loads lies under ``/v/<hash of everything>/``, so that a browser can cache it forever and never mixes two
models or two versions of the page.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from hrf_ser.deploy.runtime.model_file import ModelFile
from hrf_ser.deploy.runtime.predictor import WHOLE_S
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError

# The page decodes and records at this rate, Hz.
SAMPLE_RATE = 16_000
_HERE = Path(__file__).parent
# Browsers refuse wrong types, and the machine's own table is not reliable.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}
_VENDORED = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.gz")


@dataclass(frozen=True)
class Resource:
    """One response of the server."""

    content: bytes
    type: str  # for the Content-Type header
    forever: bool  # it never changes under its path
    packed: bool = False  # with gzip, which every browser unpacks


def build_site(file: ModelFile, content: bytes, speech_gate: bool = False) -> dict[str, Resource]:
    """Everything that is served, by path, for a file of :func:`~hrf_ser.deploy.runtime.model_file.load_model`."""
    if file.sample_rate != SAMPLE_RATE:
        raise UserError(f"{file.path}: takes {file.sample_rate} Hz, and the page {SAMPLE_RATE}; export it again.")
    files = {
        "model.onnx": Resource(content, _TYPES[".onnx"], True),
        "model.json": Resource(json.dumps(facts(file, content, speech_gate)).encode(), _TYPES[".json"], True),
    }
    for folder in ("script", "style"):
        for path in sorted((_HERE / "site" / folder).iterdir()):
            if path.suffix in _TYPES:
                files[f"{folder}/{path.name}"] = _resource(path)
    files["icon.svg"] = _resource(_HERE / "site" / "icon.svg")
    for name in _VENDORED:
        files[f"vendor/{name.removesuffix('.gz')}"] = _resource(_HERE / "vendor" / name)
    page = _read("index.html")
    base = f"/v/{_version(files, page, _read('service-worker.js'))}"
    site = {f"{base}/{name}": resource for name, resource in files.items()}
    site["/"] = Resource(Template(page).substitute(base=base).encode(), _TYPES[".html"], False)
    worker = Template(_read("service-worker.js")).substitute(base=base, files=json.dumps(list(site)))
    site["/service-worker.js"] = Resource(worker.encode(), _TYPES[".js"], False)
    return site


def facts(file: ModelFile, content: bytes, speech_gate: bool = False) -> dict[str, Any]:
    """What the page shows and needs beside the graph; its windows are the runtime's."""
    windows = Windows()
    return {
        "name": file.name,
        "labels": list(file.labels),
        "quantisation": file.metadata.get("quantisation", "none"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "card": file.card,
        "speech_gate": speech_gate,
        "plan": {"window": windows.window_s, "hop": windows.hop_s, "smoothing": windows.smoothing_s, "whole": WHOLE_S},
    }


def _version(files: dict[str, Resource], *templates: str) -> str:
    whole = hashlib.sha256()
    for name, resource in files.items():
        whole.update(f"{name} {hashlib.sha256(resource.content).hexdigest()}\n".encode())
    for template in templates:
        whole.update(template.encode())
    return whole.hexdigest()[:16]


def _resource(path: Path) -> Resource:
    packed = path.suffix == ".gz"
    suffix = Path(path.stem).suffix if packed else path.suffix
    return Resource(path.read_bytes(), _TYPES[suffix], True, packed)


def _read(name: str) -> str:
    return (_HERE / "site" / name).read_text(encoding="utf-8")
