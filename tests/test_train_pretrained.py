"""A classifier on a frozen encoder: trained, recorded, resumed from cached statistics, and without a bundle."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

import hrf_ser.training.run  # noqa: F401  # forked commands need not import torch
from encoders.tiny_whisper import write_tiny_whisper
from helpers import TINY
from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.errors import UserError
from hrf_ser.evaluation.build import build_report
from hrf_ser.evaluation.find import Found, find_runs
from hrf_ser.evaluation.read import read_runs
from hrf_ser.models import create_model
from hrf_ser.training.checkpoints import read_checkpoint

MODEL = ("model=whisper_tiny", "model.options.states=3", "model.options.width=8")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_tiny_whisper(tmp_path_factory.mktemp("encoder"))


def test_a_frozen_encoder_is_trained_with_hrf_and_its_costs_are_recorded(command, encoder, tone, tmp_path):
    words = (*MODEL, f"model.options.name_or_path={encoder}", "data=demo", *TINY, "hrf=true")
    done = command("train", *words, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no bundle" in done.stdout
    run = tmp_path / "run"
    record = json.loads((run / "metrics.json").read_text())
    weights = sum(value.numel() for value in load_file(encoder / "model.safetensors").values())
    classifier = 3 + 32 * 8 + 8 + 8 * record["classes"] + record["classes"]
    assert record["parameters"]["deployed"] == weights + classifier
    assert record["parameters"]["training"] > classifier
    assert record["encoder"]["parameters"] == weights
    assert record["macs_per_second_of_audio"] > record["encoder"]["macs_per_second_of_audio"] > 0
    assert record["merge"]["max_abs_diff"] < 1e-4
    # The checkpoint holds the classifier alone.
    state = read_checkpoint(run / "checkpoints/last.ckpt")["state_dict"]
    assert not any("self_attn" in key for key in state)
    # One sentence in place of a bundle.
    for path in (run, run / "bundle"):
        with pytest.raises(UserError, match=r"frozen encoder, of which no bundle is written.*teacher=whisper_base"):
            load_bundle(path)
    done = command("predict", f"bundle={run}", f"audio={tone('a.wav')}", cwd=tmp_path)
    assert done.stderr.startswith(f"Error: {run}: is a run with a frozen encoder")
    # Statistics are cached: another run needs no encoder but for its costs, and another place is the same encoder.
    shutil.copytree(encoder, tmp_path / "moved")
    words = (*MODEL, "model.options.name_or_path=moved", "data=demo", *TINY, "hrf=true", "hydra.run.dir=again")
    done = command("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "again/metrics.json").read_text())
    assert (again["identity"], again["test"]) == (record["identity"], record["test"])
    # It is large in a report.
    report = build_report(Found(), read_runs(find_runs([str(run)]))[0])
    assert [(entry["label"], entry["size"]) for entry in report["configurations"]] == [
        ("Whisper tiny, HRF x4", "large")
    ]


def test_mistakes_end_in_one_sentence(command, encoder, tmp_path):
    (tmp_path / "empty").mkdir()
    cases = {
        (): "Error: model.options.name_or_path has no value",
        ("model.options.name_or_path=/nowhere",): "Error: model.options.name_or_path=/nowhere does not exist",
        ("model.options.name_or_path=empty",): "Error: model.options.name_or_path=empty: config.json is missing",
        (f"model.options.name_or_path={encoder}", "model.options.states=5"): (
            "Error: model.options.states=5: this encoder with layer=null has 3 hidden states"
        ),
    }
    for words, sentence in cases.items():
        done = command("train", *MODEL, "data=demo", *TINY, *words, cwd=tmp_path)
        assert done.returncode == 1, words
        assert done.stderr.startswith(sentence), done.stderr


def test_layers_are_weighted_and_padding_does_not_change_an_output():
    torch.manual_seed(0)
    model = create_model("pretrained", n_features=12, n_classes=3, states=3, width=4).eval()
    features = torch.randn(2, 1, 12)
    padded = torch.cat([features, 1e4 * torch.randn(2, 2, 12)], 1)
    torch.testing.assert_close(model(features, None), model(padded, torch.tensor([1, 1])))
    with torch.no_grad():
        model.layer_weights.copy_(torch.tensor([-100.0, 100.0, -100.0]))
    other = features.clone()
    other[..., :4] = other[..., 8:] = 7.0  # of layers that weigh nothing
    torch.testing.assert_close(model(features, None), model(other, None))
    with pytest.raises(ValueError, match="states=5 must divide 12 features"):
        create_model("pretrained", n_features=12, n_classes=3, states=5)
