"""Runs under protocol=out_of_fold: all other speakers train, and each member validates on those it leaves out."""

import csv

import pytest
import torch
from omegaconf import OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.train import read_dataset
from hrf_ser.training.instantiate import instantiate_data
from hrf_ser.training.module import EmotionModule

OUT_OF_FOLD = (
    "protocol=out_of_fold",
    "model.options={width: 16, layers: 1, heads: 2, ffn: 32, ensemble_size: 3}",
    "hrf=true",
    "rank=2",
    "fold=2",
)


@pytest.mark.parametrize("callbacks", ["default", "ema"])
def test_all_other_speakers_train_and_validate(train, tmp_path, capsys, callbacks):
    record = train(tmp_path / "out_of_fold", *OUT_OF_FOLD, f"callbacks={callbacks}")
    validation = train(tmp_path / "validation", "fold=2", "trainer.max_epochs=1")
    parts = validation["utterances"]
    others = parts["train"] + parts["val"]
    assert record["utterances"] == {"train": others, "val": others, "test": parts["test"]}
    assert (record["protocol"], record["test_speakers_hash"]) == ("out_of_fold", validation["test_speakers_hash"])
    assert record["merge"]["argmax_changes"] == 0
    with (tmp_path / "out_of_fold/history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert record["val"]["ua"] == max(float(row["val/ua"]) for row in history)
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert (
        f"epoch {record['best_epoch'] + 1} of {record['epochs']}, selected on the speakers that each ensemble member left out"
        in shown
    )
    assert (
        "members' predictions for the speakers they left out" in (tmp_path / "out_of_fold/bundle/README.md").read_text()
    )


def test_validation_takes_the_predictions_of_each_member_for_the_speakers_that_it_leaves_out(
    train, tmp_path, monkeypatch
):
    seen = []
    kept = EmotionModule.on_validation_epoch_end

    def keep(self):
        seen.append(
            (self.out_of_fold, [torch.cat(getattr(self.confusion, name)) for name in ("units", "probabilities")])
        )
        kept(self)

    monkeypatch.setattr(EmotionModule, "on_validation_epoch_end", keep)
    train(tmp_path, *OUT_OF_FOLD, "trainer.max_epochs=1", "hrf=false")
    index, (rows, probabilities) = seen[-1]
    module = EmotionModule.load_from_checkpoint(tmp_path / "checkpoints/best.ckpt", weights_only=True).eval()
    assert module.out_of_fold is None
    config = OmegaConf.load(tmp_path / "config.yaml")
    data = instantiate_data(config, read_dataset(config))
    expected = {}
    with torch.no_grad():
        for batch in data.val_dataloader():
            features = module.normaliser(batch["features"], batch["lengths"])
            for number, member in enumerate(module.model.members):
                own = member(features, batch["lengths"]).softmax(-1)
                expected |= {(number, int(row)): value for row, value in zip(batch["rows"], own, strict=True)}
    assert len(rows) == len(set(rows.tolist())) == len(data.split.train)
    for row, value in zip(rows.tolist(), probabilities, strict=True):
        torch.testing.assert_close(value, expected[int(index[row]), row])


def test_a_stopped_run_resumes_as_if_it_had_not_been(train, train_and_stop, tmp_path):
    words = (*OUT_OF_FOLD, "trainer.max_epochs=3")
    train(tmp_path / "whole", *words)
    epochs = train_and_stop(tmp_path / "cut", *words)
    train(tmp_path / "cut", *words, "ckpt_path=last")
    assert epochs == [0, 1, 1, 2]
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_one_model_or_more_members_than_speakers_are_refused(train, tmp_path):
    with pytest.raises(UserError, match=r"set model\.options\.ensemble_size to 2 or more"):
        train(tmp_path / "one", "protocol=out_of_fold")
    many = "model.options={width: 16, layers: 1, heads: 2, ffn: 32, ensemble_size: 13}"
    with pytest.raises(UserError, match=r"has \d+ training groups, and 13 members leave out one"):
        train(tmp_path / "many", *OUT_OF_FOLD, many)
