"""Factors that are opened anew every few epochs of a fit."""

from __future__ import annotations

from typing import cast

import lightning
import numpy as np
from lightning.pytorch.callbacks import Callback, StochasticWeightAveraging, WeightAveraging

from hrf_ser.errors import UserError
from hrf_ser.hrf import reopen_hrf
from hrf_ser.training.module import EmotionModule


class Reopen(Callback):
    """Every so many epochs merges the factors and opens them anew by the exact start, before the first batch.

    The optimizer begins anew for the parameters that have other values then: moments and step counts of the old factors mean
    nothing in the new basis. A moving average is opened with the same orthonormal factors, so that it goes on averaging in
    one basis and its own function is kept, too.

    Args:
        every: epochs from one opening to the next; the first is the one at which training starts.
        seed: of the run. With the epoch it decides the factors, so that a resumed run has the same.

    Raises:
        UserError: at the start of a fit, beside an average that cannot be opened; in training, where weights are not
            finite.
    """

    def __init__(self, every: int, seed: int) -> None:
        self.every, self.seed = every, seed

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if any(isinstance(callback, StochasticWeightAveraging) for callback in _callbacks(trainer)):
            raise UserError(
                f"reparam.reopen_every={self.every}: StochasticWeightAveraging would average factors of several bases; "
                "use callbacks=ema, or leave reparam.reopen_every out."
            )

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, EmotionModule)
        epoch = trainer.current_epoch
        if epoch == 0 or epoch % self.every:
            return
        # A stream of its own: without the key, numpy's seed of (seed, epoch) is that of the epoch's first batch.
        seed = int(np.random.SeedSequence([self.seed, epoch], spawn_key=(1,)).generate_state(1)[0])
        try:
            changed = reopen_hrf(pl_module.model, seed)
            for average in _averages(trainer):
                reopen_hrf(average.model, seed)
        except ValueError as error:
            raise UserError(f"reparam.reopen_every={self.every}: {error}; lower optimizer.lr.") from error
        for optimizer in trainer.optimizers:
            for parameter in changed:
                optimizer.state.pop(parameter, None)


def _averages(trainer: lightning.Trainer) -> list[EmotionModule]:
    """The averaged modules that callbacks keep."""
    kept = [callback._average_model for callback in _callbacks(trainer) if isinstance(callback, WeightAveraging)]
    return [cast(EmotionModule, average.module) for average in kept if average is not None]


def _callbacks(trainer: lightning.Trainer) -> list[Callback]:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks
