"""The HRF callback inside a real Trainer."""

from types import SimpleNamespace

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, RichProgressBar
from lightning.pytorch.loggers import CSVLogger
from omegaconf import OmegaConf
from torch.nn.utils import parametrize
from training_cases import OPTIONS, batches, deployed, fit, module

from hrf_ser.hrf import factorised_layers, parametrization
from hrf_ser.training.callbacks import HRF, ProgressBar
from hrf_ser.training.instantiate import instantiate_callbacks


def test_factors_are_in_the_optimizer_and_move(tmp_path):
    net = module()
    hrf = HRF(rank=2, init="default")
    trainer = fit(net, tmp_path, hrf)
    assert hrf.layers == list(factorised_layers(net.model)) != []
    optimised = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    for layer in factorised_layers(net.model).values():
        for factor in layer.parameters():
            assert id(factor) in optimised
            assert trainer.optimizers[0].state[factor]["exp_avg"].any()


def test_one_pattern_needs_no_list(tmp_path):
    hrf = HRF(rank=2, targets=r"layers\.\d+\.ffn\.linear1")
    fit(module(), tmp_path, hrf, max_epochs=1)
    assert hrf.layers == ["layers.0.ffn.linear1"]


def test_an_ensemble_is_factorised_trained_and_deployed_merged(tmp_path):
    net = module(options={**OPTIONS, "ensemble_size": 2}, augment=None)
    hrf = HRF(rank=2)
    trainer = fit(net, tmp_path, hrf)
    assert len(hrf.layers) == 4
    assert trainer.callback_metrics["val/loss"].isfinite()
    features, lengths = torch.randn(2, 24, 8), torch.tensor([24, 9])
    assert deployed(tmp_path)(features, lengths).shape == (2, 3)
    assert not factorised_layers(deployed(tmp_path))


@pytest.fixture
def taken(monkeypatch) -> list[int]:
    """An entry for every product of factors that is taken in a forward pass."""
    products = []
    merge_weight = parametrization.merge_weight
    monkeypatch.setattr(parametrization, "merge_weight", lambda factors: products.append(1) or merge_weight(factors))
    return products


class CountProducts(lightning.Callback):
    """Products taken during each validation epoch."""

    def __init__(self, taken: list[int]) -> None:
        self.taken, self.counts = taken, []

    def on_validation_start(self, *_) -> None:
        self.taken.clear()

    def on_validation_end(self, *_) -> None:
        self.counts.append(len(self.taken))


@pytest.mark.parametrize("averaging", [[], [EMAWeightAveraging(decay=0.5)]], ids=["plain", "ema"])
def test_validation_takes_each_product_once(tmp_path, taken, averaging):
    count, net = CountProducts(taken), module()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[HRF(rank=2), *averaging, count],
    )
    trainer.fit(net, batches(), batches(3))
    assert count.counts == [2, 2]
    assert parametrize._cache_enabled == 0


def test_validation_that_fails_leaves_no_cached_products(tmp_path):
    class Fail(lightning.Callback):
        def on_validation_batch_end(self, *_) -> None:
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fit(module(), tmp_path, HRF(rank=2), Fail())
    assert parametrize._cache_enabled == 0
    assert not parametrize._cache


def test_validation_within_an_epoch_uses_the_current_weights(tmp_path):
    losses = []

    class Losses(lightning.Callback):
        def on_validation_end(self, trainer, pl_module) -> None:
            with torch.no_grad():
                batch = next(iter(batches(1)))
                expected = pl_module._loss(pl_module.eval()(batch["features"], batch["lengths"]), batch["labels"])
            losses.append((float(trainer.callback_metrics["val/loss"]), float(expected)))

    fit(module(), tmp_path, HRF(rank=2), Losses(), max_epochs=2, val_check_interval=2)
    assert len(losses) == 4
    for found, expected in losses:
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_parametrized_and_inserted_training_agree(tmp_path, precision):
    nets = {}
    for mode in ("parametrized", "inserted"):
        # Adam would blow rounding up wherever a gradient is nearly zero.
        optimizer = {"name": "sgd", "lr": 0.1, "warmup_epochs": 0}
        nets[mode] = module(augment=None, options={**OPTIONS, "dropout": 0.0}, optimizer=optimizer)
        hrf = HRF(rank=2, mode=mode)
        fit(nets[mode], tmp_path / mode, hrf, max_epochs=1, limit_train_batches=2, precision=precision)
        nets[mode] = deployed(tmp_path / mode)
    tolerance = 1e-4 if precision == "32-true" else 3e-2
    for one, other in zip(nets["parametrized"].parameters(), nets["inserted"].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("shown", [True, False])
def test_the_progress_bar_has_no_version_number_and_can_be_left_out(tmp_path, shown):
    config = OmegaConf.create(
        {"protocol": {"name": "validation"}, "callbacks": {}, "trainer": {"enable_progress_bar": shown}}
    )
    callbacks = instantiate_callbacks(config)
    assert [type(one) for one in callbacks] == ([ProgressBar] if shown else [])
    if shown:
        logger = CSVLogger(tmp_path, version="seven")
        trainer = lightning.Trainer(accelerator="cpu", logger=logger, callbacks=callbacks, enable_model_summary=False)
        assert "v_num" in RichProgressBar().get_metrics(trainer, module())
        assert "v_num" not in callbacks[0].get_metrics(trainer, module())


@pytest.mark.parametrize(
    ("epoch", "epochs", "shown"), [(0, 1, "Epoch 1/1"), (59, 60, "Epoch 60/60"), (4, -1, "Epoch 5")]
)
def test_the_bar_counts_epochs_from_1(epoch, epochs, shown):
    bar = ProgressBar()
    bar._trainer = SimpleNamespace(max_epochs=epochs)
    assert bar._get_train_description(epoch).strip() == shown
