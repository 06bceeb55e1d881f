"""The content of the server: a fixed table from path to resource, made before it starts.

What the page loads lies under ``/v/<hash of everything>/``, so that a browser can cache it forever and never mixes two
models or two versions of the page.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

from hrf_ser.deploy.demo.model import BrowserModel

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
    """One response of the server.

    Attributes:
        content: its bytes, packed with gzip where ``packed``.
        type: for the ``Content-Type`` header.
        forever: it never changes under its path.
        packed: it is stored packed.
    """

    content: bytes
    type: str
    forever: bool
    packed: bool = False

    @property
    def tag(self) -> str:
        """For the ``ETag`` header."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    def plain(self) -> bytes:
        return gzip.decompress(self.content) if self.packed else self.content


def build_site(model: BrowserModel) -> dict[str, Resource]:
    """Everything that is served, by path."""
    files = {
        "model.onnx": Resource(model.content, _TYPES[".onnx"], True),
        "model.json": Resource(json.dumps(model.facts()).encode(), _TYPES[".json"], True),
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


def _version(files: dict[str, Resource], *templates: str) -> str:
    whole = hashlib.sha256()
    for name, resource in files.items():
        whole.update(f"{name} {resource.tag}\n".encode())
    for template in templates:
        whole.update(template.encode())
    return whole.hexdigest()[:16]


def _resource(path: Path) -> Resource:
    packed = path.suffix == ".gz"
    suffix = Path(path.stem).suffix if packed else path.suffix
    return Resource(path.read_bytes(), _TYPES[suffix], True, packed)


def _read(name: str) -> str:
    return (_HERE / "site" / name).read_text(encoding="utf-8")
