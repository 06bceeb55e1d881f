"""Feature extraction against the audio's own duration, and what keeping features saves.

    python -m benchmarks.features --data ravdess --root /path/to/RAVDESS

Utterances of the corpus, and noise of some lengths, go through the front end one by one. Then the whole corpus is loaded twice
with a cache of its own: the first time computes its features (on all cores, as the main job does), the second opens them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.part import Part, Result, Settings, table
from benchmarks.rounds import CLOCKS, compare, spread
from benchmarks.training_step import speech_data
from hrf_ser.audio.front_end import FrontEndConfig, LogMel
from hrf_ser.audio.read import read_audio
from hrf_ser.data.corpora import read_corpus
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.data.dataset import make_dataset

RATE = 16_000
SECONDS = (1, 3, 10, 30)


def measure(settings: Settings) -> Result:
    """Reading and log-mel of real utterances, log-mel by length, loading."""
    speech_data(settings)  # Synthesises the demo corpus where it is wanted and missing.
    log_mel = LogMel(FrontEndConfig())
    utterances = read_corpus(settings.data, settings.corpus).utterances
    chosen = utterances[:: max(1, len(utterances) // (8 if settings.quick else 120))]
    found: Result = {"corpus": settings.data, "utterances": len(chosen), "real": _real(chosen, log_mel, settings)}
    found["lengths"] = {}
    for seconds in SECONDS:
        waveform, samples = torch.randn(1, seconds * RATE), torch.tensor([seconds * RATE])

        def extract(waveform: torch.Tensor = waveform, samples: torch.Tensor = samples) -> None:
            with torch.inference_mode():
                log_mel(waveform, samples)

        times = settings.interleave({"log-mel": extract}, 30)
        found["lengths"][seconds] = compare(times)["log-mel"]["ms"]
    found["loading"] = _loading(settings)
    return found


def _real(utterances, log_mel: LogMel, settings: Settings) -> Result:  # type: ignore[no-untyped-def]
    """Real-time factors: seconds of work for a second of audio, by utterance."""
    now = CLOCKS[settings.clock]
    factors: dict[str, list[float]] = {"reading": [], "log-mel": []}
    durations = []
    for number, one in enumerate(utterances):
        started = now()
        waveform = torch.from_numpy(read_audio(one.path, one.start, one.end))
        read = now()
        with torch.inference_mode():
            log_mel(waveform[None], torch.tensor([len(waveform)]))
        ended = now()
        # The first ones open libraries and plan transforms.
        if number >= 3:
            durations.append(len(waveform) / RATE)
            factors["reading"].append((read - started) / durations[-1])
            factors["log-mel"].append((ended - read) / durations[-1])
    return {"seconds": spread(durations), **{name: spread(values) for name, values in factors.items()}}


def _loading(settings: Settings) -> Result:
    dataset = make_dataset(read_corpus(settings.data, settings.corpus))
    times: dict[str, list[float]] = {"first": [], "cached": []}
    hours = 0.0
    for _ in range(1 if settings.quick else 3):
        with tempfile.TemporaryDirectory() as name:
            for seconds in times.values():
                data = SpeechData(dataset, Path(name), FrontEndConfig())
                started = time.perf_counter()
                data.prepare_data()
                for loader in (data.train_dataloader(), data.val_dataloader()):
                    for _batch in loader:
                        pass
                seconds.append(time.perf_counter() - started)
                hours = float(data.stores[0].lengths.sum()) * FrontEndConfig().hop_ms / 3.6e6
    return {"hours": hours, **{kind: spread(values) for kind, values in times.items()}}


def markdown(result: Result) -> str:
    real, loading = result["real"], result["loading"]
    rows = [
        (f"{name}, {result['corpus']} utterances", f"{real['seconds']['median']:.1f}", _factor(real[name]))
        for name in ("reading", "log-mel")
    ]
    for seconds, ms in result["lengths"].items():
        shares = {key: value / 1000 / float(seconds) for key, value in ms.items()}
        rows.append(("log-mel, noise", f"{float(seconds):g}", _factor(shares)))
    first, cached = (loading[kind]["median"] for kind in ("first", "cached"))
    return (
        table(("what", "seconds of audio", "real-time factor (quartiles)"), rows)
        + f"\n\nLoading {result['corpus']} ({loading['hours']:.2f} h of speech, clean only, with the batches of an epoch): "
        f"{first:.2f} s the first time, {cached:.3f} s from the cache, {cached / first:.3f} of it."
    )


def _factor(values: dict[str, float]) -> str:
    return f"{values['median']:.5f} ({values['low']:.5f}-{values['high']:.5f})"


PART = Part("features", "Features and loading", measure, markdown)

if __name__ == "__main__":
    PART.main()
