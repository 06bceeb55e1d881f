"""The LightningModule and the HRF callback inside a real Trainer, on a corpus in memory."""

import copy

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch.nn.utils import parametrize
from torch.utils.data import DataLoader

from hrf_ser.hrf import describe_hrf, factorised_layers, insert_hrf, is_factorised, merge_state_dict, parametrization
from hrf_ser.training.callbacks import HRF
from hrf_ser.training.module import EmotionModule
from hrf_ser.training.optimizer import OptimizerConfig, build_optimizer

OPTIONS = {"width": 16, "layers": 1, "heads": 2, "ffn": 32, "dropout": 0.1}

AUGMENT = {"time_masks": 1, "time_width": 0.2, "band_masks": 1, "band_width": 2, "gain_db": 3.0}


def module(**options) -> EmotionModule:
    torch.manual_seed(0)
    return EmotionModule(
        **{
            "model": "conv_transformer",
            "options": OPTIONS,
            "labels": ["angry", "happy", "sad"],
            "n_features": 8,
            "batches_per_epoch": 4,
            "optimizer": {"lr": 0.01, "warmup_epochs": 0},
            "augment": AUGMENT,
            **options,
        }
    )


def batches(count: int = 4) -> DataLoader:
    generator = torch.Generator().manual_seed(1)
    data = [
        {
            "features": torch.randn(6, 24, 8, generator=generator),
            "lengths": torch.tensor([24, 20, 13, 9, 4, 1]),
            "labels": torch.tensor([0, 1, 2, 0, 1, 2]),
            "rows": torch.arange(6),
            "units": torch.arange(6),
        }
        for _ in range(count)
    ]
    return DataLoader(data, batch_size=None)


def fit(net: EmotionModule, folder, *callbacks, ckpt_path=None, **options) -> lightning.Trainer:
    checkpoint = ModelCheckpoint(folder, "best", "val/ua", mode="max", save_last=True, save_on_train_epoch_end=True)
    trainer = lightning.Trainer(
        **{
            "accelerator": "cpu",
            "max_epochs": 2,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "callbacks": [*callbacks, checkpoint],
            **options,
        }
    )
    # As a run does: the factors' start is drawn from it.
    torch.manual_seed(5)
    trainer.fit(net, batches(), batches(1), ckpt_path=ckpt_path, weights_only=True)
    return trainer


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


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


def test_fit_leaves_the_module_factorised_and_deploys_the_best_epoch_merged(tmp_path):
    net = module()
    hrf = HRF(rank=2)
    fit(net, tmp_path, hrf)
    assert factorised_layers(net.model)
    assert not factorised_layers(hrf.deployed)
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert same(hrf.deployed.state_dict(), merge_state_dict(best["state_dict"], best["reparam"]))


def test_an_ensemble_is_factorised_trained_and_deployed_merged(tmp_path):
    net = module(options={**OPTIONS, "ensemble_size": 2}, augment=None)
    hrf = HRF(rank=2)
    trainer = fit(net, tmp_path, hrf)
    assert len(hrf.layers) == 4
    assert trainer.callback_metrics["val/loss"].isfinite()
    features, lengths = torch.randn(2, 24, 8), torch.tensor([24, 9])
    assert hrf.deployed(features, lengths).shape == (2, 3)
    assert not factorised_layers(hrf.deployed)


def test_members_of_an_ensemble_learn_as_if_alone():
    net = module(options={**OPTIONS, "dropout": 0.0, "ensemble_size": 2}, augment=None)
    batch = next(iter(batches()))
    net.training_step(batch, 0).backward()
    for member in net.model.members:
        together = [parameter.grad.clone() for parameter in member.parameters()]
        member.zero_grad()
        logits = member(net.normaliser(batch["features"], batch["lengths"]), batch["lengths"])
        torch.nn.functional.cross_entropy(logits, batch["labels"]).backward()
        for parameter, grad in zip(member.parameters(), together, strict=True):
            torch.testing.assert_close(grad, parameter.grad / 2)


def test_members_of_an_ensemble_draw_their_own_augmentations():
    net = module(options={**OPTIONS, "ensemble_size": 2})
    inputs = []
    for member in net.model.members:
        member.register_forward_pre_hook(lambda _, given: inputs.append(given[0].clone()))
    net.training_step(next(iter(batches())), 0)
    assert not torch.equal(*inputs)


@pytest.mark.parametrize("enabled", [True, False])
def test_checkpoint_tests_and_loads_without_the_callback(tmp_path, enabled):
    net = module()
    trainer = fit(net, tmp_path, HRF(enabled=enabled, rank=2))
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


class Start(lightning.Callback):
    """Keeps the model with which a fit begins, factors in it."""

    def on_train_start(self, trainer, pl_module) -> None:
        self.model = copy.deepcopy(pl_module.model)


@pytest.fixture
def taken(monkeypatch) -> list[int]:
    """An entry for every product of factors that is taken in a forward pass."""
    products = []
    merge_weight = parametrization.merge_weight
    monkeypatch.setattr(parametrization, "merge_weight", lambda factors: products.append(1) or merge_weight(factors))
    return products


