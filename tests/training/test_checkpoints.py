"""The epoch that is tested is the one that the run selected."""

import csv

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hrf_ser.training.history import History

OWN = "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, filename: own, dirpath: %s, monitor: %s, mode: %s%s}"


@pytest.mark.parametrize(("monitor", "mode"), [("val/ua", "min"), ("val/ua", "max"), ("null", "min")])
def test_a_further_checkpoint_callback_does_not_select_the_epoch(train, tmp_path, monitor, mode):
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


@pytest.mark.parametrize("callbacks", ["none", "ema"])
def test_a_killed_run_loses_one_epoch_however_long_ago_the_best_was(train, tmp_path, monkeypatch, callbacks):
    words = ("optimizer.lr=0.05", f"callbacks={callbacks}", "seed=1", "trainer.max_epochs=7")
    whole = train(tmp_path / "whole", *words)
    assert whole["best_epoch"] < 5, "else this shows nothing"

    class KilledError(Exception):
        pass

    started_epochs = []

    def on_train_epoch_start(self, trainer, *_):
        started_epochs.append(trainer.current_epoch)
        if started_epochs.count(6) == 1 and trainer.current_epoch == 6:
            raise KilledError

    monkeypatch.setattr(History, "on_train_epoch_start", on_train_epoch_start)
    with pytest.raises(KilledError):
        train(tmp_path / "cut", *words)
    train(tmp_path / "cut", *words, "ckpt_path=last")
    assert started_epochs == [*range(7), 6]
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("patience", [0, 1, 2])
def test_a_run_that_was_stopped_early_and_then_killed_trains_no_more(train, tmp_path, monkeypatch, patience):
    words = ("trainer.max_epochs=20", f"callbacks.early_stopping.patience={patience}", "optimizer.lr=0.05", "seed=1")
    epochs = train(tmp_path, *words)["epochs"]
    assert epochs < 20
    before = {name: (tmp_path / name).read_bytes() for name in ("predictions.csv", "history.csv")}
    (tmp_path / "metrics.json").unlink()
    started_epochs = []
    monkeypatch.setattr(History, "on_train_epoch_start", lambda *given: started_epochs.append(given[1].current_epoch))
    assert train(tmp_path, *words, "ckpt_path=last")["epochs"] == epochs
    assert not started_epochs
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
