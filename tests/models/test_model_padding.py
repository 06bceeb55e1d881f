"""Padding never changes an output, whatever it holds: the promise of every backbone."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

LENGTHS = torch.tensor([230, 101, 57, 16, 5, 2, 1])


@pytest.fixture
def utterances() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(int(length), 6, generator=generator) for length in LENGTHS]


def test_batch_equals_each_utterance_alone_in_evaluation(
    small_model: nn.Module, utterances: list[Tensor], padded: Callable[..., Tensor]
) -> None:
    small_model.eval()
    batch = small_model(padded(utterances, 230), LENGTHS)
    alone = torch.cat([small_model(x.unsqueeze(0), torch.tensor([len(x)])) for x in utterances])
    assert (batch[0] - batch[1]).abs().max() > 1e-3, "a model that ignores its input proves nothing"
    torch.testing.assert_close(batch, alone, atol=1e-5, rtol=1e-5)
    unmasked = torch.cat([small_model(x.unsqueeze(0), None) for x in utterances])
    torch.testing.assert_close(unmasked, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_no_lengths_are_full_lengths(small_model: nn.Module, training: bool) -> None:
    x = torch.randn(3, 121, 6)
    torch.manual_seed(0)
    expected = copy.deepcopy(small_model).train(training)(x, torch.full((3,), 121))
    torch.manual_seed(0)
    torch.testing.assert_close(small_model.train(training)(x, None), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_padding_further_changes_neither_output_nor_running_statistics(
    small_model: nn.Module, utterances: list[Tensor], padded: Callable[..., Tensor], training: bool
) -> None:
    other = copy.deepcopy(small_model)
    logits = small_model.train(training)(padded(utterances, 230), LENGTHS)
    further = other.train(training)(padded(utterances, 460), LENGTHS)
    torch.testing.assert_close(logits, further, atol=1e-5, rtol=1e-5)
    for (name, buffer), (_, other_buffer) in zip(small_model.named_buffers(), other.named_buffers(), strict=True):
        torch.testing.assert_close(buffer, other_buffer, atol=1e-5, rtol=1e-5, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("training", [False, True])
def test_gradient_of_padding_is_exactly_zero(
    small_model: nn.Module, utterances: list[Tensor], padded: Callable[..., Tensor], training: bool
) -> None:
    features = padded(utterances, 240).requires_grad_()
    small_model.train(training)(features, LENGTHS).square().sum().backward()
    assert features.grad is not None
    for gradient, length in zip(features.grad, LENGTHS, strict=True):
        assert gradient[length:].abs().max() == 0
        assert torch.isfinite(gradient).all()
    assert features.grad[0, 229].abs().max() > 0


@pytest.mark.parametrize("junk", [float("inf"), float("nan")])
def test_padding_that_is_no_number_is_harmless(small_model: nn.Module, utterances: list[Tensor], junk: float) -> None:
    features = torch.full((7, 230, 6), junk)
    for row, utterance in zip(features, utterances, strict=True):
        row[: len(utterance)] = utterance
    small_model.train()(features, LENGTHS).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in small_model.parameters() if p.grad is not None)
    assert torch.isfinite(small_model.eval()(features, LENGTHS)).all()


@pytest.mark.parametrize("training", [False, True])
def test_batch_of_one_frame_gives_numbers(small_model: nn.Module, training: bool) -> None:
    logits = small_model.train(training)(torch.randn(1, 1, 6), torch.tensor([1]))
    logits.sum().backward()
    assert logits.shape == (1, 3)
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in small_model.parameters() if p.grad is not None)


def test_every_parameter_gets_a_gradient(small_model: nn.Module) -> None:
    small_model.train()(torch.randn(2, 300, 6), torch.tensor([300, 250])).square().sum().backward()
    assert [name for name, p in small_model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("training", [False, True])
def test_tensors_are_created_on_the_device_of_the_inputs(small_model: nn.Module, training: bool) -> None:
    """The meta device refuses to be mixed with another, as a GPU would."""
    model = small_model.to("meta").train(training)
    logits = model(torch.empty(2, 50, 6, device="meta"), torch.empty(2, dtype=torch.int64, device="meta"))
    assert (logits.device.type, logits.shape) == ("meta", (2, 3))
