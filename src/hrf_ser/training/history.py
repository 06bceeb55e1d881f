"""``history.csv``: a row an epoch, kept in checkpoints so that a resumed run continues it without gap or repetition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from hrf_ser.errors import UserError
from hrf_ser.files import write_csv
from hrf_ser.training.metrics import SCORES


class History(Callback):
    """Collects training loss, learning rate and validation scores of every epoch; ``path`` is rewritten after each.

    Raises:
        UserError: in training, once the loss of an epoch is not finite.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._loss = torch.zeros(2, dtype=torch.float64)
        self._scores: dict[str, float] = {}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss: Tensor = outputs["loss"].detach()
        size = len(batch["labels"])
        # Stays on the device: reading a number each step would make the GPU wait.
        self._loss = self._loss.to(loss.device)
        self._loss += torch.stack([loss.double() * size, torch.tensor(size, dtype=torch.float64, device=loss.device)])

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        metrics = trainer.callback_metrics
        self._scores = {key: float(value) for key, value in metrics.items() if key.startswith("val/")}

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        total, count = self._loss.tolist()
        self._loss.zero_()
        loss = total / max(count, 1)
        if not math.isfinite(loss):
            raise UserError(
                f"The training loss of epoch {trainer.current_epoch + 1} is {loss}: lower optimizer.lr, "
                "or set trainer.gradient_clip_val."
            )
        pl_module.log("train/loss", loss, prog_bar=True)
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        pl_module.log("lr", rate)
        self.rows.append({"epoch": trainer.current_epoch, "lr": rate, "train/loss": loss, **self._scores})
        # The Trainer keeps the metrics of the last validation, and not every epoch is validated.
        self._scores = {}
        if trainer.is_global_zero:
            # Scores of an epoch that was not validated are empty.
            columns = dict.fromkeys(column for row in self.rows for column in row)
            write_csv(self.path, [columns, *([row.get(column) for column in columns] for row in self.rows)])

    def describe_epoch(self, epoch: int, with_scores: bool) -> dict[str, Any]:
        """What ``metrics.json`` says of the epoch whose checkpoint was selected."""
        row = next(row for row in self.rows if row["epoch"] == epoch)
        val = {name: row[f"val/{name}"] for name in SCORES} if with_scores else None
        return {"best_epoch": epoch, "epochs": len(self.rows), "val": val}

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "loss": self._loss.cpu()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])
        self._loss = state_dict["loss"].clone()
