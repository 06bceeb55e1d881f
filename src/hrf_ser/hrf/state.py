"""State dicts: merge one without its model, and fit any one to any model (factorised or plain)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from hrf_ser.hrf.factors import open_exactly
from hrf_ser.hrf.form import Form, form_of_shapes
from hrf_ser.hrf.literal import LiteralLayer
from hrf_ser.hrf.merge import merged_layer
from hrf_ser.hrf.opened import form_of, is_factorised

_FOLDED = re.compile(r"(?P<layer>(.*\.)?)parametrizations\.weight\.original(?P<index>\d+)")
_FOLDED_BIAS = re.compile(r"(?P<layer>(.*\.)?)parametrizations\.bias\.(original|0\.inner\.(?P<index>\d+))")
_LITERAL = re.compile(r"(?P<layer>(.*\.)?)hrf\.(?P<index>\d+)\.(?P<kind>weight|bias)")


class _Parts:
    """Pieces of one layer whose keys look like those of factors, as they are met in a state dict."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.weights: dict[int, Tensor] = {}
        self.biases: dict[int, Tensor] = {}
        self.outer: Tensor | None = None

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(self.weights[index].shape) for index in sorted(self.weights)]

    @property
    def form(self) -> Form | None:
        """The shapes of these as factors; None where they do not chain."""
        return form_of_shapes(self.shapes)

    @property
    def foreign(self) -> bool:
        """Whether these cannot be factors: torch's own weight norm, say, or a model's own layers called ``hrf``."""
        dimensions = {len(shape) for shape in self.shapes}
        if sorted(self.weights) not in ([0, 1], [0, 1, 2]) or dimensions not in ({2}, {3}, {4}):
            return True
        # One factor alone looks at more than one position.
        wide = {index for index, shape in enumerate(self.shapes) if any(extent != 1 for extent in shape[2:])}
        return not wide <= {len(self.shapes) - 2} or (self.may_be_weight_norm and self.form is None)

    @property
    def may_be_weight_norm(self) -> bool:
        """Whether these have the shapes of weight norm: a magnitude with one dimension of a direction, and the direction."""
        if len(self.weights) != 2:
            return False
        magnitude, direction = self.shapes
        return any(
            magnitude == tuple(extent if at == dimension else 1 for at, extent in enumerate(direction))
            for dimension in range(len(direction))
        )

    def merged(self, layer: str) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the plain layer.

        Raises:
            ValueError: as :func:`merge_state_dict`.
        """
        if self.form is None:
            raise ValueError(f"{layer!r}: factors of shapes {', '.join(map(str, self.shapes))} do not chain")
        weights = [self.weights[index] for index in sorted(self.weights)]
        biases = dict(self.biases)
        outer = self.outer if self.outer is not None else biases.pop(len(weights) - 1, None)
        return merged_layer(layer, weights, [biases[index] for index in sorted(biases)], outer)


def merge_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of the plain model, from that of a factorised one (either mode); a plain one comes back unchanged.

    Works without the model: for a checkpoint on a machine that only deploys. What torch's weight norm keeps is left alone.

    Raises:
        ValueError: weights that are not finite, factors that do not chain, or tensors that may be factors or weight norm;
            names the layer.
    """
    parts = _collect(state)
    for layer, piece in parts.items():
        folded = any("parametrizations" in key for key in piece.keys)
        if folded and piece.may_be_weight_norm:
            raise ValueError(
                f"{layer.rstrip('.')!r}: tensors of shapes {', '.join(map(str, piece.shapes))} may be factors or weight "
                "norm; load them into the model and use merge_hrf"
            )
    return _merge(state, parts)


