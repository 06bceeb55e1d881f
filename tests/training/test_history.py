"""The learning curve where not every epoch is validated."""

import csv

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hrf_ser.training.history import History

WORDS = ("trainer.check_val_every_n_epoch=2", "trainer.max_epochs=5", "batch_size=8")


@pytest.mark.parametrize("callbacks", ["default", "none"])
def test_epochs_without_validation_have_no_scores(train, tmp_path, callbacks):
    record = train(tmp_path, *WORDS, f"callbacks={callbacks}")
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["val/ua"] != "" for row in rows] == [False, True, False, True, False]
    assert all(row["train/loss"] for row in rows)
    assert list(rows[0])[:4] == ["epoch", "lr", "train/loss", "val/loss"]
    scores = {int(row["epoch"]): float(row["val/ua"]) for row in rows if row["val/ua"]}
    assert record["val"]["ua"] == pytest.approx(scores[record["best_epoch"]]) == max(scores.values())


def test_a_run_that_was_stopped_between_validations_resumes_as_if_it_had_not_been(train, tmp_path, monkeypatch):
    train(tmp_path / "whole", *WORDS)
    end = History.on_train_batch_end

    def on_train_batch_end(self, trainer, pl_module, outputs, data, batch_idx):
        end(self, trainer, pl_module, outputs, data, batch_idx)
        if (trainer.current_epoch, batch_idx) == (2, 3):
            raise SIGTERMException

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_batch_end", on_train_batch_end)
        with pytest.raises(SystemExit):
            train(tmp_path / "cut", *WORDS)
    train(tmp_path / "cut", *WORDS, "ckpt_path=last")
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
