"""Checkpoints that are whole or absent."""

from __future__ import annotations

import io
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
