"""Inserted mode: real layers in a row, as in the paper's figure. Slow, and the reference for the parametrized mode."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hrf_ser.hrf.init import Init, factorise_entry, init_factors
from hrf_ser.hrf.shapes import LAYERS, FactorShapes, merge_weight


class InsertedLayers(nn.Sequential):
    """Linear layers or convolutions in a row, without a non-linearity, in the place of one.

    ``weight``, ``bias`` and the layer's constants (``in_features``, ``stride``) read as the merged layer's, for models that
    read them instead of calling the layer (``nn.TransformerEncoderLayer`` in evaluation, ``nn.MultiheadAttention``'s output
    projection). The plain layer's hooks run, and its bias parameter is used, which may be shared.
    """

    mode = "inserted"

    def __init__(self, layer: nn.Module, shapes: FactorShapes, init: Init) -> None:
        super().__init__()
        self.shapes = shapes
        self.init = init
        kind: Any = kind_of(layer)
        for name in kind.__constants__:
            setattr(self, name, getattr(layer, name))
        # Hooks that run when a layer is called; those on its state dict would not find its weight.
        self.__dict__.update(
            {
                name: value
                for name, value in layer.__dict__.items()
                if name.startswith(("_forward", "_backward", "_is_full_backward"))
            }
        )
        # In a tuple, so that it is not a child: the layer that the merge restores.
        self._plain = (layer,)
        weight = layer.get_parameter("weight")
        for index, value in enumerate(init_factors(weight, shapes, init)):
            step = _layer_for_factor(layer, shapes, index)
            step.register_parameter("weight", nn.Parameter(value, requires_grad=weight.requires_grad))
            self.append(step)
        self[-1].register_parameter("bias", layer._parameters["bias"])

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        if f"{prefix}bias" in state:
            state[f"{prefix}{self.shapes.n_factors - 1}.bias"] = state.pop(f"{prefix}bias")
        factorise_entry(state, prefix, "{}.weight", self.shapes)
        super()._load_from_state_dict(state, prefix, *arguments)

    @property
    def weight(self) -> Tensor:
        return merge_weight([step.get_parameter("weight") for step in self])

    @property
    def bias(self) -> nn.Parameter | None:
        return self[-1]._parameters["bias"]

    def restore(self) -> nn.Module:
        """The plain layer with the current bias; the caller sets its weight."""
        self._plain[0].register_parameter("bias", self.bias)
        return self._plain[0]


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` in every place where ``model`` holds ``old`` (a shared module has several)."""
    for parent in list(model.modules()):
        for key, child in list(parent._modules.items()):
            if child is old:
                parent._modules[key] = new
    new.train(old.training)


def kind_of(layer: nn.Module) -> type[nn.Module]:
    """The torch class of ``layer``, whatever its subclass."""
    return next(kind for kind in LAYERS if isinstance(layer, kind))


def computes_more(layer: nn.Module) -> bool:
    """Whether ``layer`` may compute more than its torch class does, which inserted layers would leave out."""
    kind = kind_of(layer)
    own = [name for name in ("forward", "_conv_forward") if getattr(type(layer), name, 0) is not getattr(kind, name, 0)]
    parts = layer._parameters.keys() | layer._modules.keys() | layer._buffers.keys()
    return bool(own) or "forward" in vars(layer) or "_conv_forward" in vars(layer) or parts != {"weight", "bias"}


def _layer_for_factor(layer: nn.Module, shapes: FactorShapes, index: int) -> nn.Module:
    """A layer without bias for factor ``index``; the kernel's factor has the stride, the padding and the dilation."""
    rows, columns, *kernel = shapes.factors[index]
    # The meta device draws no initial values: both modes use the same random numbers.
    if isinstance(layer, nn.Linear):
        return nn.Linear(columns, rows, bias=False, device="meta")
    options: dict[str, Any] = {"groups": shapes.groups, "bias": False, "device": "meta"}
    if index == shapes.n_factors - 2:
        options |= {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "padding_mode")}
    kind: Any = kind_of(layer)
    step: nn.Module = kind(columns * shapes.groups, rows, tuple(kernel), **options)
    return step
