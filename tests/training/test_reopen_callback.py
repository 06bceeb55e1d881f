"""Factors that are opened anew during a fit, in a real Trainer."""

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, StochasticWeightAveraging
from test_module import OPTIONS, StopAfter, batches, fit, module, same

from hrf_ser.errors import UserError
from hrf_ser.hrf import factorised_layers
from hrf_ser.training.callbacks import HRF
from hrf_ser.training.reopen import Reopen

BATCH = next(iter(batches(1)))


def factors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the factors, by name; vectors are biases."""
    names = tuple(f"{name}." for name in factorised_layers(model))
    return {name: p.detach().clone() for name, p in model.named_parameters() if name.startswith(names) and p.ndim == 2}


def logits(model: torch.nn.Module) -> torch.Tensor:
    mode = model.training
    with torch.no_grad():
        found = model.eval()(BATCH["features"], BATCH["lengths"])
    model.train(mode)
    return found


class Watch(lightning.Callback):
    """What an epoch starts with, before or after the callback that opens factors, as it stands in the list."""

    def __init__(self, ema: EMAWeightAveraging | None = None) -> None:
        self.ema = ema
        self.logits, self.factors, self.average, self.known = [], [], [], []

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self.logits.append(logits(pl_module))
        self.factors.append(factors_of(pl_module.model))
        state = trainer.optimizers[0].state
        self.known.append({name for name, p in pl_module.model.named_parameters() if p in state})
        if self.ema is not None:
            average = self.ema._average_model.module
            self.average.append((logits(average), factors_of(average.model)))


@pytest.mark.parametrize("options", [{"bias": True}, {"mode": "inserted", "factors": 3}], ids=str)
def test_function_is_kept_factors_are_fresh_and_their_moments_gone(tmp_path, options):
    before, after, hrf = Watch(), Watch(), HRF(rank=2, **options)
    fit(module(), tmp_path, hrf, before, Reopen(2, seed=0), after, max_epochs=5)
    opened = [
        epoch
        for epoch, (one, other) in enumerate(zip(before.factors, after.factors, strict=True))
        if any(not torch.equal(one[name], other[name]) for name in one)
    ]
    assert opened == [2, 4]
    for epoch in opened:
        torch.testing.assert_close(after.logits[epoch], before.logits[epoch], atol=1e-5, rtol=1e-4)
        assert all(
            not torch.equal(before.factors[epoch][name], after.factors[epoch][name]) for name in before.factors[0]
        )
        forgotten = before.known[epoch] - after.known[epoch]
        assert forgotten >= set(before.factors[0])
        # What lies outside of the open layers goes on.
        assert all(name.startswith(tuple(f"{layer}." for layer in hrf.layers)) for name in forgotten)
    # The second time others: the epoch is part of the seed.
    assert all(not torch.equal(after.factors[2][name], after.factors[4][name]) for name in after.factors[2])


def test_step_counts_begin_anew(tmp_path):
    net = module()
    trainer = fit(net, tmp_path, HRF(rank=2), Reopen(2, seed=0), max_epochs=3)
    state = trainer.optimizers[0].state
    steps = {name: int(state[p]["step"]) for name, p in net.model.named_parameters()}
    factors = factors_of(net.model)
    assert {steps[name] for name in factors} == {4}, "one epoch of four batches since the opening"
    assert {count for name, count in steps.items() if name not in factors} == {12}


def test_a_resumed_fit_opens_the_same_factors(tmp_path):
    whole, part, resumed = module(), module(), module()
    options = {"max_epochs": 4, "limit_train_batches": 4}
    fit(whole, tmp_path / "whole", HRF(rank=2), Reopen(1, seed=3), **options)
    fit(part, tmp_path / "part", HRF(rank=2), Reopen(1, seed=3), StopAfter(2), **options)
    last = tmp_path / "part" / "last.ckpt"
    fit(resumed, tmp_path / "part", HRF(rank=2), Reopen(1, seed=3), ckpt_path=last, **options)
    assert same(whole.state_dict(), resumed.state_dict())
    other = module()
    fit(other, tmp_path / "other", HRF(rank=2), Reopen(1, seed=4), **options)
    assert not same(whole.state_dict(), other.state_dict())


def test_folded_and_literal_training_agree(tmp_path):
    deployed = {}
    for mode in ("parametrized", "inserted"):
        # Adam would blow rounding up wherever a gradient is nearly zero.
        optimizer = {"name": "sgd", "lr": 0.1, "warmup_epochs": 0}
        net = module(augment=None, options={**OPTIONS, "dropout": 0.0}, optimizer=optimizer)
        hrf = HRF(rank=2, mode=mode, bias=True)
        fit(net, tmp_path / mode, hrf, Reopen(1, seed=0), max_epochs=3, limit_train_batches=2)
        deployed[mode] = hrf.deployed
    for one, other in zip(deployed["parametrized"].parameters(), deployed["inserted"].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("factors", [2, 3])
def test_a_moving_average_keeps_its_function_and_takes_the_new_basis(tmp_path, factors):
    ema = EMAWeightAveraging(decay=0.9)
    before, after = Watch(ema), Watch(ema)
    hrf = HRF(rank=2, factors=factors)
    fit(module(), tmp_path, hrf, ema, before, Reopen(1, seed=0), after, max_epochs=3)
    for epoch in (1, 2):
        (expected, old), (found, new) = before.average[epoch], after.average[epoch]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(found, after.logits[epoch], atol=1e-3), "the average is another model"
        assert all(not torch.equal(old[name], new[name]) for name in old)
        for layer in hrf.layers:
            ours, theirs = (
                [value for name, value in one.items() if name.startswith(f"{layer}.")]
                for one in (after.factors[epoch], new)
            )
            equal = [torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)]
            assert sum(equal) == factors - 1, "all factors of a layer but the one that holds its weight"


def test_an_average_that_cannot_follow_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"reparam\.reopen_every=1: StochasticWeightAveraging would average"):
        fit(module(), tmp_path, HRF(rank=2), StochasticWeightAveraging(1e-3), Reopen(1, seed=0))


class Break(lightning.Callback):
    """Training that ends an epoch with weights that are not finite."""

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        layer = next(iter(factorised_layers(pl_module.model).values()))
        next(iter(layer.parameters())).data.fill_(float("nan"))


def test_weights_that_are_not_finite_end_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"reparam\.reopen_every=1: layer .* not finite .*; lower optimizer\.lr\.$"):
        fit(module(), tmp_path, HRF(rank=2), Reopen(1, seed=0), Break(), limit_val_batches=0)
