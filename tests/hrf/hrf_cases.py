"""What property tests of the method draw: layers, options of the insertion, inputs; and how far outputs may differ."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hrf_ser.hrf import insert_hrf
from hrf_ser.hrf.folded import Product, is_folded
from hrf_ser.hrf.literal import LiteralLinear

# Largest |a - b| / (1 + max |b|) between two ways to take the same function of a layer of at most 64 x 64. Half precision:
# the literal mode rounds r activations, the folded one the weight.
TOLERANCE = {torch.float64: 1e-14, torch.float32: 5e-6, torch.float16: 2e-3, torch.bfloat16: 1.5e-2}

MODES = pytest.mark.parametrize("mode", ["folded", "literal"])

differences: dict[str, tuple[int, float]] = {}
"""By property and dtype: comparisons made, the largest difference met. conftest.py prints it."""


def for_all(examples: int, **drawn: st.SearchStrategy) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property as two tests, the same draws in every run: ``examples`` of them, and ten times as many marked slow."""

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize(
            "times", [pytest.param(1, id="quick"), pytest.param(10, id="long", marks=pytest.mark.slow)]
        )
        def test(times: int) -> None:
            run = settings(
                max_examples=examples * times,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=[HealthCheck.too_slow],
            )
            run(given(**drawn)(body))()

        test.__name__, test.__doc__, test.__module__ = body.__name__, body.__doc__, body.__module__
        return test

    return decorate


def assert_near(subject: str, found: Tensor, expected: Tensor, slack: float = 1.0) -> None:
    """Equal within the tolerance of their dtype, and noted under ``subject``."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    gap = 0.0
    if expected.numel():
        a, b = found.detach().double(), expected.detach().double()
        gap = float((a - b).abs().max() / (1 + b.abs().max()))
    kind = str(expected.dtype).removeprefix("torch.")
    count, largest = differences.get(f"{subject} | {kind}", (0, 0.0))
    differences[f"{subject} | {kind}"] = (count + 1, max(largest, gap))
    limit = slack * TOLERANCE[expected.dtype]
    assert gap <= limit, f"{subject}: {kind} differs by {gap:.2e}, more than {limit:.0e}"  # a NaN is not <= either


@dataclass
class Case:
    """One layer in a model, how to open it, and an input."""

    d_in: int
    d_out: int
    inner: int
    layer_bias: bool
    dtype: torch.dtype
    batch: tuple[int, ...]
    options: dict[str, Any]
    train: bool = True
    frozen: tuple[bool, bool] = (False, False)  # weight, bias
    seed: int = 0
    rank: float = field(init=False)

    def __post_init__(self) -> None:
        self.rank = self.inner / self.d_out

    def plain(self) -> nn.Sequential:
        """The layer "0", and a head behind it."""
        torch.manual_seed(self.seed)
        layer = nn.Linear(self.d_in, self.d_out, self.layer_bias)
        layer.weight.requires_grad_(not self.frozen[0])
        if layer.bias is not None:
            layer.bias.requires_grad_(not self.frozen[1])
        return nn.Sequential(layer, nn.Tanh(), nn.Linear(self.d_out, 3)).to(self.dtype).train(self.train)

    def opened(self, trained: bool = True) -> nn.Sequential:
        """The model with factors in the place of layer "0"; ``trained``: away from their start."""
        model = self.plain()
        assert insert_hrf(model, self.rank, ["0"], **self.options) == ["0"]
        if trained:
            scramble(model)
        return model

    def input(self) -> Tensor:
        return torch.randn(*self.batch, self.d_in, generator=torch.Generator().manual_seed(self.seed)).to(self.dtype)


@st.composite
def cases(
    draw: st.DrawFn,
    dtypes: tuple[torch.dtype, ...] = tuple(TOLERANCE),
    shape: tuple[int, int, bool] | None = None,
    **fixed: st.SearchStrategy,
) -> Case:
    """Any layer that may be opened; ``fixed`` replaces the draw of an option; ``shape``: (in, out, bias) of the layer."""
    width = st.integers(1, 64)
    d_in, d_out, layer_bias = shape or (draw(width), draw(width), draw(st.booleans()))
    least = min(d_in, d_out)
    # From the least that is no low-rank layer; most are no whole multiple of the output.
    inner = draw(st.one_of(st.integers(least, least + 48), st.sampled_from([2, 4]).map(lambda rank: rank * d_out)))
    options = {
        "factors": draw(fixed.get("factors", st.sampled_from([2, 3]))),
        "mode": draw(fixed.get("mode", st.sampled_from(["folded", "literal"]))),
        "init": draw(fixed.get("init", st.sampled_from(["exact", "variance", "default"]))),
        "bias": layer_bias and draw(st.booleans()),
    }
    return Case(
        d_in,
        d_out,
        max(inner, least),
        layer_bias,
        draw(st.sampled_from(dtypes)),
        tuple(draw(st.lists(st.integers(0, 4), min_size=0, max_size=3))),
        options,
        train=draw(st.booleans()),
        frozen=(draw(st.booleans()), draw(st.booleans())),
        seed=draw(st.integers(0, 2**16)),
    )


def feed_forward() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 5))


def opened(mode: str = "folded", bias: bool = True) -> nn.Sequential:
    """A feed-forward block whose first layer has factors, away from their start."""
    model = feed_forward()
    insert_hrf(model, 2, ["0"], mode=mode, bias=bias)
    scramble(model)
    return model


def scramble(model: nn.Module) -> None:
    """Move every parameter, inner biases included, away from its start; factors by less, as they are multiplied."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3 / math.sqrt(max((1, *parameter.shape[-1:]))))


def is_plain(model: nn.Module) -> bool:
    """Whether nothing of the method is left."""
    return not any(isinstance(m, LiteralLinear | Product) or is_folded(m) for m in model.modules())


def form(model: nn.Module) -> list[tuple[Any, ...]]:
    """Keys in order, shapes, dtypes, and what is trainable: the structure of a state dict."""
    trainable = {name: p.requires_grad for name, p in model.named_parameters(remove_duplicate=False)}
    return [(key, value.shape, value.dtype, trainable.get(key)) for key, value in model.state_dict().items()]
