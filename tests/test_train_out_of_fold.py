"""Runs under protocol=out_of_fold: everybody trains, and each member chooses by the speakers that it goes without."""

import csv

import pytest
import torch
from omegaconf import OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.training.build import build_data
from hrf_ser.training.module import EmotionModule

CROSSED = (
    "protocol=out_of_fold",
    "model.options={width: 16, layers: 1, heads: 2, ffn: 32, ensemble_size: 3}",
    "hrf=true",
    "rank=2",
    "fold=2",
)


@pytest.mark.parametrize("callbacks", ["default", "ema"])
def test_everybody_else_trains_and_is_asked_about(train, tmp_path, capsys, callbacks):
    record = train(tmp_path / "out_of_fold", *CROSSED, f"callbacks={callbacks}")
    honest = train(tmp_path / "validation", "fold=2", "trainer.max_epochs=1")
    parts = honest["utterances"]
    everybody = parts["train"] + parts["val"]
    assert record["utterances"] == {"train": everybody, "val": everybody, "test": parts["test"]}
    assert (record["protocol"], record["test_speakers_hash"]) == ("out_of_fold", honest["test_speakers_hash"])
    assert record["merge"]["argmax_changes"] == 0
    with (tmp_path / "crossed/history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert record["val"]["ua"] == max(float(row["val/ua"]) for row in history)
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"epoch {record['best_epoch']} chosen by members on speakers they go without" in shown
    assert "each member said of its part" in (tmp_path / "crossed/bundle/README.md").read_text()


def test_validation_is_what_each_member_says_of_the_speakers_that_it_goes_without(train, tmp_path, monkeypatch):
    seen = []
    kept = EmotionModule.on_validation_epoch_end

    def keep(self):
        seen.append((self.absent, [torch.cat(getattr(self.confusion, name)) for name in ("units", "probabilities")]))
        kept(self)

    monkeypatch.setattr(EmotionModule, "on_validation_epoch_end", keep)
    train(tmp_path, *CROSSED, "trainer.max_epochs=1", "hrf=false")
    absent, (rows, probabilities) = seen[-1]
    module = EmotionModule.load_from_checkpoint(tmp_path / "checkpoints/best.ckpt", weights_only=True).eval()
    assert module.absent is None
    data = build_data(OmegaConf.load(tmp_path / "config.yaml"))
    said = {}
    with torch.no_grad():
        for batch in data.val_dataloader():
            features = module.normaliser(batch["features"], batch["lengths"])
            for number, member in enumerate(module.model.members):
                own = member(features, batch["lengths"]).softmax(-1)
                said |= {(number, int(row)): value for row, value in zip(batch["rows"], own, strict=True)}
    assert len(rows) == len(set(rows.tolist())) == len(data.split.train)
    for row, value in zip(rows.tolist(), probabilities, strict=True):
        torch.testing.assert_close(value, said[int(absent[row]), row])


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(train, train_and_stop, tmp_path):
    words = (*CROSSED, "trainer.max_epochs=3")
    train(tmp_path / "whole", *words)
    begun = train_and_stop(tmp_path / "cut", *words)
    train(tmp_path / "cut", *words, "ckpt_path=last")
    assert begun == [0, 1, 1, 2]
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_one_model_or_more_members_than_speakers_are_refused(train, tmp_path):
    with pytest.raises(UserError, match=r"set model\.options\.ensemble_size to 2 or more"):
        train(tmp_path / "one", "protocol=out_of_fold")
    many = "model.options={width: 16, layers: 1, heads: 2, ffn: 32, ensemble_size: 13}"
    with pytest.raises(UserError, match=r"has \d+ training groups, and 13 members leave one out"):
        train(tmp_path / "many", *CROSSED, many)
