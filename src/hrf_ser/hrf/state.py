"""State dicts: merge one without its model, and fit any one to any model (factorised or plain)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from hrf_ser.hrf.factors import open_exactly
from hrf_ser.hrf.folded import factors_of
from hrf_ser.hrf.insert import is_factorised
from hrf_ser.hrf.literal import LiteralLinear
from hrf_ser.hrf.merge import merged_layer

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
    def foreign(self) -> bool:
        """Whether these cannot be factors: torch's own weight norm, say, or a model's own layers called ``hrf``."""
        shapes = [tuple(self.weights[index].shape) for index in sorted(self.weights)]
        if sorted(self.weights) not in ([0, 1], [0, 1, 2]) or any(len(shape) != 2 for shape in shapes):
            return True
        first, second = shapes[:2]
        # Weight norm keeps a magnitude, (out, 1) or (1, in), and a direction (out, in) under the same names.
        magnitude = first in ((second[0], 1), (1, second[1]))
        return len(shapes) == 2 and magnitude and second[1] != first[0]

    def merged(self, layer: str) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the plain layer.

        Raises:
            ValueError: as :func:`merge_state_dict`.
        """
        weights = [self.weights[index] for index in sorted(self.weights)]
        for first, second in itertools.pairwise(weights):
            if second.shape[1] != first.shape[0]:
                raise ValueError(
                    f"{layer!r}: factors of shapes {tuple(first.shape)}, {tuple(second.shape)} do not chain"
                )
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
        shapes = [tuple(piece.weights[index].shape) for index in sorted(piece.weights)]
        folded = any("parametrizations" in key for key in piece.keys)
        if folded and len(shapes) == 2 and shapes[1] == (shapes[0][0],) * 2 and shapes[0][1] == 1:
            raise ValueError(
                f"{layer.rstrip('.')!r}: tensors of shapes {shapes[0]}, {shapes[1]} may be factors or weight norm; "
                "load them into the model and use merge_hrf"
            )
    return _merge(state, parts)


def adapt_state_dict(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """``state`` in the form that ``model.load_state_dict`` takes.

    Factorised into the same factors: unchanged, bit for bit. Factorised into plain: merged. Plain, or other factors,
    into factorised: opened by an exact factorisation.

    Raises:
        ValueError: weights that are not finite, or factors that do not chain; names the layer.
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
        literal = isinstance(layer, LiteralLinear)
        current = [step.weight for step in layer.steps] if isinstance(layer, LiteralLinear) else factors_of(layer)
        for index, factor in enumerate(open_exactly(weight, current[0].shape[0], len(current))):
            key = f"hrf.{index}.weight" if literal else f"parametrizations.weight.original{index}"
            adapted[prefix + key] = factor
        for key in wanted:
            if _is_inner_bias(key, prefix, len(current)):
                adapted[key] = torch.zeros_like(wanted[key])
        outer = f"hrf.{len(current) - 1}.bias" if literal else "parametrizations.bias.original"
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
