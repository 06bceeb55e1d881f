"""Models and corpora of another package: by entry point, and by the path of their class or function."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import hrf_ser.deploy.export.onnx
import hrf_ser.training.run  # noqa: F401  # forked commands need not import torch
from helpers import REPOSITORY
from hrf_ser import plugins
from hrf_ser.data.corpora import plugins as corpora
from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.deploy.load import load
from hrf_ser.errors import UserError
from hrf_ser.models import registry
from hrf_ser.models.options import ModelOptions
from hrf_ser.parts import expand

ENTRY_POINTS = "[hrf_ser.models]\nacme_mean = acme_ser:MeanPooled\n\n[hrf_ser.corpora]\nacme = acme_ser:folders\n"
TARGETS = ("model._target_=acme_ser.MeanPooled", "data._target_=acme_ser.folders")
TINY = ("augment.speed=[]", "trainer.max_epochs=2", "logger=none", "threads=1", "batch_size=8")


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """The package in a folder, without entry points."""
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(REPOSITORY / "tests/third_party/acme_ser.py", folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    monkeypatch.setattr(ModelOptions, "known", dict(ModelOptions.known))
    monkeypatch.setattr(corpora, "_READERS", {})
    monkeypatch.delitem(sys.modules, "acme_ser", raising=False)
    return folder


@pytest.fixture
def installed(package):
    """The package as pip leaves it."""
    info = package / "acme_ser-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme_ser\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    plugins._installed.cache_clear()
    yield package
    plugins._installed.cache_clear()


@pytest.fixture
def recordings(tmp_path) -> Path:
    """Four speakers, two classes, tones."""
    rng = np.random.default_rng(0)
    for speaker in "abcd":
        for label, hertz in (("calm", 220), ("loud", 880)):
            for number in range(3):
                path = tmp_path / f"recordings/{speaker}/{label}-{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                time = np.arange(8000) / 16_000
                wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.01 * rng.standard_normal(8000)
                soundfile.write(path, wave, 16_000)
    return tmp_path / "recordings"


def test_an_installed_model_and_corpus_are_trained_with_hrf_merged_exported_and_predicted(
    command, installed, recordings, tmp_path
):
    words = ("model=acme_mean", "data=acme", f"data.root={recordings}", "model.options.width=12", "hrf=true", "rank=2")
    done = command("train", *words, *TINY, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run/metrics.json").read_text())
    assert (record["model"], record["corpus"]) == ("acme_mean", "acme")
    assert record["parameters"]["training"] > record["parameters"]["deployed"] == 64 * 12 + 12 + 12 * 2 + 2
    assert record["merge"]["max_abs_diff"] < 1e-4
    # Another process knows the model by its entry point only.
    done = command("export", "bundle=run/bundle", "out=model.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    audio = recordings / "a/calm-0.wav"
    exported, bundle = (load(tmp_path / place)(audio) for place in ("model.onnx", "run/bundle"))
    assert exported.emotion == bundle.emotion
    assert list(exported.probabilities.values()) == pytest.approx(list(bundle.probabilities.values()), abs=1e-4)


def test_parts_by_their_path_train_and_their_bundle_does_not_import_them(command, package, recordings, tmp_path):
    words = (*TARGETS, f"data.root={recordings}", "model.options.width=8", "data.options.skip=[d]", *TINY)
    done = command("train", *words, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run/metrics.json").read_text())
    assert record["model"] == "MeanPooled"
    description = json.loads((tmp_path / "run/bundle/bundle.json").read_text())
    assert description["model"] == {"name": "acme_ser.MeanPooled", "options": {"width": 8}}
    with pytest.raises(UserError, match=r"no model 'acme_ser\.MeanPooled'.*entry point of the group hrf_ser\.models"):
        load_bundle(tmp_path / "run/bundle")
    assert "acme_ser" not in sys.modules


def test_a_configuration_file_of_the_user_names_parts(command, package, recordings, tmp_path):
    (tmp_path / "own/experiment").mkdir(parents=True)
    (tmp_path / "own/experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: custom\n  - override /data: custom\n"
        "model:\n  _target_: acme_ser.MeanPooled\n  label: mine\n  options:\n    width: 8\n"
        f"data:\n  _target_: acme_ser.folders\n  root: {recordings}\n"
    )
    words = ("--config-dir=own", "experiment=mine", *TINY, "trainer.max_epochs=1", "hydra.run.dir=run")
    done = command("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run/metrics.json").read_text())["model"] == "mine"


def test_mistakes_end_in_one_sentence(command, package, recordings, tmp_path):
    root = f"data.root={recordings}"
    cases = {
        ("model._target_=acme_ser.Missing",): "Error: model._target_=acme_ser.Missing cannot be imported (",
        ("model._target_=nowhere.Model",): "Error: model._target_=nowhere.Model cannot be imported (",
        ("data._target_=acme_ser.__doc__", root): "Error: data._target_=acme_ser.__doc__: ",
        (TARGETS[0], "model=conformer"): "Error: model._target_=acme_ser.MeanPooled is beside model=conformer",
        (TARGETS[0], "model.options.widht=8"): "Error: model.options.widht is unknown: did you mean model.options.width",
        (TARGETS[0], "model.options.width=wide"): "Error: model.options.width=wide must be a whole number",
        (TARGETS[1], root, "data.options.skip=d"): "Error: data.options.skip=d: ",
        (TARGETS[1], root, "data.options.only=d"): "Error: data.options.only is not an option of the corpus acme_ser",
        ("model=acme_mean",): "Error: model=acme_mean is unknown: use one of conformer, ",
    }  # fmt: skip
    for words, sentence in cases.items():
        done = command("train", *words, *TINY, cwd=tmp_path)
        assert done.returncode == 1, words
        assert done.stderr.startswith(sentence), done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_overrides_without_a_target_stay_as_they_are():
    words = ["model=conformer", "model.options.width=8", "data=demo", "-m"]
    assert expand(words) == words
    assert expand(["model._target_=a.B", "model=custom", "model.label=b"]) == [
        "++model._target_=a.B", "model=custom", "model.label=b",
    ]  # fmt: skip
