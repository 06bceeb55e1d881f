"""A callback of the main job that takes every step bare as well, right before it, and notes how long either takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.rounds import CLOCKS
from hrf_ser.data.batches import Batch
from hrf_ser.files import write_text
from hrf_ser.hrf import factorised_layers, insert_hrf
from hrf_ser.training.module import EmotionModule


class BareSteps(Callback):
    """A copy of the module trains on each batch first, right before the module, so that a busy machine disturbs both alike.

    A bare training step is the module's own (augmentation and normalisation included), backward, clipping and optimizer; a bare
    validation step is forward and loss. Everything else of the command is overhead, and its time is noted by part.

    Args:
        path: JSON that is written at the end of the fit: a list of epochs, each with seconds by part.
        clock: one of :data:`benchmarks.rounds.CLOCKS`.
    """

    def __init__(self, path: str, clock: str = "wall") -> None:
        self.path = Path(path)
        self.epochs: list[dict[str, float]] = []
        self._now = CLOCKS[clock]
        self._mark: float | None = None

    def on_fit_start(self, _: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, EmotionModule)
        self.copy = EmotionModule(**pl_module.hparams)
        if factorised_layers(pl_module.model):
            insert_hrf(self.copy.model, 4)
        self.copy.load_state_dict(pl_module.state_dict())
        self.optimizer = torch.optim.AdamW(self.copy.parameters(), lr=1e-3, fused=True)

    def on_train_epoch_start(self, *_: Any) -> None:
        self._note("end of epoch")
        # What follows the last batch belongs to the epoch that began before.
        parts = ("bare training", "bare evaluation", "steps", "between steps", "evaluation", "end of epoch")
        self.epochs.append(dict.fromkeys(parts, 0.0))

    def on_train_batch_start(
        self, _: lightning.Trainer, __: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._note("between steps")
        self.copy.train()
        self._step(batch, batch_idx)
        self._note("bare training")

    def on_train_batch_end(self, *_: Any) -> None:
        self._note("steps")

    def on_validation_batch_start(
        self, _: lightning.Trainer, __: lightning.LightningModule, batch: Any, *___: Any
    ) -> None:
        self._note("between steps")
        self.copy.eval()
        with torch.no_grad():
            self.copy._loss(self.copy(batch["features"], batch["lengths"]), batch["labels"])
        self._note("bare evaluation")

    def on_validation_batch_end(self, *_: Any) -> None:
        self._note("evaluation")

    def on_validation_end(self, *_: Any) -> None:
        self._note("between steps")

    def on_fit_end(self, *_: Any) -> None:
        # The last epoch lacks its end, and the first one warms up.
        write_text(self.path, json.dumps(self.epochs[1:-1]))

    def _step(self, batch: Batch, number: int) -> None:
        loss = self.copy.training_step(batch, number)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.copy.parameters(), 1.0)
        self.optimizer.step()

    def _note(self, part: str) -> None:
        now = self._now()
        if self._mark is not None and self.epochs:
            self.epochs[-1][part] += now - self._mark
        self._mark = self._now()
