"""Checkpoints that are whole or absent, and noticed where they are damaged."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from hrf_ser.files import new_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames.

    Lightning's own writes into the system's temporary folder and copies from there where that is another file system, so a
    full disk or a kill leaves half a checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        if storage_options is not None:
            raise TypeError("storage_options are not supported")
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with new_file(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    torch reads most files with a flipped bit as if nothing were; the checksums that they hold notice it.

    Raises:
        ValueError: damaged, or no checkpoint at all; the sentence does not name the file.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if (damaged := archive.testzip()) is not None:
                    raise ValueError(f"its checksum of {damaged} differs")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise ValueError("it holds no state_dict")
    except Exception as error:  # whatever torch and zipfile raise of foreign bytes
        raise ValueError(str(error).strip().partition("\n")[0] or type(error).__name__) from error
    return content
