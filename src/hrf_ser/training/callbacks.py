"""Callbacks: HRF for the time of a fit, the predictions of a test, and the progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import Tensor
from torch.nn.utils import parametrize

from hrf_ser.hrf import describe_hrf, insert_hrf, is_factorised, merge_state_dict
from hrf_ser.training.checkpoints import BestCheckpoint
from hrf_ser.training.module import EmotionModule


class HRF(Callback):
    """Factorises the model when ``fit`` starts, and has the deployable model of the best epoch when it ends.

    Factors enter at ``setup("fit")``, before the optimizer is built and a checkpoint is restored. It must come before
    callbacks that copy the model. The module that was trained is left as it is.

    Args:
        enabled: False trains the plain model, and still gives the deployable one.
        rank: inner dimension as a multiple of each layer's output dimension.
        targets: names or patterns of layers, or one, as in ``insert_hrf``; None takes the model's feed-forward layers.
        factors: 2 or 3.
        init: ``exact``, ``variance`` or ``default``.
        mode: ``parametrized`` or ``inserted``.

    Attributes:
        layers: names of the factorised layers.
        deployed: after ``fit``, the merged module with the weights of the best checkpoint, or of the last step where no
            checkpoint was kept.
    """

    def __init__(
        self,
        enabled: bool = True,
        rank: float = 4,
        targets: Sequence[str] | None = None,
        factors: int = 2,
        init: str = "exact",
        mode: str = "parametrized",
    ) -> None:
        self.enabled = enabled
        self.rank = rank
        self.targets = targets if targets is None or isinstance(targets, str) else list(targets)
        self.options: dict[str, Any] = {"factors": factors, "init": init, "mode": mode}
        self.layers: list[str] = []
        self._cached: AbstractContextManager[None] | None = None
        self.deployed: EmotionModule | None = None

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, EmotionModule)
        if stage == "fit" and self.enabled and not is_factorised(pl_module.model):
            self.layers = insert_hrf(pl_module.model, self.rank, self.targets, **self.options)

    # Within a validation epoch the weights do not change: each product is taken once.

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._cached = parametrize.cached()
        self._cached.__enter__()

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._clear_cache()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self._clear_cache()

    def _clear_cache(self) -> None:
        if self._cached is not None:
            self._cached.__exit__(None, None, None)
            self._cached = None

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, EmotionModule)
        kept = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
        # Others are the user's, and may watch anything.
        own = next((callback for callback in kept if isinstance(callback, BestCheckpoint)), next(iter(kept), None))
        best = "" if own is None else own.best_model_path
        if best:
            self.deployed = EmotionModule.load_from_checkpoint(best, map_location="cpu", weights_only=True)
        else:
            self.deployed = EmotionModule(**pl_module.hparams)
            self.deployed.load_state_dict(merge_state_dict(pl_module.state_dict(), describe_hrf(pl_module)))
        self.deployed.eval()


class Predictions(Callback):
    """Collects the predictions of a test."""

    def __init__(self) -> None:
        self._outputs: list[dict[str, Tensor]] = []

    @property
    def rows(self) -> list[int]:
        """Rows of the corpus's table."""
        return [int(row) for output in self._outputs for row in output["rows"]]

    @property
    def probabilities(self) -> Tensor:
        """``(utterances, classes)``, in the order of ``rows``."""
        return torch.cat([output["probabilities"].float().cpu() for output in self._outputs])

    def on_test_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._outputs.clear()

    def on_test_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._outputs.append(outputs)


class ProgressBar(RichProgressBar):
    """Lightning's bar without the logger's version number, which tells the reader nothing."""

    def get_metrics(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> dict[str, Any]:
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
