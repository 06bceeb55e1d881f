"""Cost of HRF per training step: plain, parametrized and inserted side by side, light models and their large variants.

    python -m benchmarks.training_step --data ravdess --root /path/to/RAVDESS

A step is forward, loss, backward, clipping and AdamW on one real batch of log-mel features; every variant takes it in every
round. Without a corpus the batches are the demo corpus's.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from benchmarks.models import VARIANTS, model_of, step_of
from benchmarks.part import Part, Result, Settings, milliseconds, ratio, table
from benchmarks.rounds import compare
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data.batches import Batch
from hrf_ser.data.corpora import read_corpus
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.data.dataset import make_dataset
from hrf_ser.models import count_parameters

BATCH = 32
# Inserted layers of a large model take seconds a step, and one variant shows it.
OF_LARGE = ("plain", "parametrized x2", "parametrized x4", "parametrized x8", "inserted x4")


def measure(settings: Settings) -> Result:
    """Every model: parameters that are trained, and the step, as ratios to the plain one."""
    data = speech_data(settings)
    batches = [batch for batch in data.train_dataloader() if len(batch["labels"]) == BATCH]
    found: Result = {
        "batch": BATCH,
        "frames": statistics.mean(batch["features"].shape[1] for batch in batches),
        "models": {},
    }
    for label in (*settings.light, *settings.large):
        light = label in settings.light
        variants = {name: VARIANTS[name] for name in (VARIANTS if light else OF_LARGE)}
        models = {name: model_of(label, hrf, n_classes=len(data.labels)) for name, hrf in variants.items()}
        candidates = {name: _rotating(step_of(model), batches) for name, model in models.items()}
        times = settings.interleave(candidates, 30 if light else 5, 3 if light else 1)
        compared = compare(times)
        found["models"][label] = {
            name: {"parameters": count_parameters(models[name]), **compared[name]} for name in compared
        }
    return found


def speech_data(settings: Settings, **options: object) -> SpeechData:
    """The corpus of the settings with its features, in batches."""
    dataset = make_dataset(read_corpus(settings.data, settings.corpus))
    data = SpeechData(dataset, settings.cache, FrontEndConfig(), batch_size=BATCH, **options)  # type: ignore[arg-type]
    data.prepare_data()
    return data


def _rotating(step: Callable[..., None], batches: list[Batch]) -> Callable[[], None]:
    """Takes the next batch each time; candidates that are called equally often are given the same ones."""
    number = 0

    def run() -> None:
        nonlocal number
        batch = batches[number % len(batches)]
        number += 1
        step(batch["features"], batch["lengths"], batch["labels"])

    return run


def markdown(result: Result) -> str:
    rows = [
        (label, name, f"{entry['parameters']:,}", ratio(entry), milliseconds(entry))
        for label, variants in result["models"].items()
        for name, entry in variants.items()
    ]
    head = f"Batches of {result['batch']} utterances, {result['frames']:.0f} frames on average.\n\n"
    return head + table(("model", "variant", "trained parameters", "ratio to plain (quartiles)", "ms"), rows)


PART = Part("training_step", "A training step, with and without HRF", measure, markdown)

if __name__ == "__main__":
    PART.main()
