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

from hrf_ser.hrf import describe_hrf, insert_hrf, merge_state_dict
from hrf_ser.hrf.parametrization import Product
from hrf_ser.hrf.shapes import FactorShapes

# Largest |a - b| / (1 + max |b|) between two ways to take the same function of a layer of at most 64 inputs. Half precision:
# the inserted mode rounds r activations, the parametrized one the weight.
TOLERANCE = {torch.float64: 1e-14, torch.float32: 5e-6, torch.float16: 2e-3, torch.bfloat16: 1.5e-2}

MODES = pytest.mark.parametrize("mode", ["parametrized", "inserted"])

differences: dict[str, tuple[int, float]] = {}
"""By property and dtype: comparisons made, the largest difference met. conftest.py prints it."""


def for_all(examples: int, **drawn: st.SearchStrategy) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property as two tests, the same draws in every run: a third of ``examples``, and ten times as many marked slow."""

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize(
            "times", [pytest.param(1 / 3, id="quick"), pytest.param(10, id="long", marks=pytest.mark.slow)]
        )
        @pytest.mark.filterwarnings("ignore:Using padding='same'")
        def test(times: float) -> None:
            run = settings(
                max_examples=round(examples * times),
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
class Plain:
    """A layer to factorise; of a convolution, ``inputs`` and ``outputs`` are channels of a group."""

    kind: type[nn.Module]
    inputs: int
    outputs: int
    bias: bool
    kernel: tuple[int, ...] = ()
    groups: int = 1
    placement: dict[str, Any] = field(default_factory=dict)
    extents: tuple[int, ...] = ()  # of an input

    def make(self) -> nn.Module:
        if not self.kernel:
            return nn.Linear(self.inputs, self.outputs, self.bias)
        channels = self.inputs * self.groups, self.outputs * self.groups
        return self.kind(*channels, self.kernel, groups=self.groups, bias=self.bias, **self.placement)

    def head(self) -> nn.Module:
        return self.kind(self.outputs * self.groups, 3, *([1] if self.kernel else []))

    def shapes(self, inner: int, factors: int) -> FactorShapes:
        return FactorShapes(self.inputs, self.outputs, self.kernel, self.groups, inner, factors)


@dataclass
class Case:
    """One layer in a model, how to factorise it, and an input."""

    layer: Plain
    inner: int
    dtype: torch.dtype
    batch: tuple[int, ...]
    options: dict[str, Any]
    train: bool = True
    frozen: tuple[bool, bool] = (False, False)  # weight, bias
    seed: int = 0

    @property
    def rank(self) -> float:
        return self.inner / self.layer.outputs

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the factors."""
        return self.layer.shapes(self.inner, self.options["factors"]).factors

    def plain(self) -> nn.Sequential:
        """The layer "0", and a head behind it."""
        torch.manual_seed(self.seed)
        layer = self.layer.make()
        layer.weight.requires_grad_(not self.frozen[0])
        if layer.bias is not None:
            layer.bias.requires_grad_(not self.frozen[1])
        return nn.Sequential(layer, nn.Tanh(), self.layer.head()).to(self.dtype).train(self.train)

    def factorised(self, trained: bool = True) -> nn.Sequential:
        """The model with factors in the place of layer "0"; ``trained``: away from their start."""
        model = self.plain()
        assert insert_hrf(model, self.rank, ["0"], **self.options) == ["0"]
        if trained:
            scramble(model)
        return model

    def input(self) -> Tensor:
        layer = self.layer
        shape = *self.batch, layer.inputs * layer.groups, *layer.extents
        return torch.randn(shape, generator=torch.Generator().manual_seed(self.seed)).to(self.dtype)


@st.composite
def linears(draw: st.DrawFn, widest: int = 64) -> Plain:
    width = st.integers(1, widest)
    return Plain(nn.Linear, draw(width), draw(width), draw(st.booleans()))


