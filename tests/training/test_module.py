"""What a module trains on: its loss, its ensemble, its learning rate."""

import lightning
import pytest
import torch
from training_cases import AUGMENT, OPTIONS, Start, batches, fit, module

from hrf_ser.training.callbacks import HRF
from hrf_ser.training.optimizer import OptimizerConfig, build_optimizer


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


def test_class_weights_are_inverse_frequencies_with_mean_one_over_utterances():
    net = module()
    net.fit_statistics(torch.zeros(8), torch.ones(8), torch.tensor([10, 30, 0]))
    assert net.loss_weights.tolist() == pytest.approx([2.0, 2 / 3, 0.0])
    assert float((net.loss_weights * torch.tensor([10, 30, 0])).sum()) == pytest.approx(40)
    unweighted = module(class_weights="none")
    unweighted.fit_statistics(torch.zeros(8), torch.ones(8), torch.tensor([10, 30, 0]))
    assert unweighted.loss_weights.tolist() == [1, 1, 1]


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