def test_accumulation_gives_the_gradient_of_the_big_batch(tmp_path):
    sgd = {"name": "sgd", "lr": 0.1, "warmup_epochs": 0, "schedule": "constant"}
    net = module(optimizer=sgd, augment=None, options={**OPTIONS, "dropout": 0.0})
    start = Start()
    fit(net, tmp_path, HRF(rank=2), start, max_epochs=1, accumulate_grad_batches=4, limit_val_batches=0)

    parts = list(batches())
    batch = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    whole = module(augment=None)
    whole.model = start.model
    optimizer = build_optimizer(whole.model, OptimizerConfig(**sgd))
    whole.training_step(batch, 0).backward()
    optimizer.step()
    assert not torch.equal(next(net.model.parameters()), next(module().model.parameters())), "else nothing was learned"
    for one, other in zip(net.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("options", "warmed", "steps"),
    [
        ({}, 4, 12),
        ({"limit_train_batches": 2}, 2, 6),
        ({"limit_train_batches": 0.5}, 2, 6),
        ({"limit_train_batches": 9}, 4, 12),
        ({"limit_train_batches": 2, "accumulate_grad_batches": 2}, 1, 3),
        ({"max_steps": 10}, 4, 10),
    ],
    ids=str,
)
def test_the_learning_rate_rises_and_falls_over_the_steps_that_are_taken(tmp_path, options, warmed, steps):
    class Rates(lightning.Callback):
        def __init__(self) -> None:
            self.seen = {}

        def on_train_batch_start(self, trainer, *_) -> None:
            self.seen[trainer.global_step] = trainer.optimizers[0].param_groups[0]["lr"]

    rates = Rates()
    net = module(optimizer={"lr": 0.01, "warmup_epochs": 1, "final_lr": 0.0})
    trainer = fit(net, tmp_path, rates, max_epochs=3, **options)
    assert trainer.global_step == steps
    assert max(rates.seen, key=rates.seen.get) == warmed
    assert rates.seen[warmed] == 0.01
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0)


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
        nets[mode] = hrf.deployed
    tolerance = 1e-4 if precision == "32-true" else 3e-2
    for one, other in zip(nets["parametrized"].parameters(), nets["inserted"].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


def test_moving_average_holds_factors_and_is_what_is_deployed(tmp_path):
    net = module()
    hrf = HRF(rank=2)
    fit(net, tmp_path, hrf, EMAWeightAveraging(decay=0.5), max_epochs=2)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["state_dict"].keys() == checkpoint["current_model_state"].keys()
    assert any("original1" in key for key in checkpoint["state_dict"])
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert same(hrf.deployed.state_dict(), merge_state_dict(best["state_dict"], best["reparam"]))


def test_class_weights_are_inverse_frequencies_with_mean_one_over_utterances():
    net = module()
    net.fit_statistics(torch.zeros(8), torch.ones(8), torch.tensor([10, 30, 0]))
    assert net.loss_weights.tolist() == pytest.approx([2.0, 2 / 3, 0.0])
    assert float((net.loss_weights * torch.tensor([10, 30, 0])).sum()) == pytest.approx(40)
    unweighted = module(class_weights="none")
    unweighted.fit_statistics(torch.zeros(8), torch.ones(8), torch.tensor([10, 30, 0]))
    assert unweighted.loss_weights.tolist() == [1, 1, 1]


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
    def hrf(options) -> HRF:
        return HRF(enabled=options is not None, **(options or {}))

    def ema() -> list:
        return [EMAWeightAveraging(decay=0.5)] if averaging else []

    first, second, start = module(), module(), Start()
    fit(first, tmp_path / "a", hrf(source), *ema(), max_epochs=1)
    last = tmp_path / "a" / "last.ckpt"
    fit(second, tmp_path / "b", hrf(target), *ema(), start, ckpt_path=last, max_epochs=2)
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


def test_module_is_left_alone_by_deployment(tmp_path):
    net = module()
    fit(net, tmp_path, HRF(rank=2))
    state = copy.deepcopy(net.state_dict())
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert same(state, last)


def test_a_mixture_is_scored_against_both_labels_in_its_shares():
    augment = {"time_masks": 0, "time_width": 0.2, "band_masks": 0, "band_width": 2, "gain_db": 0.0, "mixup": 0.5}
    net = module(augment=augment, options={**OPTIONS, "dropout": 0.0}, class_weights="none")
    batch = next(iter(batches()))
    torch.manual_seed(3)
    loss = net.training_step(batch, 0)
    torch.manual_seed(3)
    mix = net.augment.mix(net.normaliser(batch["features"], batch["lengths"]), batch["lengths"])
    target = torch.nn.functional.one_hot(batch["labels"], 3).float()
    target = mix.share * target + (1 - mix.share) * target[mix.partner]
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(net.model(mix.features, mix.lengths), target))


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_a_member_does_not_train_on_the_utterances_it_leaves_out(mixup):
    net = module(options={**OPTIONS, "ensemble_size": 3}, augment={**AUGMENT, "mixup": mixup})
    first, second, third = net.model.members
    net.out_of_fold = torch.tensor([0, 0, 1, 1, 2, 2])
    whole = next(iter(batches(1)))
    for rows, left_out in (([0, 1], first), ([2, 3], second), ([4, 5], third)):
        net.zero_grad()
        net.training_step({key: value[rows] for key, value in whole.items()}, 0).backward()
        for member in net.model.members:
            trained = any(parameter.grad is not None and parameter.grad.any() for parameter in member.parameters())
            assert trained == (member is not left_out)

    # With the same random numbers, it trains as if the utterances that it leaves out were not there.
    def gradients(rows: list[int]) -> list[torch.Tensor]:
        net.zero_grad()
        torch.manual_seed(3)
        net.eval().training_step({key: value[rows] for key, value in whole.items()}, 0).backward()
        return [parameter.grad.clone() for parameter in first.parameters()]

    for one, other in zip(gradients([2, 3, 4, 5]), gradients([0, 1, 2, 3, 4, 5]), strict=True):
        torch.testing.assert_close(one, other)
