"""What recordings unlike the corpora's cost: held-out speakers through telephones, rooms, noise, levels, codecs and silence.

    python -m benchmarks.robustness --runs runs/builtin

``--runs`` holds the folds of ``benchmarks.builtin_model``; every utterance is predicted by the model that has not seen its
speaker.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import balanced_accuracy_score as ua
from torch import Tensor

from benchmarks.builtin_model import FOLDS
from hrf_ser.audio.augment import telephone
from hrf_ser.audio.read import SAMPLE_RATE, read_audio
from hrf_ser.audio.torchaudio_import import torchaudio
from hrf_ser.deploy.bundle import BundlePredictor, load_bundle
from hrf_ser.files import write_text

RESULT = Path("docs/results/robustness.json")
Change = Callable[[Tensor], Tensor]


def main() -> None:
    """Measure every change and write UA and the largest share of a class."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--runs", type=Path, default=Path("runs/builtin"))
    arguments.add_argument("--out", type=Path, default=RESULT)
    arguments.add_argument("--every", type=int, default=1, help="take every nth utterance")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [row for fold in range(1, FOLDS + 1) for row in _predictions(given.runs, fold, given.every)]
    table = pd.DataFrame(rows, columns=["change", "corpus", "label", "predicted"])
    found = {name: summary(own) for name, own in table.groupby("change", sort=False)}
    write_text(given.out, json.dumps(found, indent=2) + "\n")
    for name, entry in found.items():
        print(f"{name:28} UA {entry['ua']:.3f}  largest share {entry['largest_share']:.2f} ({entry['largest']})")


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """UA in all and by corpus; and the class that most predictions name, with how much more than its own share it gets."""
    shares = Counter(table.predicted)
    largest, count = shares.most_common(1)[0]
    return {
        "ua": ua(table.label, table.predicted),
        **{corpus: ua(own.label, own.predicted) for corpus, own in table.groupby("corpus")},
        "largest": largest,
        "largest_share": count / len(table),
        "most_overpredicted": max(shares[label] / count for label, count in Counter(table.label).items()),
    }


def _predictions(runs: Path, fold: int, every: int) -> Iterator[tuple[str, str, str, str]]:
    (folder,) = (path.parent for path in runs.glob(f"*_fold{fold}of{FOLDS}_*/metrics.json"))
    predictor = BundlePredictor(load_bundle(folder / "bundle"))
    paths = pd.read_csv(runs / "joint.csv").set_index("utterance").path
    for utterance in pd.read_csv(folder / "predictions.csv").itertuples():
        if zlib.crc32(utterance.utterance.encode()) % every:
            continue
        waveform = torch.from_numpy(read_audio(Path(paths[utterance.utterance])))
        for name, change in CHANGES.items():
            torch.manual_seed(zlib.crc32(utterance.utterance.encode()))
            posterior = predictor.posterior(change(waveform).numpy())
            yield name, utterance.speaker.split("_")[0], utterance.label, predictor.labels[int(posterior.argmax())]


def room(waveform: Tensor) -> Tensor:
    """A room of 0.5 s reverberation time: the direct sound, then noise that decays by 60 dB, at the same energy."""
    time = torch.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    response = torch.randn(len(time)) * 10 ** (-3 * time / 0.5) * 0.05
    response[0] = 1.0
    reverberant: Tensor = torchaudio().functional.fftconvolve(waveform, response)[: len(waveform)]
    scaled: Tensor = reverberant * waveform.norm() / reverberant.norm().clamp(min=1e-9)
    return scaled


def noise(snr_db: float) -> Change:
    """White noise at this ratio."""

    def change(waveform: Tensor) -> Tensor:
        white = torch.randn(len(waveform))
        noisy: Tensor = torchaudio().functional.add_noise(waveform, white, torch.tensor(snr_db))
        return noisy

    return change


def opus(waveform: Tensor) -> Tensor:
    """Opus at 16 kbit/s, as of a messenger."""
    raw = ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1"]
    command = ["ffmpeg", "-v", "error", *raw, "-i", "-", "-c:a", "libopus", "-b:a", "16k", "-f", "ogg", "-"]
    coded = subprocess.run(command, input=waveform.numpy().tobytes(), capture_output=True, check=True).stdout
    command = ["ffmpeg", "-v", "error", "-f", "ogg", "-i", "-", *raw, "-"]
    decoded = subprocess.run(command, input=coded, capture_output=True, check=True).stdout
    return torch.from_numpy(np.frombuffer(decoded, dtype=np.float32).copy())


def gain(decibels: float) -> Change:
    """Another level, without clipping."""
    return lambda waveform: waveform * 10 ** (decibels / 20)


def clipping(waveform: Tensor) -> Tensor:
    """The loudest tenth of a speaker's samples is cut."""
    limit = waveform.abs().quantile(0.9)
    return waveform.clamp(-limit, limit)


def silence(waveform: Tensor) -> Tensor:
    """Two seconds of a quiet room before and after."""
    before, after = 1e-4 * torch.randn(2, 2 * SAMPLE_RATE)
    return torch.cat([before, waveform, after])


CHANGES: dict[str, Change] = {
    "none": lambda waveform: waveform,
    "telephone, mu-law": telephone,
    "room, 0.5 s": room,
    "white noise at 20 dB": noise(20.0),
    "white noise at 10 dB": noise(10.0),
    "20 dB louder": gain(20.0),
    "20 dB quieter": gain(-20.0),
    "clipping": clipping,
    "opus at 16 kbit/s": opus,
    "2 s of silence around": silence,
}

if __name__ == "__main__":
    main()
