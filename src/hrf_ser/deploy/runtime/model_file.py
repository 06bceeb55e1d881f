"""Finds an exported file, checks it and loads it with onnxruntime.

The file is read once, and what was checked is what is loaded. Damage and data outside the file are found before that.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrf_ser.errors import UserError
from hrf_ser.extras import need

FORMAT, VERSION = "hrf_ser export", 1
# The entry of the metadata with the file's own checksum, computed with this in its place.
CHECKSUM, NO_CHECKSUM = "sha256", "0" * 64
# The models are a hundred times smaller; protobuf allows no more than 2 GB.
_LARGEST = 1 << 30
# In protobuf's bytes: key and value of that entry; and the key, after its length of 8 in any spelling, without which no tensor
# can have data in another file. onnxruntime would look for such a file in the working directory.
_CHECKSUM_ENTRY = re.compile(rb"\x0a\x06sha256\x12\x40([0-9a-f]{64})")
_EXTERNAL_DATA = re.compile(rb"[\x00\x08]location")


@dataclass(frozen=True)
class ModelFile:
    """Description of an exported file, from its metadata."""

    path: Path
    labels: tuple[str, ...]
    sample_rate: int  # Hz
    card: dict[str, Any]  # corpus, protocol, scores and licence, where the bundle has them
    metadata: Mapping[str, str]  # every entry as text

    @property
    def name(self) -> str:
        """Of the model, as the registry has it."""
        return self.metadata.get("model", "model")


def load_model(path: str | os.PathLike[str], threads: int = 1) -> tuple[ModelFile, Any, bytes]:
    """Find, check and load a file: its description, the session of onnxruntime, and its bytes.

    Args:
        path: the file; or a folder that holds one; or a bundle with ``export/`` beside it.
        threads: of onnxruntime for one waveform.

    Raises:
        UserError: nothing there; a file that is damaged, refers to other files, has a newer version or does not match its
            bundle; onnxruntime is missing.
    """
    path = Path(path).expanduser()
    file = find(path)
    try:
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{file}: is larger than any exported model; export it again.")
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); check the path and its permissions.") from error
    _check_integrity(file, content)
    try:
        session = _session(content, threads)
    except ImportError as error:
        raise UserError(
            "onnxruntime is not installed: pip install 'hrf_ser[runtime]', or hrf_ser_runtime alone without torch."
        ) from error
    except Exception as error:  # onnxruntime's exceptions have no common base
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{file}: is damaged or no ONNX file for onnxruntime ({reason}); export it again.") from error
    described = _describe(file, session.get_modelmeta().custom_metadata_map)
    inputs = [(value.name, value.type, len(value.shape)) for value in session.get_inputs()]
    outputs = {value.name: value.shape for value in session.get_outputs()}
    classes = {outputs.get(name, [None])[-1] for name in ("logits", "probabilities")}
    if inputs != [("waveform", "tensor(float)", 2)] or classes != {len(described.labels)}:
        raise UserError(f"{file}: its inputs and outputs do not match its labels; export it again.")
    bundle, exported = path / "bundle.json", described.metadata.get("bundle_sha256")
    # The bundle may have been written again since the export.
    if bundle.is_file() and hashlib.sha256(bundle.read_bytes()).hexdigest() != exported:
        raise UserError(
            f"{file}: was exported from another bundle than {path}; "
            f"write it again with python -m hrf_ser.export bundle={path} format=onnx."
        )
    return described, session, content


def find(path: Path) -> Path:
    """The exported file that a path means: of a folder the float32 one."""
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


def _check_integrity(file: Path, content: bytes) -> None:
    inside = _CHECKSUM_ENTRY.search(content)
    if inside is None:
        raise UserError(f"{file}: holds no checksum, so it is truncated or no file of hrf_ser.export; export it again.")
    start, end = inside.span(1)
    blank = content[:start] + NO_CHECKSUM.encode() + content[end:]
    if hashlib.sha256(blank).hexdigest().encode() != inside[1]:
        raise UserError(f"{file}: is damaged (its checksum is another); export it again.")
    if _EXTERNAL_DATA.search(content):
        raise UserError(f"{file}: keeps data in another file, which is never opened; export it again.")


def _session(content: bytes, threads: int) -> Any:
    onnxruntime = need("onnxruntime", "runtime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Spinning threads drain the battery of a phone.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _describe(file: Path, metadata: Mapping[str, str]) -> ModelFile:
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
        # Python reads NaN as JSON, browsers do not.
        card = json.loads(metadata["card"], parse_constant=lambda _: None)
        if not isinstance(card, dict):
            raise ValueError("its card is no JSON object")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{file}: is damaged ({reason}); export it again.") from error
    return ModelFile(file, tuple(labels), sample_rate, card, dict(metadata))
