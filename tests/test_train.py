"""The main job, from the command line's words to the files of a run."""

import csv
import functools
import json
import os
import signal

import pytest
import torch

from helpers import TINY, TINY_OPTIONS
from hrf_ser.errors import UserError
from hrf_ser.training.history import History

FILES = {
    "bundle/README.md",
    "bundle/bundle.json",
    "bundle/model.safetensors",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "config.yaml",
    "confusion.png",
    "history.csv",
    "metrics.json",
    "predictions.csv",
    "reliability.png",
}


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("model", TINY_OPTIONS)
@pytest.mark.parametrize("hrf", ["true", "false"])
def test_a_run_leaves_a_complete_record(train, tmp_path, model, hrf):
    record = train(tmp_path, f"model={model}", f"hrf={hrf}", "rank=2", "fold=2", "seed=3")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == FILES
    assert json.loads((tmp_path / "metrics.json").read_text()) == json.loads(json.dumps(record))
    assert (record["status"], record["protocol"], record["corpus"]) == ("finished", "validation", "demo")
    assert (record["model"], record["fold"], record["seed"]) == (model, "2", 3)
    assert record["rank"] == (2 if hrf == "true" else None)
    assert record["merge"]["argmax_changes"] == 0
    assert record["merge"]["max_abs_diff"] < 1e-5
    training, deployed = record["parameters"]["training"], record["parameters"]["deployed"]
    assert training > deployed if hrf == "true" else training == deployed
    assert 0 <= record["test"]["ua"] <= 1
    assert len(rows(tmp_path / "history.csv")) == 2
    predictions = rows(tmp_path / "predictions.csv")
    assert len(predictions) == record["utterances"]["test"] == 36
    assert list(predictions[0]) == ["utterance", "speaker", "label", "predicted", "angry", "happy", "neutral", "sad"]
    hits = sum(row["label"] == row["predicted"] for row in predictions)
    assert hits / len(predictions) == pytest.approx(record["test"]["wa"])
    assert sum(record["recall"].values()) / 4 == pytest.approx(record["test"]["ua"])
    sexes = record["sexes"]
    assert sexes.keys() == {"female", "male"}
    assert sum(one["ua"] * one["scored"] for one in sexes.values()) / 36 == pytest.approx(record["test"]["ua"])
    assert f"UA **{record['test']['ua']:.3f}**" in (tmp_path / "bundle/README.md").read_text()
    calibration = record["calibration"]
    assert 0.25 <= calibration["temperature"] <= 4
    assert json.loads((tmp_path / "bundle/bundle.json").read_text())["temperature"] == calibration["temperature"]


def test_a_temperature_of_the_user_is_deployed(train, tmp_path):
    record = train(tmp_path, "temperature=2")
    assert record["calibration"]["temperature"] == 2
    assert json.loads((tmp_path / "bundle/bundle.json").read_text())["temperature"] == 2
    plain = train(tmp_path / "plain", "temperature=1")
    assert plain["calibration"]["ece"] == plain["calibration"]["ece_uncalibrated"]
    assert record["calibration"]["ece_uncalibrated"] == plain["calibration"]["ece"]
    assert record["test"] == plain["test"]


def test_test_scores_come_from_the_best_epoch_and_the_bundle(train, cache, tmp_path):
    import torch

    from hrf_ser.audio.read import read_audio
    from hrf_ser.data.corpora import read_corpus
    from hrf_ser.deploy.bundle import load_bundle

    record = train(tmp_path, "hrf=true", "trainer.max_epochs=4")
    history = rows(tmp_path / "history.csv")
    best = max(history, key=lambda row: float(row["val/ua"]))
    assert record["best_epoch"] == int(best["epoch"])
    assert record["val"]["ua"] == pytest.approx(float(best["val/ua"]))
    classifier = load_bundle(tmp_path / "bundle")
    root = next(cache.rglob("demo.json")).parent
    corpus = read_corpus("demo", root, utterances_per_cell=3)
    by_name = {one.utterance: one for one in corpus.utterances}
    labels = classifier.description.labels
    for row in rows(tmp_path / "predictions.csv")[::7]:
        waveform = torch.from_numpy(read_audio(by_name[row["utterance"]].path))
        with torch.inference_mode():
            probabilities = classifier(waveform[None], torch.tensor([len(waveform)]))[0].softmax(-1)
        assert probabilities.tolist() == pytest.approx([float(row[label]) for label in labels], abs=1e-4)


def test_the_same_command_gives_the_same_predictions(train, tmp_path):
    for name in "ab":
        train(tmp_path / name, "hrf=true", "seed=7", "augment.speed=[0.9]", "augment.noise_snr_db=[10,20]")
    assert (tmp_path / "a/predictions.csv").read_bytes() == (tmp_path / "b/predictions.csv").read_bytes()
    assert (tmp_path / "a/history.csv").read_bytes() == (tmp_path / "b/history.csv").read_bytes()


