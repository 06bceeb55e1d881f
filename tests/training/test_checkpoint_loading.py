"""Every checkpoint loads everywhere: factorised or plain, to resume, to continue and to test."""

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from training_cases import Start, batches, deployed, fit, module, same

from hrf_ser.hrf import describe_hrf, factorised_layers, insert_hrf, is_factorised, merge_state_dict
from hrf_ser.training.callbacks import HRF
from hrf_ser.training.module import EmotionModule


def test_fit_leaves_the_module_factorised_and_its_best_epoch_loads_merged(tmp_path):
    net = module()
    fit(net, tmp_path, HRF(rank=2))
    assert factorised_layers(net.model)
    assert not factorised_layers(deployed(tmp_path))
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert same(deployed(tmp_path).state_dict(), merge_state_dict(best["state_dict"], best["reparam"]))


@pytest.mark.parametrize("hrf", [True, False])
def test_checkpoint_tests_and_loads_without_the_callback(tmp_path, hrf):
    net = module()
    trainer = fit(net, tmp_path, *([HRF(rank=2)] if hrf else []))
    tested = trainer.test(net, batches(1), ckpt_path="best", weights_only=True, verbose=False)[0]
    plain = EmotionModule.load_from_checkpoint(tmp_path / "best.ckpt", weights_only=True)
    again = lightning.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    assert again.test(plain, batches(1), verbose=False)[0] == pytest.approx(tested, abs=1e-6)


def test_plain_checkpoint_continues_as_a_factorised_model(tmp_path):
    first = module()
    fit(first, tmp_path / "a", max_epochs=1)
    second = module()
    trainer = fit(second, tmp_path / "b", HRF(rank=2), ckpt_path=tmp_path / "a" / "last.ckpt", max_epochs=2)
    assert factorised_layers(second.model)
    assert trainer.current_epoch == 2


def test_continued_fit_equals_an_uninterrupted_one(tmp_path):
    whole, part = module(), module()
    fit(whole, tmp_path / "whole", HRF(rank=2), max_epochs=3, limit_train_batches=4)
    # A schedule over three epochs, of which only one is run.
    stopped = StopAfter(1)
    fit(part, tmp_path / "part", HRF(rank=2), stopped, max_epochs=3)
    resumed = module()
    fit(resumed, tmp_path / "part", HRF(rank=2), max_epochs=3, ckpt_path=tmp_path / "part" / "last.ckpt")
    assert same(whole.state_dict(), resumed.state_dict())


class StopAfter(lightning.Callback):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


def test_moving_average_holds_factors_and_is_what_is_deployed(tmp_path):
    fit(module(), tmp_path, HRF(rank=2), EMAWeightAveraging(decay=0.5), max_epochs=2)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["state_dict"].keys() == checkpoint["current_model_state"].keys()
    assert any("original1" in key for key in checkpoint["state_dict"])
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert same(deployed(tmp_path).state_dict(), merge_state_dict(best["state_dict"], best["reparam"]))


def test_checkpoint_holds_plain_data_only(tmp_path):
    fit(module(), tmp_path, HRF(rank=2), max_epochs=1)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["model"] == "conv_transformer"
    entry = {"rank": 2.0, "factors": 2, "init": "exact", "mode": "parametrized"}
    assert checkpoint["reparam"] == {f"model.layers.0.ffn.linear{number}": entry for number in (1, 2)}


def test_checkpoint_of_a_plain_module_describes_no_layer(tmp_path):
    fit(module(), tmp_path, max_epochs=1)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["reparam"] == {}


@pytest.mark.parametrize("averaging", [False, True])
@pytest.mark.parametrize("source", [None, {"rank": 2}, {"rank": 2, "mode": "inserted", "factors": 3}], ids=str)
@pytest.mark.parametrize("target", [None, {"rank": 2}, {"rank": 3}, {"rank": 2, "mode": "inserted"}], ids=str)
def test_a_fit_continues_from_a_checkpoint_of_any_factorisation(tmp_path, source, target, averaging):
    def hrf(options) -> list:
        return [] if options is None else [HRF(**options)]

    def ema() -> list:
        return [EMAWeightAveraging(decay=0.5)] if averaging else []

    first, second, start = module(), module(), Start()
    fit(first, tmp_path / "a", *hrf(source), *ema(), max_epochs=1)
    last = tmp_path / "a" / "last.ckpt"
    fit(second, tmp_path / "b", *hrf(target), *ema(), start, ckpt_path=last, max_epochs=2)
    assert is_factorised(second.model) == (target is not None)
    checkpoint = torch.load(last, weights_only=True)
    state = checkpoint["current_model_state"] if averaging else checkpoint["state_dict"]
    initial = {f"model.{key}": value for key, value in start.model.state_dict().items()}
    initial = merge_state_dict(initial, {f"model.{key}": value for key, value in describe_hrf(start.model).items()})
    for key, value in merge_state_dict(state, checkpoint["reparam"]).items():
        if key.startswith("model."):
            torch.testing.assert_close(initial[key], value)


def test_a_plain_state_dict_loads_into_a_factorised_module():
    plain, net = module(), module()
    insert_hrf(net.model, 2, init="default")
    net.load_state_dict(plain.state_dict())
    for key, value in merge_state_dict(net.state_dict(), describe_hrf(net)).items():
        torch.testing.assert_close(value, plain.state_dict()[key])
