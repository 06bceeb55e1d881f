"""Every argument of Lightning's Trainer: those that a run takes, and those that it refuses, with the reason."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hrf_ser.config.types import Amount, Count, Group, Whole

Batches = Annotated[int, Field(ge=1)] | Annotated[float, Field(ge=0, le=1)]
Precision = Literal[
    "32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true",
    "transformer-engine", "transformer-engine-float16", "16", "32", "64", "bf16", 16, 32, 64,
]  # fmt: skip

REFUSED = {
    "barebones": "it switches off the checkpoint that is tested: use trainer.enable_progress_bar=false and logger=none",
    "callbacks": "the callbacks are a group: use callbacks.<name>._target_=",
    "default_root_dir": "the run has a folder: use hydra.run.dir=",
    "enable_checkpointing": "the run is tested from its checkpoint and resumes from it: leave it out",
    "fast_dev_run": "it keeps no epoch to test: use debug=fast",
    "limit_predict_batches": "training predicts nothing: python -m hrf_ser.predict takes files",
    "limit_test_batches": "scores of a part of the test speakers compare with nothing: use debug=fast to try a command",
    "logger": "the loggers are a group: use logger=wandb, logger=tensorboard or logger=none",
    "model_registry": "the run's bundle/ is the model, and nothing is uploaded: leave it out",
    "num_nodes": "one run is one process: use launcher=slurm for runs on several nodes",
    "overfit_batches": "it would validate on training batches: use trainer.limit_train_batches=1 and callbacks=none",
    "plugins": "the run sets its own, which writes checkpoints atomically: use trainer.precision= or trainer.strategy=",
    "reload_dataloaders_every_n_epochs": "batches are drawn again in each epoch: leave it out",
    "sync_batchnorm": "one run is one process: leave it out",
    "use_distributed_sampler": "one run is one process: leave it out",
}  # fmt: skip


class Trainer(Group):
    """Arguments by their names at Lightning; null leaves one to Lightning."""

    target: str = Field("lightning.Trainer", alias="_target_", description="Class of the Trainer.")
    max_epochs: Count = Field(description="Epochs.")
    min_epochs: Count | None = Field(None, description="Epochs before early stopping may end the training.")
    max_steps: Annotated[int, Field(ge=-1)] | None = Field(
        None, description="Steps of the optimizer at most; -1: no limit."
    )
    min_steps: Count | None = Field(
        None, description="Steps of the optimizer before early stopping may end the training."
    )
    max_time: str | dict[str, int] | None = Field(
        None, examples=["00:12:00:00"], description="Longest duration of the training, as days:hours:minutes:seconds."
    )
    accelerator: str | None = Field(None, description="auto, cpu, gpu, mps or another one of Lightning.")
    devices: int | str | list[int] = Field(1, description="Devices; one run takes one.")
    strategy: str | None = Field(None, description="Strategy of Lightning, of one process.")
    precision: Precision | None = Field(None, description="Precision of training; the model is deployed in 32 bit.")
    accumulate_grad_batches: Count = Field(1, description="Batches of an optimizer step.")
    gradient_clip_val: Amount | None = Field(None, description="Gradients are clipped to it; null: not.")
    gradient_clip_algorithm: Literal["norm", "value"] | None = Field(None, description="Clip the norm or each value.")
    check_val_every_n_epoch: Count | None = Field(1, description="Epochs from one validation to the next.")
    val_check_interval: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Validation within an epoch, after a number or a share of batches."
    )
    num_sanity_val_steps: Annotated[int, Field(ge=-1)] | None = Field(
        None, description="Batches that are validated before training; -1: all."
    )
    limit_train_batches: Batches | None = Field(None, description="Number or share of the training batches.")
    limit_val_batches: Batches | None = Field(None, description="Number or share of the validation batches.")
    log_every_n_steps: Whole | None = Field(None, description="Steps from one record of loggers to the next.")
    enable_progress_bar: bool | None = Field(None, description="Show progress bars.")
    enable_model_summary: bool | None = Field(None, description="Print the layers before training.")
    enable_autolog_hparams: bool | None = Field(None, description="Loggers record the module's arguments.")
    deterministic: bool | Literal["warn"] | None = Field(
        None, description="Use deterministic kernels; fail or warn without."
    )
    benchmark: bool | None = Field(None, description="cuDNN measures its kernels first.")
    inference_mode: bool | None = Field(None, description="Evaluate in torch.inference_mode rather than no_grad.")
    profiler: Literal["simple", "advanced", "pytorch"] | None = Field(None, description="Profiler of Lightning.")
    detect_anomaly: bool | None = Field(None, description="Find the operation whose gradient is not a number; slow.")

    @model_validator(mode="after")
    def _check_limits(self) -> Trainer:
        if self.limit_train_batches == 0:
            raise ValueError("limit_train_batches=0 leaves nothing to train with: give a larger number.")
        return self


def refused_argument(key: str, value: object = None) -> str | None:
    """The sentence for an argument of the Trainer that a run refuses; None for any other."""
    name = key.removeprefix("trainer.")
    if name not in REFUSED or not key.startswith("trainer."):
        return None
    shown = f"{key}{'' if value is None else f'={value}'}"
    reason, _, remedy = REFUSED[name].partition(": ")
    return f"{shown} is refused, as {reason}: {remedy}."


ARGUMENTS = tuple(name for name in Trainer.model_fields if name != "target")
