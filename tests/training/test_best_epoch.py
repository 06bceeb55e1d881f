"""The epoch that is tested is the run's own choice."""

import csv

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hrf_ser.training.history import History

OWN = "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, filename: own, dirpath: %s, monitor: %s, mode: %s%s}"


@pytest.mark.parametrize(("monitor", "mode"), [("val/ua", "min"), ("val/ua", "max"), ("null", "min")])
def test_a_checkpoint_callback_of_ones_own_does_not_choose_the_epoch(train, tmp_path, monitor, mode):
    words = ("optimizer.lr=0.05", "callbacks=none", "seed=1", "trainer.max_epochs=4", "hrf=true")
    before = train(tmp_path / "before", *words)
    record = train(tmp_path / "run", *words, f"+callbacks.own={OWN % (tmp_path / 'own', monitor, mode, '')}")
    assert (tmp_path / "own/own.ckpt").exists()
    with (tmp_path / "run/history.csv").open(newline="") as file:
        scores = [float(row["val/ua"]) for row in csv.DictReader(file)]
    assert 0 < record["best_epoch"] == before["best_epoch"] == scores.index(max(scores)) < 3, "else this shows nothing"
    assert (tmp_path / "run/predictions.csv").read_bytes() == (tmp_path / "before/predictions.csv").read_bytes()


def test_before_there_is_a_best_epoch_one_of_a_further_callback_is_none(train, tmp_path, monkeypatch):
    own = OWN % (tmp_path / "own", "null", "min", ", every_n_train_steps: 1")
    words = ("callbacks=none", "batch_size=8", f"+callbacks.own={own}")
    end = History.on_train_batch_end

    def on_train_batch_end(self, trainer, pl_module, outputs, data, batch_idx):
        end(self, trainer, pl_module, outputs, data, batch_idx)
        if batch_idx == 4:
            raise SIGTERMException

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_batch_end", on_train_batch_end)
        with pytest.raises(SystemExit):
            train(tmp_path / "run", *words)
    assert torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 5
    assert train(tmp_path / "run", *words, "ckpt_path=last")["epochs"] == 2
