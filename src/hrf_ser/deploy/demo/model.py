"""An exported file for the browser, checked, and its description for the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrf_ser.deploy.runtime.model_file import ModelFile, load_model
from hrf_ser.deploy.runtime.predictor import WHOLE_S
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError

# The page decodes and records at this rate, Hz.
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class BrowserModel:
    """A file for the page.

    Attributes:
        file: its description.
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
        """Everything that the page has beside the graph; its windows are the runtime's."""
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
        UserError: as :func:`~hrf_ser.deploy.runtime.model_file.load_model`, or another sample rate than the page's.
    """
    file, _, content = load_model(path)
    if file.sample_rate != SAMPLE_RATE:
        raise UserError(f"{file.path}: takes {file.sample_rate} Hz, and the page {SAMPLE_RATE}; export it again.")
    try:
        # Python reads NaN as JSON, browsers do not.
        card = json.loads(file.metadata.get("card", "{}"), parse_constant=lambda _: None)
        if not isinstance(card, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file.path}: is damaged (its card is no JSON object: {error}); export it again.") from error
    return BrowserModel(file, content, card)
