import shutil
import subprocess

import numpy as np
import pytest
import soundfile

SECONDS = 2.0


@pytest.fixture
def encode(tmp_path):
    """Writes a tone with ffmpeg: ``encode("speech.m4a", "-c:a", "aac")`` -> its path."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("the program ffmpeg is not installed")

    def write(name, *arguments, rate=16_000, channels=1):
        time = np.arange(round(SECONDS * rate)) / rate
        tone = 0.3 * np.sin(2 * np.pi * 440 * time)
        soundfile.write(tmp_path / "tone.wav", np.repeat(tone[:, None], channels, axis=1), rate)
        line = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(tmp_path / "tone.wav"), *arguments]
        done = subprocess.run([*line, str(tmp_path / name)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this ffmpeg does not write {name}: {done.stderr.strip().splitlines()[-1]}")
        return tmp_path / name

    return write


@pytest.fixture
def no_ffmpeg(monkeypatch):
    monkeypatch.setenv("PATH", "")
