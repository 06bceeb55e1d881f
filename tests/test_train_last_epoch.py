"""Runs under protocol=last_epoch: no validation split, and the last epoch's model is tested."""

import csv
import json

import pytest
import torch

from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.hrf import merge_state_dict

LAST_EPOCH = ("protocol=last_epoch", "hrf=true", "rank=2", "fold=2", "trainer.max_epochs=3")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def deployed(folder) -> dict[str, torch.Tensor]:
    return load_bundle(folder / "bundle").model.state_dict()


def merged(state, reparam) -> dict[str, torch.Tensor]:
    """The plain backbone of a checkpoint's factorised state."""
    plain = merge_state_dict(state, reparam)
    return {key.removeprefix("model."): value for key, value in plain.items() if key.startswith("model.")}


def test_the_fold_all_trains_on_every_speaker_and_its_scores_are_marked(train, tmp_path, caplog):
    record = train(tmp_path, "protocol=last_epoch", "fold=all")
    assert record["utterances"] == {"train": 144, "val": 0, "test": 144}
    assert record["leaks"] == [
        "fold=all trains on all speakers and tests the same; the scores are no estimate for unseen speakers"
    ]
    assert record["leaks"][0] in caplog.text
    assert "**Leaking: fold=all trains on all speakers" in (tmp_path / "bundle/README.md").read_text()


@pytest.mark.parametrize("callbacks", ["default", "ema"])
def test_the_last_epoch_is_merged_and_tested(train, tmp_path, caplog, capsys, recwarn, callbacks):
    # With so little patience a monitored score would end the run early.
    words = (f"callbacks={callbacks}", "callbacks.early_stopping.patience=0", "optimizer.lr=0.01")
    with caplog.at_level("INFO"):
        record = train(tmp_path, *LAST_EPOCH, *words)
    assert "callbacks.early_stopping, which monitors val/ua, is left out" in caplog.text
    assert not [warning for warning in recwarn if "zero" in str(warning.message)]
    assert (record["protocol"], record["val"], record["best_epoch"], record["epochs"]) == ("last_epoch", None, 2, 3)
    assert record["utterances"] == {"train": 108, "val": 0, "test": 36}
    assert record["calibration"]["temperature"] is None
    assert record["merge"]["argmax_changes"] == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["val"] is None
    assert [list(row) for row in rows(tmp_path / "history.csv")] == [["epoch", "lr", "train/loss"]] * 3
    assert "epoch 3 of 3, the last one; no checkpoint was selected" in " ".join(
        capsys.readouterr().out.replace("│", " ").split()
    )
    assert (
        "No checkpoint was selected: all speakers but the test speakers trained"
        in (tmp_path / "bundle/README.md").read_text()
    )

    last = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert (last["epoch"], last["global_step"]) == (2, 3 * 4)
    own = deployed(tmp_path)
    for key, value in merged(last["state_dict"], last["reparam"]).items():
        torch.testing.assert_close(own[key], value, msg=key)
    if callbacks == "ema":
        current = merged(last["current_model_state"], last["reparam"])
        assert any(not torch.allclose(own[key], value, atol=1e-4) for key, value in current.items())


def test_all_speakers_but_the_test_speakers_train(train, tmp_path):
    last_epoch = train(tmp_path / "last_epoch", *LAST_EPOCH, "trainer.max_epochs=1")
    validation = train(tmp_path / "validation", "fold=2", "trainer.max_epochs=1")
    parts = validation["utterances"]
    assert last_epoch["utterances"] == {"train": parts["train"] + parts["val"], "val": 0, "test": parts["test"]}
    assert last_epoch["test_speakers_hash"] == validation["test_speakers_hash"]
    assert last_epoch["identity"] != validation["identity"]


@pytest.mark.parametrize("callbacks", ["none", "ema"])
def test_a_stopped_run_resumes_as_if_it_had_not_been(train, train_and_stop, tmp_path, callbacks):
    words = (*LAST_EPOCH, f"callbacks={callbacks}", "augment.speed=[0.9]")
    train(tmp_path / "whole", *words)
    epochs = train_and_stop(tmp_path / "cut", *words)
    assert train(tmp_path / "cut", *words, "ckpt_path=last")["best_epoch"] == 2
    assert epochs == [0, 1, 1, 2]
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_run_that_was_killed_after_training_is_tested_alike(train, tmp_path):
    train(tmp_path, *LAST_EPOCH)
    before = (tmp_path / "predictions.csv").read_bytes()
    (tmp_path / "metrics.json").unlink()
    (tmp_path / "predictions.csv").unlink()
    assert train(tmp_path, *LAST_EPOCH, "ckpt_path=last")["best_epoch"] == 2
    assert (tmp_path / "predictions.csv").read_bytes() == before


def test_a_callback_that_monitors_validation_is_left_out_and_others_stay(train, tmp_path, caplog):
    own = "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, filename: own, monitor: %s, dirpath: %s}"
    words = [
        f"+callbacks.{name}={own % (monitor, tmp_path / name)}" for name, monitor in [("a", "val/loss"), ("b", "null")]
    ]
    with caplog.at_level("INFO"):
        train(tmp_path / "run", *LAST_EPOCH, "callbacks=none", *words)
    assert "callbacks.a, which monitors val/loss, is left out" in caplog.text
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b/own.ckpt").exists()


def test_a_report_of_such_runs_is_written(train, tmp_path):
    from hrf_ser.evaluation.build import build_report
    from hrf_ser.evaluation.find import find_runs
    from hrf_ser.evaluation.read import read_runs

    for hrf in ("true", "false"):
        train(tmp_path / hrf, *LAST_EPOCH, f"hrf={hrf}", "trainer.max_epochs=1")
    found = find_runs([str(tmp_path)])
    runs, damaged = read_runs(found)
    report = build_report(found, runs, damaged)
    assert damaged == []
    assert [(entry["protocol"], len(entry["history"]["train/loss"])) for entry in report["configurations"]] == [
        ("last_epoch", 1)
    ] * 2
    (comparison,) = report["comparisons"]
    assert (comparison["protocol"], comparison["pairs"]) == ("last_epoch", 1)
