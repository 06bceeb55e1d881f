"""State dicts: merge one without its model, and fit any one to any model (factorised or plain)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from hrf_ser.hrf.factors import open_exactly
from hrf_ser.hrf.folded import factors_of
from hrf_ser.hrf.insert import factorised_layers
from hrf_ser.hrf.literal import LiteralLinear
from hrf_ser.hrf.merge import merged_layer

_FOLDED = re.compile(r"(?P<layer>(.*\.)?)parametrizations\.weight\.original(?P<index>\d+)")
_FOLDED_BIAS = re.compile(r"(?P<layer>(.*\.)?)parametrizations\.bias\.(original|0\.inner\.(?P<index>\d+))")
_LITERAL = re.compile(r"(?P<layer>(.*\.)?)hrf\.(?P<index>\d+)\.(?P<kind>weight|bias)")


class _Parts:
    """Pieces of one factorised layer, as they are met in a state dict."""

    def __init__(self) -> None:
        self.weights: dict[int, Tensor] = {}
        self.biases: dict[int, Tensor] = {}
        self.outer: Tensor | None = None

    def merged(self, layer: str) -> tuple[Tensor, Tensor | None]:
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

    Works without the model: for a checkpoint on a machine that only deploys.

    Raises:
        ValueError: weights that are not finite, or factors that do not chain; names the layer.
    """
    parts: dict[str, _Parts] = {}
    for key, value in state.items():
        piece = _recognise(key)
        if piece is None:
            continue
        layer, kind, index = piece
        entry = parts.setdefault(layer, _Parts())
        if kind == "weight":
            entry.weights[index] = value
        elif kind == "outer":
            entry.outer = value
        else:
            entry.biases[index] = value
    # A folded layer without inner bias keeps its plain key.
    plain: dict[str, Tensor] = {}
    done: set[str] = set()
    for key, value in state.items():
        piece = _recognise(key)
        if piece is None:
            plain[key] = value
        elif piece[0] not in done:
            done.add(piece[0])
            weight, bias = parts[piece[0]].merged(piece[0].rstrip("."))
            plain[f"{piece[0]}weight"] = weight
            if bias is not None:
                plain[f"{piece[0]}bias"] = bias
    return plain


def adapt_state_dict(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """``state`` in the form that ``model.load_state_dict`` takes.

    Factorised into the same factors: unchanged, bit for bit. Factorised into plain: merged. Plain, or other factors,
    into factorised: opened by an exact factorisation.
    """
    wanted = cast(dict[str, Tensor], model.state_dict())
    if {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in wanted.items()}:
        return dict(state)
    adapted = merge_state_dict(state)
    for name, layer in factorised_layers(model).items():
        prefix = f"{name}." if name else ""
        weight, bias = adapted.pop(f"{prefix}weight", None), adapted.get(f"{prefix}bias")
        if weight is None:
            continue
        literal = isinstance(layer, LiteralLinear)
        current = [step.weight for step in layer.steps] if isinstance(layer, LiteralLinear) else factors_of(layer)
        for index, factor in enumerate(open_exactly(weight, current[0].shape[0], len(current))):
            key = f"hrf.{index}.weight" if literal else f"parametrizations.weight.original{index}"
            adapted[prefix + key] = factor
        inner = [key for key in wanted if _is_inner_bias(key, prefix, len(current))]
        for key in inner:
            adapted[key] = torch.zeros_like(wanted[key])
        outer = f"hrf.{len(current) - 1}.bias" if literal else "parametrizations.bias.original"
        if bias is not None and prefix + outer in wanted:
            adapted[prefix + outer] = adapted.pop(f"{prefix}bias")
    return adapted


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
