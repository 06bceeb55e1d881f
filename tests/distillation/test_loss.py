"""The losses of distillation."""

import pytest
import torch
import torch.nn.functional as F

from hrf_ser.data.batches import NO_LABEL
from hrf_ser.distillation.loss import DistillationLoss
from hrf_ser.distillation.targets import Targets
from hrf_ser.training.module import EmotionModule

ROWS, COPIES, MEMBERS, CLASSES, WIDTH = 5, 2, 2, 3, 4


def targets() -> Targets:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(MEMBERS, COPIES, ROWS, CLASSES, generator=generator)
    return Targets(logits.log_softmax(-1), torch.randn(COPIES, ROWS, WIDTH, generator=generator))


def batch():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, CLASSES, generator=generator, requires_grad=True)
    embedding = torch.randn(3, 6, generator=generator)
    return logits, embedding, torch.tensor([0, 1, 1]), torch.tensor([4, 0, 2])


@pytest.mark.parametrize("member", range(MEMBERS))
def test_soft_labels_are_those_of_the_copy_the_row_and_the_member(member):
    loss = DistillationLoss(targets(), [6, 6], weight=0.7, temperature=1.0, hint_weight=0.0)
    logits, embedding, copies, rows = batch()
    expected = F.cross_entropy(logits, targets().log_probabilities[member, copies, rows].exp())
    torch.testing.assert_close(loss(member, logits, embedding, copies, rows), 0.7 * expected)


def test_the_gradient_at_a_high_temperature_is_of_the_size_of_that_at_1():
    logits, embedding, copies, rows = batch()
    norms = []
    for temperature in (1.0, 20.0):
        loss = DistillationLoss(targets(), [6, 6], 1.0, temperature, 0.0)
        (gradient,) = torch.autograd.grad(loss(0, logits, embedding, copies, rows), logits)
        norms.append(float(gradient.norm()))
    assert 0.3 < norms[1] / norms[0] < 3


def test_a_hint_is_the_error_of_the_members_own_projection():
    loss = DistillationLoss(targets(), [6, 6], weight=0.0, temperature=1.0, hint_weight=2.0)
    logits, embedding, copies, rows = batch()
    expected = 2 * F.mse_loss(loss.projections[1](embedding), targets().embeddings[copies, rows])
    torch.testing.assert_close(loss(1, logits, embedding, copies, rows), expected)


def test_a_perfect_student_has_no_gradient():
    loss = DistillationLoss(targets(), [6, 6], weight=1.0, temperature=2.0, hint_weight=0.0)
    _, embedding, copies, rows = batch()
    logits = targets().log_probabilities[0, copies, rows].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(0, logits, embedding, copies, rows), logits)
    assert gradient.abs().max() < 1e-6


def test_without_hints_there_is_nothing_to_train():
    assert not list(DistillationLoss(targets(), [6, 6], 0.7, 1.0, 0.0).parameters())
    without = Targets(targets().log_probabilities, None)
    assert not list(DistillationLoss(without, [6, 6], 0.7, 1.0, 2.0).parameters())


def test_a_checkpoint_does_not_hold_the_targets():
    assert set(DistillationLoss(targets(), [6], 0.7, 1.0, 2.0).state_dict()) == {
        "projections.0.weight",
        "projections.0.bias",
    }


def test_a_batch_without_labels_is_taught_and_gives_finite_gradients():
    module = EmotionModule(
        "conv_transformer", ["a", "b", "c"], 8, 1, options={"width": 16, "layers": 1}, label_smoothing=0.1
    )
    module.distillation = DistillationLoss(targets(), [module.model.pooling.out_width], 0.7, 1.0, 2.0)
    batch = {
        "features": torch.randn(3, 20, 8),
        "lengths": torch.tensor([20, 15, 9]),
        "labels": torch.full((3,), NO_LABEL),
        "rows": torch.tensor([4, 0, 2]),
        "copies": torch.tensor([0, 1, 1]),
    }
    loss = module.training_step(batch, 0)
    loss.backward()
    assert torch.isfinite(loss)
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)
