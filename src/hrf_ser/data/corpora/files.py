"""Looking for audio files in the folder that the user named."""

from __future__ import annotations

import wave
from pathlib import Path

from hrf_ser.errors import UserError

SUFFIXES = (".wav", ".flac")


def audio_files(folder: Path) -> list[Path]:
    """WAV and FLAC files directly in a folder, sorted; hidden files (``._*`` of macOS archives among them) left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted; hidden ones left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def require_folder(root: Path, looked_for: str, hint: str) -> None:
    """Refuse a ``data.root`` that is no folder.

    Raises:
        UserError: Names ``data.root``, what was looked for in it and the hint.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UserError(f"data.root={root} {what}, looked there for {looked_for}: {hint}.")


def wav_seconds(path: Path) -> float | None:
    """Length of a WAV file as its header states it; 0 for an empty file, None for a header that only an audio reader knows."""
    try:
        with wave.open(str(path)) as audio:
            return float(audio.getnframes() / max(audio.getframerate(), 1))
    except EOFError:
        return 0.0
    except (wave.Error, RuntimeError):  # RuntimeError: a chunk that ends beyond the file
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it readable or unpack it again.") from None