def test_the_test_oracle_is_marked_and_selects_on_the_test_split(train, tmp_path, capsys):
    record = train(tmp_path, "protocol=test_oracle")
    assert record["protocol"] == "test_oracle"
    assert record["val"]["ua"] == pytest.approx(record["test"]["ua"])
    assert "Protocol test_oracle: the checkpoint was selected" in " ".join(capsys.readouterr().out.split())
    assert json.loads((tmp_path / "bundle/bundle.json").read_text())["card"]["protocol"] == "test_oracle"


@pytest.mark.parametrize(
    "overrides",
    [
        ["hrf=true", "reparam.mode=inserted"],
        ["hrf=true", "reparam.factors=3", "reparam.init=variance"],
        ["optimizer.name=sgd", "optimizer.lr=0.01", "optimizer.schedule=constant", "loss.class_weights=none"],
        ["hrf=true", "callbacks=ema"],
        ["trainer.precision=bf16-mixed", "trainer.accumulate_grad_batches=2", "hrf=true"],
        ["features.normalisation=utterance", "features.trim_db=null", "features.n_mels=40", "callbacks=none"],
        ["logger=tensorboard"],
        ["workers=1"],
        ["debug=fast"],
    ],
    ids=" ".join,
)
def test_options_run_through(train, tmp_path, overrides):
    assert train(tmp_path, *overrides)["status"] == "finished"


def test_wandb_runs_offline_without_a_key(train, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    train(tmp_path, "logger=wandb")
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_finished_and_unfinished_folders_are_not_overwritten(train, tmp_path):
    train(tmp_path, "trainer.max_epochs=1")
    before = (tmp_path / "metrics.json").read_bytes()
    with pytest.raises(UserError, match="holds a finished run"):
        train(tmp_path)
    assert (tmp_path / "metrics.json").read_bytes() == before
    (tmp_path / "metrics.json").unlink()
    with pytest.raises(UserError, match="holds an unfinished run: add ckpt_path=last"):
        train(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["rank=0.1", "hrf=true"], r"rank or reparam: layer .*low-rank layer; use rank >="),
        (["hrf=true", "reparam.targets=[nothing]"], r"target 'nothing' matches no linear layer"),
        (["fold=9"], r"fold=9 is not a fold of demo: use one of 1, 2, 3, 4"),
        (["+model.options.depth=3"], r"model.options.depth is unknown"),
        (["model.name=transformer"], r"model.name=transformer is unknown"),
        (["trainer.precision=12"], r"trainer\.precision=12 must be 32-true, "),
        (["trainer.devices=2", "trainer.accelerator=cpu"], r"trainer.devices=2 makes 2 processes"),
        (["hrf=maybe"], r"hrf=maybe must be true or false"),
        (["reparam.init=ones"], r"reparam.init=ones is unknown: use one of exact, variance, default"),
        (["batch_size=0"], r"batch_size=0 must be a whole number greater than or equal to 1"),
        (["ckpt_path=nowhere.ckpt"], r"ckpt_path=nowhere.ckpt: no such file"),
        (["data.options.utterances_per_cell=0"], r"utterances_per_cell"),
        (
            ["trainer.check_val_every_n_epoch=3"],
            r"trainer.check_val_every_n_epoch=3 must not be more than trainer.max_epochs=2",
        ),
        (
            ["+trainer.fast_dev_run=true"],
            r"trainer.fast_dev_run=true is refused, as it keeps no epoch to test: use debug=fast",
        ),
        (["+trainer.limit_val_batches=0", "callbacks=none"], r"limit_val_batches=0 .*: set protocol=last_epoch"),
        (["+trainer.limit_train_batches=0"], r"limit_train_batches=0 leaves nothing"),
        (["+trainer.limit_train_batches=0.01"], r"trainer: You requested to check 0.01 of the `train_dataloader`"),
        (
            ["+trainer.max_steps=1", "batch_size=4"],
            r"callbacks: .* `val/ua` which is not available; monitor another one",
        ),
        (["+trainer.max_steps=1", "batch_size=4", "callbacks=none"], r"ended before an epoch was validated"),
        (
            ["optimizer.lr=1e12", "trainer.gradient_clip_val=null"],
            r"The training loss of epoch \d is .*lower optimizer.lr",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_settings_end_in_a_sentence_and_no_result(train, tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path, *overrides)
    assert not (tmp_path / "metrics.json").exists()
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=transformer"], "Error: model=transformer is unknown: use one of conformer, conformer_large,"),
        (["modle=conformer"], "Error: modle is unknown: did you mean model?"),
        (["data=ravdess"], "Error: data.root has no value: give it on the command line as data.root=..."),
        (["data=ravdess", "data.root=/nowhere, at all"], "Error: data.root=/nowhere, at all does not exist"),
        (["rank=[1"], "Error: "),
        (["optimizer.name=adam"], "Error: optimizer.name=adam is unknown: use one of adamw, sgd."),
    ],
)
def test_mistakes_on_the_command_line_end_in_one_sentence_and_status_1(command, tmp_path, arguments, message):
    finished = command("train", *arguments, cwd=tmp_path)
    assert finished.returncode == 1
    assert finished.stderr.startswith(message)
    assert len(finished.stderr.strip().splitlines()) == 1
    assert finished.stdout == ""


