"""The checkpoints of a run: of its best epoch, which is tested, and of its last, from which it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint


class BestEpoch(ModelCheckpoint):
    """Keeps ``best.ckpt`` and, after every epoch, ``last.ckpt``.

    Args:
        folder: of both.
        monitor: the score that is highest in the best epoch; None where nobody validates: the last epoch's file is the best.
    """

    def __init__(self, folder: str | Path, monitor: str | None = "val/ua") -> None:
        super().__init__(
            folder,
            filename="best",
            monitor=monitor,
            mode="max",
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        # A fit that was stopped early and then killed has ended: Lightning would train an epoch more.
        for callback in trainer.early_stopping_callbacks:
            if isinstance(callback, EarlyStopping) and 0 < callback.wait_count >= callback.patience:
                trainer.should_stop = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        # Lightning leaves the last one as it is where the epoch is not the best.
        if self._last_global_step_saved != trainer.global_step:
            trainer.save_checkpoint(Path(str(self.dirpath)) / "last.ckpt")

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # Runs that were begun before there was this class have its state under the name of Lightning's.
        states = checkpoint["callbacks"]
        states.setdefault(self.state_key, states.get(self.state_key.replace(BestEpoch.__name__, "ModelCheckpoint", 1)))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what was the best so far, from a folder that has been moved or copied too.

        Lightning knows files by their whole paths, and would forget the best score where the folder's has changed.
        """

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = {key: here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})