@st.composite
def convolutions(draw: st.DrawFn) -> Plain:
    """Grouped, depthwise, strided, dilated; padded with zeros or with what the input holds."""
    dimensions = draw(st.sampled_from([1, 2]))

    def extents(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(dimensions))

    kernel = extents(1, 5 if dimensions == 1 else 3)
    dilation = extents(1, 2)
    stride, padding = draw(st.one_of(st.tuples(st.just(1), st.sampled_from(["same", "valid"])), st.just((None, None))))
    placement = {
        "stride": stride or extents(1, 3),
        "padding": padding or extents(0, 3),
        "dilation": dilation,
        "padding_mode": draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"])),
    }
    channels = st.integers(1, 6)
    inputs, outputs = draw(st.one_of(st.tuples(channels, channels), st.tuples(st.just(1), st.integers(1, 2))))
    # More than any padding, and at least one output.
    sizes = tuple(4 + d * (k - 1) + draw(st.integers(0, 3)) for d, k in zip(dilation, kernel, strict=True))
    kind = nn.Conv1d if dimensions == 1 else nn.Conv2d
    return Plain(kind, inputs, outputs, draw(st.booleans()), kernel, draw(st.integers(1, 4)), placement, sizes)


@st.composite
def cases(
    draw: st.DrawFn,
    dtypes: tuple[torch.dtype, ...] = tuple(TOLERANCE),
    layer: Plain | None = None,
    **fixed: st.SearchStrategy,
) -> Case:
    """Any layer that can be factorised, or ``layer``; ``fixed`` replaces the draw of an option."""
    layer = layer or draw(st.one_of(linears(), convolutions()))
    factors = draw(fixed.get("factors", st.sampled_from([2, 3])))
    least = layer.shapes(0, factors).min_inner_dim
    # From the least that is no low-rank layer; most are no whole multiple of the output.
    inner = draw(
        st.one_of(st.integers(least, least + 48), st.sampled_from([2, 4]).map(lambda rank: rank * layer.outputs))
    )
    options = {
        "factors": factors,
        "mode": draw(fixed.get("mode", st.sampled_from(["parametrized", "inserted"]))),
        "init": draw(fixed.get("init", st.sampled_from(["exact", "variance", "default"]))),
    }
    batch = draw(st.lists(st.integers(0, 4), min_size=0, max_size=1 if layer.kernel else 3))
    return Case(
        layer,
        max(inner, least),
        draw(st.sampled_from(dtypes)),
        tuple(batch),
        options,
        train=draw(st.booleans()),
        frozen=(draw(st.booleans()), draw(st.booleans())),
        seed=draw(st.integers(0, 2**16)),
    )


def feed_forward() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 5))


def factorised(mode: str = "parametrized") -> nn.Sequential:
    """A feed-forward block whose first layer has factors, away from their start."""
    model = feed_forward()
    insert_hrf(model, 2, ["0"], mode=mode)
    scramble(model)
    return model


def scramble(model: nn.Module) -> None:
    """Move every parameter away from its start; factors by less, as they are multiplied."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3 / math.sqrt(max((1, *parameter.shape[-1:]))))


def load(target: nn.Module, source: nn.Module) -> None:
    """Load the weights of ``source``, whatever the factorisation of either."""
    state, reparam = source.state_dict(), describe_hrf(source)
    target.load_state_dict(state if reparam == describe_hrf(target) else merge_state_dict(state, reparam), strict=True)


def is_plain(model: nn.Module) -> bool:
    """Whether nothing of the method is left."""
    return not any(isinstance(m, Product) for m in model.modules())


def structure(model: nn.Module) -> list[tuple[Any, ...]]:
    """Keys in order, shapes, dtypes, and what is trainable: the structure of a state dict."""
    trainable = {name: p.requires_grad for name, p in model.named_parameters(remove_duplicate=False)}
    return [(key, value.shape, value.dtype, trainable.get(key)) for key, value in model.state_dict().items()]