def adapt_state_dict(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """``state`` in the form that ``model.load_state_dict`` takes.

    Factorised into the same factors: unchanged, bit for bit. Factorised into plain: merged. Plain, or other factors,
    into factorised: opened by an exact factorisation.

    Raises:
        ValueError: weights that are not finite, factors that do not chain, or a weight of another shape than the model's;
            names the layer.
    """
    wanted = cast(dict[str, Tensor], model.state_dict())
    if {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in wanted.items()}:
        return dict(state)
    # By every name: a shared layer has keys under each.
    layers = {name: m for name, m in model.named_modules(remove_duplicate=False) if is_factorised(m)}
    prefixes = {f"{name}." if name else "": layer for name, layer in layers.items()}
    # What looks like factors in the model and is none of ours is not for us to merge.
    adapted = _merge(state, _collect(state, foreign=_collect(wanted).keys() - prefixes.keys()))
    for prefix, layer in prefixes.items():
        weight, bias = adapted.pop(f"{prefix}weight", None), adapted.get(f"{prefix}bias")
        if weight is None:
            continue
        literal, form = isinstance(layer, LiteralLayer), form_of(layer)
        if weight.shape != form.weight_shape:
            raise ValueError(
                f"layer {prefix.rstrip('.')!r}: a weight of shape {tuple(weight.shape)} does not fit the model's, "
                f"{form.weight_shape}; make the model with the options that it was saved with"
            )
        for index, factor in enumerate(open_exactly(weight, form)):
            key = f"hrf.{index}.weight" if literal else f"parametrizations.weight.original{index}"
            adapted[prefix + key] = factor
        for key in wanted:
            if _is_inner_bias(key, prefix, form.n_factors):
                adapted[key] = torch.zeros_like(wanted[key])
        outer = f"hrf.{form.n_factors - 1}.bias" if literal else "parametrizations.bias.original"
        if bias is not None and prefix + outer in wanted:
            adapted[prefix + outer] = adapted.pop(f"{prefix}bias")
    return adapted


def _collect(state: Mapping[str, Tensor], foreign: Collection[str] = ()) -> dict[str, _Parts]:
    """Factors in ``state``, by the prefix of their layer; prefixes in ``foreign`` are left out."""
    parts: dict[str, _Parts] = {}
    for key, value in state.items():
        piece = _recognise(key)
        if piece is None or piece[0] in foreign:
            continue
        layer, kind, index = piece
        entry = parts.setdefault(layer, _Parts())
        entry.keys.add(key)
        if kind == "weight":
            entry.weights[index] = value
        elif kind == "outer":
            entry.outer = value
        else:
            entry.biases[index] = value
    ours = {layer: entry for layer, entry in parts.items() if not entry.foreign}
    for layer, entry in ours.items():
        # A folded layer without inner bias keeps its plain key.
        if entry.outer is None and f"{layer}bias" in state:
            entry.outer = state[f"{layer}bias"]
            entry.keys.add(f"{layer}bias")
    return ours


def _merge(state: Mapping[str, Tensor], parts: Mapping[str, _Parts]) -> dict[str, Tensor]:
    """``state`` with the weight and bias of each layer of ``parts`` in the place of its factors."""
    owner = {key: layer for layer, entry in parts.items() for key in entry.keys}
    plain: dict[str, Tensor] = {}
    done: set[str] = set()
    for key, value in state.items():
        layer = owner.get(key)
        if layer is None:
            plain[key] = value
        elif layer not in done:
            done.add(layer)
            weight, bias = parts[layer].merged(layer.rstrip("."))
            plain[f"{layer}weight"] = weight
            if bias is not None:
                plain[f"{layer}bias"] = bias
    return plain


def _is_inner_bias(key: str, prefix: str, n_factors: int) -> bool:
    piece = _recognise(key)
    return piece is not None and piece[0] == prefix and piece[1] == "bias" and piece[2] < n_factors - 1


def _recognise(key: str) -> tuple[str, str, int] | None:
    """(layer prefix with its dot, "weight" | "bias" | "outer", index) of a key that belongs to factors, or None."""
    if match := _FOLDED.fullmatch(key):
        return match["layer"], "weight", int(match["index"])
    if match := _FOLDED_BIAS.fullmatch(key):
        return match["layer"], "outer" if match["index"] is None else "bias", int(match["index"] or 0)
    if match := _LITERAL.fullmatch(key):
        return match["layer"], match["kind"], int(match["index"])
    return None
