"""``python -m hrf_ser.predict bundle=... audio=file.wav|folder|pattern``: hear emotions with a trained model."""

from __future__ import annotations

import glob
import os
import sys
from pathlib import Path

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError

EXTENSIONS = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64"}


@entry_point("predict", paths=("bundle", "audio"))
def main(config: DictConfig) -> None:
    from hrf_ser.settings import check

    check(config)
    files = audio_files(config.audio)

    import torch
    from rich.console import Console
    from rich.table import Table

    from hrf_ser.audio.read import read_audio
    from hrf_ser.deploy.bundle import load_bundle

    classifier = load_bundle(config.bundle)
    labels = classifier.description.labels
    folder = Path(os.path.commonpath([file.parent for file in files]))
    table = Table(title=f"{folder}/", title_justify="left", box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for title in ("emotion", "probability", "next"):
        table.add_column(title, no_wrap=True)
    bad = []
    for file in files:
        try:
            waveform = torch.from_numpy(read_audio(file))
        except UserError as error:
            bad.append(str(error))
            continue
        with torch.inference_mode():
            logits = classifier(waveform[None], torch.tensor([len(waveform)]))
        probabilities = logits[0].softmax(-1).tolist()
        ranked = sorted(zip(probabilities, labels, strict=True), reverse=True)
        then = ", ".join(f"{label} {probability:.2f}" for probability, label in ranked[1:3])
        table.add_row(
            str(file.relative_to(folder)), f"[bold]{ranked[0][1]}[/]", f"{ranked[0][0]:.2f}", f"[dim]{then}[/]"
        )
    if table.row_count:
        Console().print(table)
    for sentence in bad:
        print(f"Error: {sentence}", file=sys.stderr)
    if bad:
        sys.exit(1)


def audio_files(audio: str) -> list[Path]:
    """The files that ``audio`` names: one, all of a folder and its folders, or those that match a pattern.

    Raises:
        UserError: nothing there.
    """
    path = Path(audio).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith("._"))
    else:
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file())
    if not found:
        raise UserError(f"audio={audio}: no audio file is there; give a file, a folder or a pattern.")
    return found


if __name__ == "__main__":
    main()
