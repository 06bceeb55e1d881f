"""What a run refuses before torch is imported. No times: that torch is absent is what makes it quick."""

import json
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir

from hrf_ser.entry import conf_dir, register_resolvers
from hrf_ser.errors import UserError
from hrf_ser.preflight import check_model

HEAVY = ("torch", "lightning", "torchaudio", "matplotlib", "scipy", "wandb")

# Runs the main job as ``python -m`` does, and says at its end which heavy modules it came to import.
PROGRAM = f"""
import atexit, json, runpy, sys
atexit.register(lambda: print(json.dumps([name for name in {HEAVY} if name in sys.modules])))
runpy.run_module("hrf_ser.train", run_name="__main__", alter_sys=True)
"""


def config(*overrides):
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", list(overrides))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--help"], ""),
        (["no_such_key=1"], "Error: no_such_key is no option"),
        (["optimizer.name=nope"], "Error: optimizer.name=nope is unknown"),
        (["batch_size=many"], "Error: batch_size=many"),
        (["cache_on_device=1"], "Error: cache_on_device=1 is unknown: use one of auto, true, false."),
        (["data=ravdess"], "Error: data.root has no value"),
        (["data=ravdess", "data.root=/no/such/folder"], "Error: data.root=/no/such/folder does not exist"),
        (["data=table", "data.root=/no/such.csv"], "Error: data.root=/no/such.csv does not exist"),
        (["model=nope"], "Error: model=nope is unknown"),
        (["model.name=nope"], "Error: model: there is no model 'nope'"),
        (["fold=9"], "Error: fold=9 is not a fold of demo: use one of 1, 2, 3, 4."),
        (["data@test_data=demo"], "Error: demo would be tested on itself"),
        (["+label_map.classes={a: [sad]}"], "Error: label_map.classes names fewer than two classes"),
        (["init_from=/no/such"], "Error: init_from=/no/such: no such file or folder."),
        (["protocol=out_of_fold"], "Error: protocol=out_of_fold evaluates each member of an ensemble on the speakers"),
        (
            ["model=speechformer", "+model.options.ffn=16"],
            "Error: model: speechformer has no option ffn; its options are: width, ",
        ),
        (["model.options.heads=3"], "Error: model: width must be a multiple of heads"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_and_help_are_told_without_torch(tmp_path, words, message):
    line = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr.startswith(message)
    assert done.returncode == (1 if message else 0)
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (conf_dir() / "model").glob("*.yaml")))
def test_every_model_of_conf_passes(name):
    check_model(config(f"model={name}"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=conformer", "model.options.kernel=4"], "kernel must be odd"),
        (["model=conformer", "model.options.positions=absolute"], "positions=absolute is unknown: use one of relative"),
        (["model.options.pooling=max"], "pooling=max is unknown: use one of mean, attentive, statistics"),
        (["model.options.width=0"], "width=0 is not a whole number of at least 1"),
        (["model.options.width=9", "model.options.heads=3"], "width must be even"),
        (["model.options.attention_dropout=2"], "attention_dropout=2 is not a number from 0 to 1"),
        (["model.options.dropout=abc"], "dropout=abc is not a number from 0 to 1"),
        (["model=speechformer", "model.options.layers=[0,0,0,0]"], r"layers=\[0, 0, 0, 0\] are no layers at all"),
        (["model=conformer", "model.options.max_distance=-1"], "max_distance=-1 is not a whole number of at least 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(words, message):
    with pytest.raises(UserError, match=message):
        check_model(config(*words))


def test_what_is_refused_early_is_what_the_models_refuse():
    from hrf_ser.models import create_model, model_names
    from hrf_ser.preflight import _CHOICES

    options = {"speechformer": {"pooling"}, "conv_transformer": {"pooling"}, "conformer": set(_CHOICES)}
    for name in model_names():
        with pytest.raises(ValueError, match="heads"):
            create_model(name, n_features=8, n_classes=2, width=16, heads=3)
        for key, choices in _CHOICES.items():
            for choice in choices:
                if key in options[name]:
                    create_model(name, n_features=8, n_classes=2, **{key: choice})
