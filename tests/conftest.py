"""Real audio and small helpers that tests of several folders share."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def ravdess() -> Path:
    """The RAVDESS speech corpus: HRF_SER_RAVDESS, or ../shared/corpora/RAVDESS beside the repository."""
    root = Path(os.environ.get("HRF_SER_RAVDESS", REPOSITORY.parent / "shared" / "corpora" / "RAVDESS"))
    if not (root / "Actor_01").is_dir():
        pytest.skip(f"RAVDESS is not at {root}; set HRF_SER_RAVDESS")
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """A cache folder that the whole test run shares, so that corpora and features are made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def tone(tmp_path):
    """Writes a tone as an audio file: ``tone(name, seconds=..., rate=..., channels=..., hertz=...)``."""

    def write(name: str, seconds: float = 1.0, rate: int = 16_000, channels: int = 1, hertz: float = 440.0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(round(seconds * rate)) / rate
        wave = 0.3 * np.sin(2 * np.pi * hertz * time)
        soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
        return path

    return write
