"""A module, batches in memory and a fit inside a real Trainer."""

import copy
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from hrf_ser.training.module import EmotionModule

OPTIONS = {"width": 16, "layers": 1, "heads": 2, "ffn": 32, "dropout": 0.1}
AUGMENT = {"time_masks": 1, "time_width": 0.2, "band_masks": 1, "band_width": 2, "gain_db": 3.0}


def module(**options) -> EmotionModule:
    torch.manual_seed(0)
    return EmotionModule(
        **{
            "model": "conv_transformer",
            "options": OPTIONS,
            "labels": ["angry", "happy", "sad"],
            "n_features": 8,
            "batches_per_epoch": 4,
            "optimizer": {"lr": 0.01, "warmup_epochs": 0},
            "augment": AUGMENT,
            **options,
        }
    )


def batches(count: int = 4) -> DataLoader:
    generator = torch.Generator().manual_seed(1)
    data = [
        {
            "features": torch.randn(6, 24, 8, generator=generator),
            "lengths": torch.tensor([24, 20, 13, 9, 4, 1]),
            "labels": torch.tensor([0, 1, 2, 0, 1, 2]),
            "rows": torch.arange(6),
            "units": torch.arange(6),
        }
        for _ in range(count)
    ]
    return DataLoader(data, batch_size=None)


def fit(net: EmotionModule, folder, *callbacks, ckpt_path=None, **options) -> lightning.Trainer:
    checkpoint = ModelCheckpoint(folder, "best", "val/ua", mode="max", save_last=True, save_on_train_epoch_end=True)
    trainer = lightning.Trainer(
        **{
            "accelerator": "cpu",
            "max_epochs": 2,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "callbacks": [*callbacks, checkpoint],
            **options,
        }
    )
    # As a run does: the factors' start is drawn from it.
    torch.manual_seed(5)
    trainer.fit(net, batches(), batches(1), ckpt_path=ckpt_path, weights_only=True)
    return trainer


def deployed(folder: Path) -> EmotionModule:
    """The merged module of the best epoch."""
    return EmotionModule.load_from_checkpoint(folder / "best.ckpt", weights_only=True).eval()


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Start(lightning.Callback):
    """Keeps the model with which a fit begins, factors in it."""

    def on_train_start(self, trainer, pl_module) -> None:
        self.model = copy.deepcopy(pl_module.model)
