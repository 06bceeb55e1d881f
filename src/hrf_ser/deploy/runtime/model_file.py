"""Finding an exported file and deciding whether it can be trusted to be what it says.

Nothing of it is run before that: the file is read once, looked through on the level of bytes, and the very bytes that were
looked through are handed to onnxruntime. One file alone, without external data, custom operators or functions of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrf_ser.deploy.runtime.onnx_bytes import Contents, NotOnnxError, look_through
from hrf_ser.errors import UserError

FORMAT, VERSION = "hrf_ser export", 1
# The models are a hundred times smaller; protobuf allows no more than 2 GB.
_LARGEST = 1 << 30
_STANDARD = {"", "ai.onnx"}


@dataclass(frozen=True)
class ModelFile:
    """What an exported file says of itself.

    Attributes:
        path: the file.
        labels: class names.
        sample_rate: Hz.
        sha256: of the file.
        metadata: every entry as text.
    """

    path: Path
    labels: tuple[str, ...]
    sample_rate: int
    sha256: str
    metadata: Mapping[str, str]


def read_model(path: str | os.PathLike[str]) -> tuple[ModelFile, bytes]:
    """Find, read and check a file.

    Args:
        path: the file; or a folder that holds one; or a bundle with ``export/`` beside it.

    Returns:
        What it says, and its bytes.

    Raises:
        UserError: nothing there, or a file that is damaged, not alone, of a newer version, or not what its report or bundle
            says.
    """
    file = find(Path(path).expanduser())
    try:
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{file}: is larger than any model of ours; export it again.")
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); check the path and its permissions.") from error
    try:
        found = look_through(content)
    except NotOnnxError as error:
        raise UserError(f"{file}: is truncated, damaged or no ONNX file ({error}); export it again.") from error
    _check_alone(file, found)
    described = _described(file, found.metadata, hashlib.sha256(content).hexdigest())
    _check_sums(described, found)
    if Path(path).expanduser().is_dir():
        _check_bundle(Path(path).expanduser(), described)
    return described, content


def find(path: Path) -> Path:
    """The exported file that a path means: of a folder the float32 one.

    Raises:
        UserError: none there, or several.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path}: does not exist; give an exported .onnx file, or the folder that holds one.")
    files = exported_files(path)
    # Of model.onnx, model.int8.onnx and model.fp16.onnx the first.
    plain = [file for file in files if "." not in file.name.removesuffix(".onnx")] or files
    if not plain:
        raise UserError(
            f"{path}: holds no exported file; write one with python -m hrf_ser.export bundle={path} format=onnx."
        )
    if len(plain) > 1:
        raise UserError(f"{path}: holds {len(plain)} exported files ({plain[0].name}, {plain[1].name}, ...); name one.")
    return plain[0]


def exported_files(folder: Path) -> list[Path]:
    """The exported files in a folder; or else in its ``export/``; or else, of a bundle, in the ``export/`` beside it."""
    folders = [folder, folder / "export"]
    if (folder / "bundle.json").is_file():
        folders.append(folder.resolve().parent / "export")
    files: list[Path] = []
    for place in folders:
        files = files or sorted(file for file in place.glob("*.onnx") if file.is_file())
    return files


def _check_alone(file: Path, found: Contents) -> None:
    """Everything is in the file, and every operator is one of the standard's."""
    if found.external:
        raise UserError(
            f"{file}: keeps data in another file ({found.external[0]!r}), which is never opened; export it again."
        )
    foreign = sorted(found.domains - _STANDARD)
    if foreign:
        raise UserError(f"{file}: wants operators of {foreign[0]!r}, which are not run; export it again.")
    if found.functions:
        raise UserError(f"{file}: brings functions of its own, which are not run; export it again.")


def _described(file: Path, metadata: Mapping[str, str], sha256: str) -> ModelFile:
    if "format" not in metadata:
        raise UserError(f"{file}: was not written by hrf_ser.export, or is truncated; export it again.")
    try:
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r}")
        version = int(metadata["version"])
        if version > VERSION:
            raise UserError(
                f"{file}: was written by a newer hrf_ser (version {version}, this one reads {VERSION}); "
                "upgrade hrf_ser or hrf_ser_runtime."
            )
        labels = json.loads(metadata["labels"])
        if not (isinstance(labels, list) and all(isinstance(label, str) and label for label in labels)):
            raise ValueError("its labels are not a list of names")
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise ValueError("its labels are fewer than two or not different")
        sample_rate = int(metadata["sample_rate"])
        if not 4_000 <= sample_rate <= 192_000:
            raise ValueError(f"its sample rate is {sample_rate}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{file}: is damaged ({reason}); export it again.") from error
    return ModelFile(file, tuple(labels), sample_rate, sha256, dict(metadata))


def _check_sums(file: ModelFile, found: Contents) -> None:
    """Compare with the checksum inside the file and with the one in the report beside it; one of them must be there."""
    inside = file.metadata.get("graph_sha256")
    if inside is not None and inside != found.graph_sha256:
        raise UserError(f"{file.path}: is damaged (its graph is not the one it was written with); export it again.")
    beside = file.path.with_name(f"{file.path.name}.json")
    if beside.is_file():
        report = _json(beside)
        if report.get("sha256") != file.sha256:
            raise UserError(f"{file.path}: is not the file that {beside.name} describes; export it again.")
        if report.get("published") is not True:
            raise UserError(f"{file.path}: did not pass its comparison with the bundle; export it again.")
    elif inside is None:
        raise UserError(
            f"{file.path}: holds no checksum and {beside.name} is not beside it, so damage would not be seen; "
            "copy both files, or export again."
        )


def _check_bundle(folder: Path, file: ModelFile) -> None:
    """A file that was exported before the bundle was written anew decides as the old one."""
    description = folder / "bundle.json"
    if not description.is_file():
        return
    try:
        content = description.read_bytes()
    except OSError as error:
        raise UserError(f"{description}: cannot be read ({error.strerror}); check its permissions.") from error
    if hashlib.sha256(content).hexdigest() != file.metadata.get("bundle_sha256"):
        raise UserError(
            f"{file.path}: was exported from another bundle than {folder}; "
            f"write it again with python -m hrf_ser.export bundle={folder} format=onnx."
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: is damaged ({error}); export again.") from error
    return content
