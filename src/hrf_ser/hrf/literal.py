"""Literal mode: real layers in a row, as the paper draws them. Slow, and the reference for the folded mode."""

from __future__ import annotations

from torch import Tensor, nn

from hrf_ser.hrf.factors import Init, draw, merge_bias, multiply
from hrf_ser.hrf.form import Form
from hrf_ser.hrf.layers import Layer, is_layer, kind_of, layer_for_factor

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


class LiteralLayer(nn.Module):
    """Linear layers or convolutions in a row, with no non-linearity in between, in the place of one.

    ``weight``, ``bias`` and what torch keeps of a layer's shape (``in_features``, ``stride``) read as the merged layer's, for
    models that look at them instead of calling the layer (``nn.TransformerEncoderLayer`` in evaluation,
    ``nn.MultiheadAttention``'s output projection). Hooks that run when the plain layer is called run when this one is. The
    outer bias is the plain layer's own parameter, so what shares it goes on sharing it.
    """

    def __init__(self, layer: Layer, form: Form, init: Init, bias: bool) -> None:
        super().__init__()
        self.form = form
        for name in kind_of(layer).__constants__:
            setattr(self, name, getattr(layer, name))
        for name in _CALL_HOOKS:
            self.__dict__[name] = layer.__dict__[name]
        # The plain layer without its parameters, in a tuple so that it is no child: what the merge fills again.
        shell = type(layer).__new__(type(layer))
        shell.__dict__.update(layer.__dict__)
        shell.__dict__["_parameters"] = {}
        self._shell = (shell,)
        self.hrf = nn.ModuleList()
        for index, value in enumerate(draw(layer.weight, form, init)):
            step = layer_for_factor(layer, form, index)
            step.weight = nn.Parameter(value, requires_grad=layer.weight.requires_grad)
            if index == form.n_factors - 1:
                step.bias = layer.bias
            elif bias and layer.bias is not None:
                # A frozen bias stays frozen: its inner biases are then zero for good.
                step.bias = nn.Parameter(value.new_zeros(len(value)), requires_grad=layer.bias.requires_grad)
            self.hrf.append(step)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` -> ``(..., out)``, or as the convolution does."""
        for step in self.hrf:
            x = step(x)
        return x

    @property
    def shell(self) -> Layer:
        """The plain layer, with all that it had except parameters."""
        return self._shell[0]

    @property
    def steps(self) -> list[Layer]:
        """The layers in the order of application."""
        return [step for step in self.hrf if is_layer(step)]

    @property
    def weight(self) -> Tensor:
        return multiply([step.weight for step in self.steps])

    @property
    def bias(self) -> Tensor | None:
        *head, last = self.steps
        inner = [step.bias for step in head if step.bias is not None]
        if last.bias is None or not inner:
            return last.bias
        return merge_bias(last.bias, inner, [step.weight for step in self.steps])


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` in every place where ``model`` holds ``old`` (a shared module stands in several)."""
    for parent in list(model.modules()):
        for key, child in list(parent._modules.items()):
            if child is old:
                parent._modules[key] = new
    new.train(old.training)
