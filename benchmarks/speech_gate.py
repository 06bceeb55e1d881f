"""What the speech gate says of speech, noise, tones and music, and what it costs.

    python -m benchmarks.speech_gate --ravdess /path/to/RAVDESS --emodb /path/to/EmoDB

Every ``--every``-th file of the corpora, from ``--first`` on, as a whole, in windows of 3 s and in noise; the other sounds in
windows of 3 s, as a stream has them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.audio import is_silent, open_audio
from hrf_ser.deploy.runtime.speech import is_speech
from hrf_ser.files import write_text

RATE, WINDOW = 16_000, 48_000
RESULT = Path("docs/results/speech_gate.json")
COLOURS = {"white": 0.0, "pink": 0.5, "brown": 1.0}  # exponent of the falling amplitude
LEVELS = (-80, -60, -40, -20)  # dB below full scale
Sound = NDArray[np.float32]


def main() -> None:
    """Measure and write every share that is called no speech."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--ravdess", type=Path, required=True)
    arguments.add_argument("--emodb", type=Path, required=True)
    arguments.add_argument("--every", type=int, default=8)
    arguments.add_argument("--first", type=int, default=0)
    arguments.add_argument("--out", type=Path, default=RESULT)
    given = arguments.parse_args()
    found = {}
    for name, sounds in {**speech(given), **others()}.items():
        called = [not is_speech(sound, RATE) for sound in sounds if not is_silent(sound)]
        found[name] = {"sounds": len(called), "no_speech": sum(called) / max(len(called), 1)}
        print(f"{name:40} {len(called):6}  no speech {100 * found[name]['no_speech']:6.2f} %", flush=True)
    found["milliseconds for 3 s"] = {"median": milliseconds()}
    write_text(given.out, json.dumps(found, indent=2) + "\n")


def speech(given: argparse.Namespace) -> dict[str, list[Sound]]:
    """Recordings of the corpora as they are, their windows, and the recordings in noise as loud as they are."""
    found: dict[str, list[Sound]] = {}
    for corpus, root in (("RAVDESS", given.ravdess), ("EmoDB", given.emodb)):
        files = sorted(path for path in root.rglob("*") if path.suffix in (".wav", ".flac"))
        found[f"speech, {corpus}"] = [_read(path) for path in files[given.first :: given.every]]
    spoken = [sound for sounds in found.values() for sound in sounds]
    found["speech, its windows of 3 s"] = [window for sound in spoken for window in _windows(sound)]
    for decibels in (20, 40):
        found[f"speech, {decibels} dB quieter"] = [sound / 10 ** (decibels / 20) for sound in spoken]
    generator = np.random.default_rng(0)
    for colour, exponent in COLOURS.items():
        noises = (_noise(generator, len(sound), exponent, _rms(sound)) for sound in spoken)
        found[f"speech in {colour} noise at 0 dB"] = [
            sound + noise for sound, noise in zip(spoken, noises, strict=True)
        ]
    return found


def others() -> dict[str, list[Sound]]:
    """Sounds without a voice, in windows of 3 s."""
    generator = np.random.default_rng(1)
    found = {"silence of a room, 10 min": list(_windows(_noise(generator, 600 * RATE, 0.5, 1e-4)))}
    for colour, exponent in COLOURS.items():
        found[f"{colour} noise, 4 levels"] = [
            window
            for level in LEVELS
            for window in _windows(_noise(generator, 60 * RATE, exponent, 10 ** (level / 20)))
        ]
    time_axis = np.arange(WINDOW) / RATE
    tones = [np.sin(2 * np.pi * hertz * time_axis) for hertz in (50, 100, 150, 220, 300, 440, 1000, 3000)]
    found["tones and mains hum"] = [(0.2 * tone).astype(np.float32) for tone in tones]
    plays: dict[str, Callable[[int], Sound]] = {
        "chords": lambda seed: music(seed, notes=4),
        "melodies": lambda seed: music(seed, notes=1),
        "melodies with vibrato": lambda seed: music(seed, notes=1, vibrato=0.03),
    }
    for name, play in plays.items():
        found[f"music: {name}, 10 min"] = [window for seed in range(20) for window in _windows(play(seed))]
    return found


def music(seed: int, notes: int, vibrato: float = 0.0, seconds: int = 30) -> Sound:
    """Notes of eight harmonics that are struck and decay, ``notes`` at once; ``vibrato`` in parts of the pitch, at 5.5 Hz."""
    generator = np.random.default_rng(seed)
    time_axis = np.arange(seconds * RATE) / RATE
    root, step = generator.uniform(110, 300), generator.choice([0.4, 0.5, 0.75, 1.0])
    sound = np.zeros(len(time_axis))
    for number in range(int(seconds / step)):
        start = int(number * step * RATE)
        now = time_axis[: min(3 * RATE, len(time_axis) - start)]
        decay = np.exp(-now * generator.uniform(1.5, 5)) * np.minimum(now / 0.01, 1)
        phase = 2 * np.pi * (now - vibrato * np.cos(2 * np.pi * 5.5 * now) / (2 * np.pi * 5.5))
        chord = generator.choice([0, 2, 4, 5, 7, 9, 12]) + np.array([0, generator.choice([3, 4]), 7, 12])[:notes]
        for hertz in root * 2 ** (chord / 12):
            for harmonic in range(1, 9):
                sound[start : start + len(now)] += decay * np.sin(harmonic * hertz * phase) / harmonic**1.3
    quiet: Sound = (0.2 * sound / np.abs(sound).max()).astype(np.float32)
    return quiet


def milliseconds() -> float:
    """Median time of the gate for three seconds."""
    sound, times = _noise(np.random.default_rng(2), WINDOW, 0.0, 0.1), []
    for _ in range(50):
        started = time.perf_counter()
        is_speech(sound, RATE)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times))


def _noise(generator: np.random.Generator, length: int, exponent: float, rms: float) -> Sound:
    spectrum = np.fft.rfft(generator.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    sound = np.fft.irfft(np.where(hertz < 20, 0, spectrum * np.maximum(hertz, 20) ** -exponent), length)
    return (sound * rms / _rms(sound)).astype(np.float32)


def _rms(sound: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(sound).mean()))


def _windows(sound: Sound) -> Iterator[Sound]:
    for start in range(0, max(len(sound) - WINDOW, 0) + 1, RATE):
        yield sound[start : start + WINDOW]


def _read(path: Path) -> Sound:
    with open_audio(path, None, RATE) as (_, blocks):
        sound: Sound = np.concatenate(list(blocks))
    return sound


if __name__ == "__main__":
    main()
