"""Emotion of a recording without torch and without hrf_ser: python predict.py model.onnx speech.wav

Needs numpy, onnxruntime and soundfile; model.onnx.json lies beside model.onnx.
"""

import json
import sys
from pathlib import Path

import onnxruntime
import soundfile

model, recording = sys.argv[1:]
described = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
samples, rate = soundfile.read(recording, dtype="float32", always_2d=True)
if rate != described["sample_rate"]:
    sys.exit(f"{recording}: has {rate} Hz; convert it to {described['sample_rate']} Hz, for example with ffmpeg -ar.")
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
waveform = samples.mean(axis=1)[None]  # (1, samples), mono
(probabilities,) = session.run(["probabilities"], {"waveform": waveform})
for label, probability in zip(described["labels"], probabilities[0], strict=True):
    print(f"{label} {probability:.6f}")
