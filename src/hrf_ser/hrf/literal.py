"""Literal mode: real layers in a row, as the paper draws them. Slow, and the reference for the folded mode."""

from __future__ import annotations

from torch import Tensor, nn

from hrf_ser.hrf.factors import Init, draw, inner_dimension, merge_bias, multiply

# What nn.Module keeps of the hooks that run when a layer is called.
_CALL_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_is_full_backward_hook",
)


class LiteralLinear(nn.Module):
    """Linear layers in a row, with no non-linearity in between, in the place of one ``nn.Linear``.

    ``weight`` and ``bias`` read as the merged layer's, for models that look at them instead of calling the layer
    (``nn.TransformerEncoderLayer`` in evaluation, ``nn.MultiheadAttention``'s output projection). Hooks that run when the
    plain layer is called run when this one is. The outer bias is the plain layer's own parameter, so what shares it goes
    on sharing it.
    """

    def __init__(self, layer: nn.Linear, rank: float, n_factors: int, init: Init, bias: bool) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        for name in _CALL_HOOKS:
            self.__dict__[name] = layer.__dict__[name]
        # The plain layer without its parameters, in a tuple so that it is no child: what the merge fills again.
        shell = type(layer).__new__(type(layer))
        shell.__dict__.update(layer.__dict__)
        shell.__dict__["_parameters"] = {}
        self._shell = (shell,)
        self.hrf = nn.ModuleList()
        inner = inner_dimension(rank, layer.out_features, layer.in_features)
        for index, value in enumerate(draw(layer.weight, inner, n_factors, init)):
            # On the meta device a layer draws no start of its own: the random numbers are those of the folded mode.
            step = nn.Linear(value.shape[1], value.shape[0], bias=False, device="meta")
            step.weight = nn.Parameter(value, requires_grad=layer.weight.requires_grad)
            if index == n_factors - 1:
                step.bias = layer.bias
            elif bias:
                step.bias = nn.Parameter(value.new_zeros(inner), requires_grad=layer.bias.requires_grad)
            self.hrf.append(step)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` -> ``(..., out)``."""
        for step in self.hrf:
            x = step(x)
        return x

    @property
    def shell(self) -> nn.Linear:
        """The plain layer, with all that it had except parameters."""
        return self._shell[0]

    @property
    def steps(self) -> list[nn.Linear]:
        """The layers in the order of application."""
        return [step for step in self.hrf if isinstance(step, nn.Linear)]

    @property
    def weight(self) -> Tensor:
        return multiply([step.weight for step in self.steps])

    @property
    def bias(self) -> Tensor | None:
        *head, last = self.steps
        if head[0].bias is None:
            return last.bias
        return merge_bias(last.bias, [step.bias for step in head], [step.weight for step in self.steps])


def computes_more(layer: nn.Linear) -> bool:
    """Whether ``layer`` may compute more than ``x W^T + b``, which real layers in its place would leave out."""
    return (
        type(layer).forward is not nn.Linear.forward
        or "forward" in layer.__dict__
        or set(layer._parameters) != {"weight", "bias"}
        or bool(layer._modules)
        or bool(layer._buffers)
    )


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` in every place where ``model`` holds ``old`` (a shared module stands in several)."""
    for parent in list(model.modules()):
        for key, child in list(parent._modules.items()):
            if child is old:
                parent._modules[key] = new
    new.train(old.training)
