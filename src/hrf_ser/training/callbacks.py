"""HRF for the time of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, RichProgressBar
from torch.nn.utils import parametrize

from hrf_ser.hrf import insert_hrf, is_factorised


class HRF(Callback):
    """Factorises ``pl_module.model`` when ``fit`` starts.

    Factors enter at ``setup("fit")``, before the optimizer is built and a checkpoint is restored. It must come before
    callbacks that copy the model. Loading a checkpoint into a plain module merges them.

    Args:
        rank: inner dimension as a multiple of each layer's output dimension.
        targets: names or patterns of layers, as in ``insert_hrf``; None takes the model's feed-forward layers.
        options: ``factors``, ``init`` and ``mode`` of ``insert_hrf``.

    Attributes:
        layers: names of the factorised layers.
    """

    def __init__(self, rank: float = 4, targets: Sequence[str] | None = None, **options: Any) -> None:
        self.rank = rank
        self.targets = targets
        self.options = options
        self.layers: list[str] = []
        self._cached_products = ExitStack()

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if stage == "fit" and not is_factorised(pl_module.get_submodule("model")):
            self.layers = insert_hrf(pl_module.get_submodule("model"), self.rank, self.targets, **self.options)

    # Within a validation epoch the weights do not change: each product is taken once.

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._cached_products.enter_context(parametrize.cached())

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._cached_products.close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self._cached_products.close()


class ProgressBar(RichProgressBar):
    """Lightning's bar, which counts epochs from 1 and leaves out the logger's version number."""

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        last = "" if epochs in (None, -1) else f"/{epochs}"
        return f"Epoch {current_epoch + 1}{last}".ljust(len(self.validation_description))

    def get_metrics(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> dict[str, Any]:
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in metrics.items() if name != "v_num"}
