"""Runs with a teacher: they score it, resume exactly, and deploy the plain model."""

import csv
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.train import read_dataset

sys.path.append(str(Path(__file__).parent / "encoders"))
from tiny_whisper import write_tiny_whisper


@pytest.fixture(scope="session")
def whisper(tmp_path_factory):
    return write_tiny_whisper(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def distil(train, whisper):
    pytest.importorskip("sklearn")

    def run(folder, *overrides):
        return train(folder, "teacher=whisper_tiny", f"teacher.path={whisper}", "augment.speed=[0.9]", *overrides)

    return run


def test_the_deployed_model_is_the_plain_one_with_other_weights(train, distil, tmp_path, capsys):
    plain = train(tmp_path / "plain", "augment.speed=[0.9]")
    taught = distil(tmp_path / "taught")
    for key in ("parameters", "macs_per_second_of_audio", "utterances", "test_speakers_hash"):
        assert taught[key] == plain[key]
    sizes = [(tmp_path / name / "bundle/model.safetensors").stat().st_size for name in ("plain", "taught")]
    assert sizes[0] == sizes[1]
    files = [(tmp_path / name / "bundle/model.safetensors").read_bytes() for name in ("plain", "taught")]
    assert files[0] != files[1]
    assert plain["teacher"] is None
    assert taught["teacher"]["name"] == "whisper_tiny"
    assert 0 < taught["teacher"]["val"]["ua"] <= 1
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"teacher whisper_tiny: validation UA {taught['teacher']['val']['ua']:.3f}" in shown


@pytest.mark.parametrize(
    "overrides",
    [
        ("hrf=true", "rank=2", "callbacks=ema"),
        ("protocol=last_epoch", "augment.mixup=0.3"),
        ("protocol=out_of_fold", "model.options={width: 16, layers: 1, heads: 2, ffn: 32, ensemble_size: 3}"),
    ],
)
def test_a_stopped_run_resumes_as_if_it_had_not_been(distil, train_and_stop, whisper, tmp_path, overrides):
    whole = distil(tmp_path / "whole", *overrides, "trainer.max_epochs=3")
    settings = (
        "teacher=whisper_tiny",
        f"teacher.path={whisper}",
        "augment.speed=[0.9]",
        *overrides,
        "trainer.max_epochs=3",
    )
    train_and_stop(tmp_path / "cut", *settings)
    distil(tmp_path / "cut", *overrides, "trainer.max_epochs=3", "ckpt_path=last")
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert whole["merge"]["argmax_changes"] == 0
    state = torch.load(tmp_path / "whole/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert any(key.startswith("distillation.projections") for key in state)


@pytest.mark.parametrize("model", ["conformer", "speechformer"])
def test_every_model_is_taught(distil, tmp_path, model):
    assert distil(tmp_path, f"model={model}", "trainer.max_epochs=1")["teacher"]["test"]["ua"] > 0


def test_recordings_without_labels_are_taught_and_never_evaluated(distil, cache, tone, tmp_path):
    base = distil(tmp_path / "base", "trainer.max_epochs=1")
    tones = [tone(f"own/{hertz}.wav", seconds=0.5, hertz=hertz) for hertz in range(200, 600, 10)]
    evaluated = next((cache / "demo").rglob("*.wav"))  # of a speaker of any split
    (tmp_path / "table.csv").write_text(f"path\n{evaluated}\n")
    settings = (f"data.unlabelled=[{tones[0].parent},{tmp_path / 'table.csv'}]", "trainer.max_epochs=1")
    more = distil(tmp_path / "more", *settings, "batch_size=8")
    assert more["utterances"] == base["utterances"]
    with (tmp_path / "more/predictions.csv").open(newline="") as file:
        assert not any(row["utterance"].startswith("unlabelled") for row in csv.DictReader(file))
    assert more["identity"] != base["identity"]


def test_recordings_without_labels_need_a_teacher(train, tmp_path):
    with pytest.raises(UserError, match=r"set teacher=whisper_base"):
        train(tmp_path, f"data.unlabelled={tmp_path}")
    with pytest.raises(UserError, match=r"has no recording"):
        train(tmp_path, f"data.unlabelled={tmp_path}", "teacher=whisper_tiny", f"teacher.path={tmp_path}")


def test_a_teacher_that_is_not_there_is_named(train, tmp_path):
    with pytest.raises(UserError, match=r"teacher\.path has no value"):
        train(tmp_path, "teacher=whisper_tiny")
    with pytest.raises(UserError, match=r"teacher\.path=.*none: model\.safetensors is missing"):
        train(tmp_path, "teacher=whisper_tiny", f"teacher.path={tmp_path}/none")


def test_a_finished_run_teaches_and_must_have_the_same_test_speakers(train, tmp_path):
    large = "model.options={width: 32, layers: 1, heads: 2, ffn: 64, ensemble_size: 2}"
    teacher = train(tmp_path / "large", large, "fold=1")
    taught = train(tmp_path / "taught", "teacher=run", f"teacher.path={tmp_path}/large", "fold=1")
    for split in ("val", "test"):
        assert taught["teacher"][split]["ua"] == pytest.approx(teacher[split]["ua"])
    with pytest.raises(UserError, match=r"teacher\.path=.*fold=1 where this run has fold=2"):
        train(tmp_path / "other", "teacher=run", f"teacher.path={tmp_path}/large", "fold=2")
    path = f"teacher.path={tmp_path}/large/checkpoints/best.ckpt"
    with pytest.raises(UserError, match=r"teacher\.path=.*is a checkpoint"):
        train(tmp_path / "checkpoint", "teacher=run", path, "fold=1")


def test_a_table_of_soft_labels_teaches(train, tmp_path):
    base = train(tmp_path / "base", "trainer.max_epochs=1")
    with (tmp_path / "base/predictions.csv").open(newline="") as file:
        tested = next(csv.DictReader(file))["utterance"]
    table = tmp_path / "soft.csv"
    corpus = read_dataset(OmegaConf.load(tmp_path / "base/config.yaml")).corpus
    header = ",".join(["utterance", *corpus.labels])
    table.write_text(header + "\n")
    with pytest.raises(UserError, match="for the training utterance"):
        train(tmp_path / "missing", "teacher=table", f"teacher.path={table}")
    rest = 0.1 / (len(corpus.labels) - 1)
    rows = [
        ",".join([one.utterance, *(str(0.9 if label == one.label else rest) for label in corpus.labels)])
        for one in corpus.utterances
        if one.utterance != tested
    ]
    table.write_text("\n".join([header, *rows]) + "\n")
    taught = train(tmp_path / "taught", "teacher=table", f"teacher.path={table}", "trainer.max_epochs=1")
    assert taught["teacher"]["val"]["ua"] == 1
    assert taught["teacher"]["test"] is None  # it does not know one of these utterances
    assert taught["utterances"] == base["utterances"]