def test_full_error_shows_the_traceback(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    finished = command("train", "optimizer.name=adam", cwd=tmp_path)
    assert finished.returncode == 1
    assert "Traceback" in finished.stderr


def test_a_damaged_checkpoint_is_named(train, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be read as a checkpoint"):
        train(tmp_path, "ckpt_path=last")


INTERRUPTIBLE = ("hrf=true", "trainer.max_epochs=3", "batch_size=4", "augment.speed=[0.9]", "callbacks=none")


def end_within_an_epoch(number: int, epoch: int, batch: int) -> None:
    """Make this process send a signal to itself after a batch: one from outside would hit another place each time."""
    end = History.on_train_batch_end

    def on_train_batch_end(self, trainer, pl_module, outputs, data, batch_idx):
        end(self, trainer, pl_module, outputs, data, batch_idx)
        if (trainer.current_epoch, batch_idx) == (epoch, batch):
            os.kill(os.getpid(), number)

    History.on_train_batch_end = on_train_batch_end


@pytest.mark.parametrize(
    ("number", "batch", "workers", "accumulate", "steps"),
    [
        # Of 18 batches an epoch.
        pytest.param(signal.SIGKILL, 7, 0, 1, 18, marks=pytest.mark.faults),
        pytest.param(signal.SIGKILL, 7, 1, 1, 18, marks=pytest.mark.faults),
        (signal.SIGTERM, 7, 0, 1, 18 + 8),
        (signal.SIGINT, 7, 0, 1, 18),
        pytest.param(signal.SIGTERM, 7, 1, 1, 18 + 8, marks=pytest.mark.faults),
        # Gradients that were not used yet are in no checkpoint.
        pytest.param(signal.SIGTERM, 6, 0, 4, 5, marks=pytest.mark.faults),
        pytest.param(signal.SIGTERM, 7, 0, 4, 5 + 2, marks=pytest.mark.faults),
    ],
)
def test_an_interrupted_run_continues_as_if_it_had_not_been(
    train, command, tmp_path, number, batch, workers, accumulate, steps
):
    words = (*INTERRUPTIBLE, f"trainer.accumulate_grad_batches={accumulate}")
    train(tmp_path / "whole", *words)
    options = [*words, f"workers={workers}"]
    folder = tmp_path / "cut"
    tiny = [*TINY, f"model.options={TINY_OPTIONS['conv_transformer']}", f"hydra.run.dir={folder}"]
    ending = functools.partial(end_within_an_epoch, number, 1, batch)
    killed = command("train", *tiny, *words, cwd=tmp_path, setup=ending)
    assert killed.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}.get(number, -9), killed.stderr
    assert not (folder / "metrics.json").exists()
    if number != signal.SIGKILL:
        name = "SIGTERM" if number == signal.SIGTERM else "Ctrl-C"
        last = killed.stderr.strip().splitlines()[-1]
        assert last.startswith(f"Stopped by {name}; to resume: python -m hrf_ser.train ")
        assert last.endswith(f"hydra.run.dir={folder} ckpt_path=last")
        assert "Traceback" not in killed.stderr
    progress = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert progress["global_step"] == steps
    train(folder, *options, "ckpt_path=last")
    for name in ("predictions.csv", "history.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("overrides", [[], ["trainer.max_epochs=20", "callbacks.early_stopping.patience=1"]], ids=str)
def test_a_run_that_was_killed_after_training_is_tested_alike(train, tmp_path, overrides):
    train(tmp_path, *overrides)
    before = {name: (tmp_path / name).read_bytes() for name in ("predictions.csv", "history.csv")}
    (tmp_path / "metrics.json").unlink()
    (tmp_path / "predictions.csv").unlink()
    assert train(tmp_path, *overrides, "ckpt_path=last")["epochs"] < 20
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_ckpt_path_last_starts_a_new_run(train, tmp_path):
    assert train(tmp_path, "ckpt_path=last", "trainer.max_epochs=1")["status"] == "finished"


def test_real_speech_trains_merges_and_is_tested(train, tmp_path, ravdess):
    options = ("data=ravdess", f"data.root={ravdess}", "trainer.max_epochs=1")
    record = train(tmp_path, *options, "hrf=true", "fold=1")
    assert record["utterances"] == {"train": 960, "val": 240, "test": 240}
    assert record["classes"] == 8
    assert record["merge"]["compared"] == 240
    assert record["merge"]["max_abs_diff"] <= 1e-5
    assert record["merge"]["argmax_changes"] == 0
    assert {row["speaker"] for row in rows(tmp_path / "predictions.csv")} == {"01", "11", "20", "21"}


@pytest.mark.slow
def test_a_compiled_model_trains_merges_and_is_saved_as_any_other(train, tmp_path):
    record = train(tmp_path, "hrf=true", "compile=true", "trainer.max_epochs=1")
    assert record["merge"]["argmax_changes"] == 0
    assert record["merge"]["max_abs_diff"] < 1e-5
    keys = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert not [key for key in keys if "_orig_mod" in key]
