"""The checkpoints of a run: of its best epoch, which is tested, and of its last step, from which it resumes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hrf_ser.errors import UserError
from hrf_ser.files import new_file

BEST, LAST = "best.ckpt", "last.ckpt"


class BestCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt`` and, after every epoch, ``last.ckpt``.

    Args:
        folder: of both.
        monitor: the score that is highest in the best epoch; None: the last epoch is the best.
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
        content: dict[str, Any] = torch.load(self.best_model_path, map_location="cpu", weights_only=True)
        return content

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
            trainer.save_checkpoint(Path(str(self.dirpath)) / LAST)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score also where the run's folder was moved; Lightning knows files by their whole paths."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = {key: here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})


class CheckpointOnSigterm(Callback):
    """Writes ``last.ckpt`` when SIGTERM arrives within an epoch, so that the run resumes at the next batch.

    Between epochs and during validation the last epoch's file is complete already. It is kept also while gradients accumulate,
    as no checkpoint holds them.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002  # Lightning's signature
        exception: BaseException,
    ) -> None:
        if isinstance(exception, SIGTERMException) and trainer.training:
            completed = trainer.fit_loop.epoch_loop.batch_progress.current.completed
            stepped = completed % trainer.accumulate_grad_batches == 0
            if stepped and 0 < completed < trainer.num_training_batches:
                trainer.save_checkpoint(self.folder / LAST)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames.

    Lightning's own copies from the system's temporary folder where that is another file system, so a full disk or a kill leaves
    half a checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        if storage_options is not None:
            raise TypeError("storage_options are not supported")
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
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if (damaged := archive.testzip()) is not None:
                    raise ValueError(f"its checksum of {damaged} differs")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise ValueError("it holds no state_dict")
    except Exception as error:  # whatever torch and zipfile raise of foreign bytes
        raise ValueError(str(error).strip().partition("\n")[0] or type(error).__name__) from error
    return content
