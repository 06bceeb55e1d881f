"""``hrf-ser doctor``: versions, devices, optional parts with the command that installs each, and caches."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from hrf_ser import __version__
from hrf_ser.builtin import MODEL

_PACKAGES = ("torch", "torchaudio", "lightning", "hydra-core", "numpy", "onnxruntime", "soundfile", "soxr")
# Extras that hold other extras or serve development.
_NOT_SHOWN = ("dev", "docs", "test")


def main(_arguments: Sequence[str] = ()) -> None:
    """Print what is installed, what is missing and what takes space."""
    sections = {"versions": versions(), "devices": devices(), "optional parts": optional_parts(), "caches": caches()}
    for title, rows in sections.items():
        print(title)
        for name, text in rows:
            print(f"  {name:<14} {text}")


def versions() -> Iterator[tuple[str, str]]:
    """Name and version of what predictions and training use."""
    yield "hrf_ser", f"{__version__}, {Path(__file__).parent}"
    yield "python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    for package in _PACKAGES:
        yield package, _version(package) or "not installed"
    yield "built-in model", f"{MODEL.stat().st_size / 1e3:,.0f} kB" if MODEL.is_file() else "not in this copy"


def devices() -> Iterator[tuple[str, str]]:
    """Processors, GPUs and the default microphone."""
    yield "cpu", f"{os.cpu_count()} cores"
    if find_spec("torch") is not None:
        import torch

        for number in range(torch.cuda.device_count()):
            yield f"cuda:{number}", torch.cuda.get_device_name(number)
        if torch.backends.mps.is_available():
            yield "mps", "Apple GPU"
        if not torch.cuda.is_available():
            yield "cuda", f"none ({'a build' if torch.version.cuda else 'torch is a build without CUDA'})"
    try:
        import sounddevice

        yield "microphone", str(sounddevice.query_devices(kind="input")["name"])
    except (ImportError, OSError, ValueError) as error:
        yield "microphone", f"none ({error})"
    except Exception as error:  # PortAudio's own, whose class is in the package that may be missing
        yield "microphone", f"none ({error})"


def optional_parts() -> Iterator[tuple[str, str]]:
    """Each extra, and the command that installs it where a package of it is missing; and the program ffmpeg."""
    for extra, packages in extras().items():
        missing = [package for package in packages if _version(package) is None]
        command = f'pip install "hrf_ser[{extra}]"  (missing: {", ".join(missing)})'
        yield extra, command if missing else "installed"
    yield "ffmpeg", shutil.which("ffmpeg") or "apt install ffmpeg, brew install ffmpeg  (reads m4a, webm, wma, amr)"


def extras() -> dict[str, list[str]]:
    """The packages of each extra of the installed distribution, as its metadata lists them."""
    found: dict[str, list[str]] = {}
    try:
        requirements = importlib.metadata.requires("hrf_ser") or []
    except importlib.metadata.PackageNotFoundError:
        return found
    for requirement in requirements:
        match = re.match(r"""([\w.-]+).*;.*extra == ['"]([\w-]+)['"]""", requirement)
        if match and match[2] not in _NOT_SHOWN and match[1] != "hrf_ser":
            found.setdefault(match[2], []).append(match[1])
    return found


def caches() -> Iterator[tuple[str, str]]:
    """The folders of the cache and their sizes."""
    folder = Path(os.environ.get("HRF_SER_CACHE") or Path.home() / ".cache" / "hrf_ser")
    yield "HRF_SER_CACHE", f"{folder}{'' if folder.is_dir() else ' (not there yet)'}"
    for path in sorted(folder.glob("[!.]*")):
        size = sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
        yield path.name, f"{size / 1e6:,.1f} MB"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
