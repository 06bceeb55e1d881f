"""Weights & Biases as a mirror of the local files."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.loggers import WandbLogger


class Wandb(WandbLogger):
    """Lightning's logger without an argument that W&B no longer takes and warns of in every run."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._wandb_init.pop("anonymous", None)
