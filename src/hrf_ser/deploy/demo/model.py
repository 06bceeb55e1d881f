"""An exported file, checked before it is handed to a browser, and what the page says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrf_ser.deploy.runtime.listener import WHOLE_S
from hrf_ser.deploy.runtime.model_file import ModelFile, read_model
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError

# The page decodes and listens at this rate, Hz.
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class BrowserModel:
    """A file for the page.

    Attributes:
        file: what it says of itself.
        content: its bytes.
        card: corpus, protocol, scores, licence.
    """

    file: ModelFile
    content: bytes
    card: dict[str, Any]

    @property
    def name(self) -> str:
        return self.file.metadata.get("model", "model")

    def facts(self) -> dict[str, Any]:
        """What the page knows beside the graph. It hears as the runtime does, so windows are the runtime's."""
        windows = Windows()
        return {
            "name": self.name,
            "labels": list(self.file.labels),
            "quantisation": self.file.metadata.get("quantisation", "none"),
            "bytes": len(self.content),
            "sha256": self.file.sha256,
            "card": self.card,
            "plan": {
                "window": windows.window_s,
                "hop": windows.hop_s,
                "smoothing": windows.smoothing_s,
                "whole": WHOLE_S,
            },
        }


def read_browser_model(path: Path) -> BrowserModel:
    """Find, read and check an exported file.

    Args:
        path: the file; or a folder that holds one; or a bundle with ``export/`` beside it.

    Raises:
        UserError: nothing there, or a file that is damaged, of a newer version, or not alone; the message names it.
    """
    file, content = read_model(path)
    if file.sample_rate != SAMPLE_RATE:
        raise UserError(f"{file.path}: hears {file.sample_rate} Hz, and the page {SAMPLE_RATE}; export it again.")
    try:
        # Python reads NaN as JSON, browsers do not.
        card = json.loads(file.metadata.get("card", "{}"), parse_constant=lambda _: None)
        if not isinstance(card, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file.path}: is damaged (its card is none: {error}); export it again.") from error
    return BrowserModel(file, content, card)
