"""The checkpoints of a run: of its best epoch, which is tested, and of its last step, from which it resumes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from hrf_ser.errors import UserError
from hrf_ser.files import new_file

BEST, LAST = "best.ckpt", "last.ckpt"


class BestCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt`` and, after every epoch and on SIGTERM, ``last.ckpt``.

    Args:
        folder: of both.
        monitor: the score that is highest in the best epoch; None: the last epoch is the best.
    """

    def __init__(self, folder: Path, monitor: str | None = "val/ua") -> None:
        super().__init__(
            folder,
            filename="best",
            monitor=monitor,
            mode="max",
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.folder = folder

    def read(self) -> dict[str, Any]:
        """The checkpoint of the best epoch.

        Raises:
            UserError: no epoch was validated.
        """
        if not self.best_model_path:
            raise UserError(
                "The training ended before an epoch was validated, so that there is none to test: let it last longer "
                "(trainer.max_epochs, max_steps, max_time), or validate sooner (trainer.check_val_every_n_epoch)."
            )
        return read_checkpoint(Path(self.best_model_path))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        # A fit that was stopped early and then killed has ended: Lightning would train an epoch more.
        for callback in trainer.early_stopping_callbacks:
            if isinstance(callback, EarlyStopping) and 0 < callback.wait_count >= callback.patience:
                trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        # Lightning leaves the last one as it is where the epoch is not the best.
        if self._last_global_step_saved != trainer.global_step:
            trainer.save_checkpoint(self.folder / LAST)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write ``last.ckpt`` when SIGTERM arrives within an epoch, so that the run resumes at the next batch.

        Between epochs and during validation the last epoch's file is complete already. It is kept also while gradients
        accumulate, as no checkpoint holds them.
        """
        if isinstance(exception, SIGTERMException) and trainer.training:
            completed = trainer.fit_loop.epoch_loop.batch_progress.current.completed
            stepped = completed % trainer.accumulate_grad_batches == 0
            if stepped and 0 < completed < trainer.num_training_batches:
                trainer.save_checkpoint(self.folder / LAST)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score also where the run's folder was moved; Lightning knows files by their whole paths."""
        keys = [key for key in ("best_model_path", "kth_best_model_path", "last_model_path") if state_dict[key]]
        paths = {key: str(self.folder / Path(state_dict[key]).name) for key in keys}
        best = {str(self.folder / Path(path).name): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames.

    Lightning's own copies from the system's temporary folder where that is another file system, so a full disk or a kill leaves
    half a checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        # By way of memory: torch reports a full disk as a RuntimeError.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with new_file(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    torch reads most files with a flipped bit without an error; their checksums detect it.

    Raises:
        ValueError: damaged, or no checkpoint at all; the sentence does not name the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"its checksum of {damaged} differs")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise ValueError("it holds no state_dict")
    except Exception as error:  # whatever torch and zipfile raise of foreign bytes
        raise ValueError(str(error).strip().partition("\n")[0] or type(error).__name__) from error
    return content


def at_least_single(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with its 16-bit weights in single precision, so that merging factors does not round their product."""
    half = (torch.float16, torch.bfloat16)
    return {name: value.float() if value.dtype in half else value for name, value in state.items()}
