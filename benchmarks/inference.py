"""3 s of audio to a decision, in PyTorch: light, merged, unmerged and large, and each part of the way.

    python -m benchmarks.inference

The waveform goes through the front end, the normalisation and the backbone, alone, as on a device. Merged is what
ships: the same structure as light. Unmerged runs the inserted layers one after the other.
"""

from __future__ import annotations

import torch

from benchmarks.models import CLASSES, inference_of, options_of
from benchmarks.part import Part, Result, Settings, milliseconds, ratio, table
from benchmarks.rounds import compare
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.deploy.bundle import BundleDescription, SpeechClassifier
from hrf_ser.hrf import insert_hrf, merge_hrf

SECONDS, RATE = 3, 16_000


def measure(settings: Settings) -> Result:
    """Every light model against itself merged, unmerged and large."""
    waveform = 0.1 * torch.randn(1, SECONDS * RATE, generator=torch.Generator().manual_seed(0))
    length = torch.tensor([SECONDS * RATE])
    found: Result = {"seconds": SECONDS, "models": {}}
    for label in settings.light:
        unmerged = classifier(label)
        insert_hrf(unmerged.model, 4, mode="inserted")
        merged = classifier(label)
        merged.model = merge_hrf(unmerged.model)
        classifiers = {"light": classifier(label), "HRF x4, merged": merged, "HRF x4, unmerged": unmerged}
        if settings.large:
            classifiers["large"] = classifier(f"{label}_large")
        whole = {name: inference_of(one) for name, one in classifiers.items()}
        candidates = {name: lambda infer=infer: infer(waveform, length) for name, infer in whole.items()}
        front_end = inference_of(classifiers["light"].front_end)
        candidates["front end alone"] = lambda front_end=front_end: front_end(waveform, length)
        compared = compare(settings.interleave(candidates, 100, 10))
        found["models"][label] = {
            name: {**entry, "real_time": entry["ms"]["median"] / 1000 / SECONDS} for name, entry in compared.items()
        }
    return found


def classifier(label: str) -> SpeechClassifier:
    """Waveform to logits by the model of conf/model/<label>.yaml, with random weights."""
    name, options = options_of(label)
    torch.manual_seed(0)
    labels = tuple(f"class{number}" for number in range(CLASSES))
    return SpeechClassifier(BundleDescription(name, options, labels, FrontEndConfig(), "train", {}))


def markdown(result: Result) -> str:
    rows = [
        (label, name, ratio(entry), milliseconds(entry), f"{entry['real_time']:.4f}")
        for label, candidates in result["models"].items()
        for name, entry in candidates.items()
    ]
    return table(("model", "what", "ratio to light (quartiles)", "ms", "real-time factor"), rows)


PART = Part("inference", "3 s of audio to a decision", measure, markdown)

if __name__ == "__main__":
    PART.main()
