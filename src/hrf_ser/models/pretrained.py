"""Classifier on the layer statistics of a frozen encoder (Yang et al., "SUPERB", Interspeech 2021)."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from hrf_ser.models.dropout import Dropout
from hrf_ser.models.masking import masked_mean, padding_mask
from hrf_ser.models.options import PretrainedOptions
from hrf_ser.models.registry import register


@register(PretrainedOptions)
class Pretrained(nn.Module):
    """A softmax-weighted sum over layers, a projection and a linear classifier.

    ``n_features`` is the mean and standard deviation over time of every hidden state, one behind the other; an utterance has
    one frame. Of several frames the mean is taken.
    """

    hrf_targets: ClassVar[tuple[str, ...]] = ("projection",)

    def __init__(self, n_features: int, n_classes: int, hop_ms: float, options: PretrainedOptions) -> None:  # noqa: ARG002  # of every model
        super().__init__()
        if n_features % options.states:
            raise ValueError(f"states={options.states} must divide {n_features} features")
        self.states = options.states
        self.layer_weights = nn.Parameter(torch.zeros(options.states))
        self.dropout = Dropout(options.dropout)
        self.projection = nn.Linear(n_features // options.states, options.width)
        self.classifier = nn.Linear(options.width, n_classes)

    def forward(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """``(B, T, n_features)`` and lengths ``(B,)`` in frames -> logits ``(B, n_classes)``."""
        mean = masked_mean(features, padding_mask(lengths, features.shape[1]))
        weights = self.layer_weights.softmax(0)
        pooled = (mean.unflatten(-1, (self.states, -1)) * weights[:, None]).sum(1)
        hidden = torch.relu(self.projection(pooled))
        logits: Tensor = self.classifier(self.dropout(hidden))
        return logits
