"""Cost of a teacher per training step: light models without, and with soft labels and hints of the width of Whisper base.

    python -m benchmarks.distillation --data ravdess --root /path/to/RAVDESS

The teacher's outputs are cached before training, so a step pays for the two losses and the projection of the hints alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.models import options_of
from benchmarks.part import Part, Result, Settings, milliseconds, ratio, table
from benchmarks.rounds import compare
from benchmarks.training_step import BATCH, speech_data
from hrf_ser.data.batches import Batch
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.distillation.loss import DistillationLoss
from hrf_ser.distillation.targets import Targets
from hrf_ser.models import Backbone
from hrf_ser.training.module import EmotionModule

# Mean and standard deviation of 512 hidden states.
WIDTH = 1024


def measure(settings: Settings) -> Result:
    """Every light model: the step with a teacher, as a ratio to the plain one."""
    data = speech_data(settings)
    batches = [batch for batch in data.train_dataloader() if len(batch["labels"]) == BATCH]
    found: Result = {}
    for label in settings.light:
        candidates = {name: _step(label, data, batches, name == "teacher") for name in ("plain", "teacher")}
        found[label] = compare(settings.interleave(candidates, 60))
    return found


def _step(label: str, data: SpeechData, batches: list[Batch], with_teacher: bool) -> Callable[[], None]:
    torch.manual_seed(0)
    name, options = options_of(label)
    module = EmotionModule(name, list(data.labels), data.front_end.width, len(batches), options=options)
    if with_teacher:
        rows = len(data.corpus.utterances)
        targets = Targets(torch.randn(1, 1, rows, len(data.labels)).log_softmax(-1), torch.randn(1, rows, WIDTH))
        assert isinstance(module.model, Backbone)
        module.distillation = DistillationLoss(targets, [module.model.pooling.out_width], 0.7, 1.0, 2.0)
    optimizer = torch.optim.AdamW(module.parameters(), fused=True)
    number = 0

    def run() -> None:
        nonlocal number
        loss = module.training_step(batches[number % len(batches)], number)
        number += 1
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()

    return run


def markdown(result: Result) -> str:
    rows = [
        (label, name, ratio(entry), milliseconds(entry))
        for label, candidates in result.items()
        for name, entry in candidates.items()
    ]
    return table(("model", "training", "ratio to plain (quartiles)", "ms"), rows)


PART = Part("distillation", "A training step with a teacher", measure, markdown)

if __name__ == "__main__":
    PART.main()
