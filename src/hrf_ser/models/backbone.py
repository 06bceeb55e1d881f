"""What all models have in common."""

from __future__ import annotations

from torch import Tensor, nn

from hrf_ser.models.pooling import Pooling


class Backbone(nn.Module):
    """A model in two steps: an utterance to its embedding, the embedding to logits.

    A subclass has ``embed``, the modules ``pooling``, whose ``out_width`` is the embedding's, and ``classifier``.
    """

    pooling: Pooling
    classifier: nn.Module

    def embed(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """``(B, T, n_features)`` and lengths ``(B,)`` in frames -> the pooled vector ``(B, pooling.out_width)``."""
        raise NotImplementedError

    def classify(self, embedding: Tensor) -> Tensor:
        """``(B, pooling.out_width)`` -> logits ``(B, n_classes)``."""
        logits: Tensor = self.classifier(embedding)
        return logits

    def forward(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """``(B, T, n_features)`` and lengths ``(B,)`` in frames -> logits ``(B, n_classes)``."""
        return self.classify(self.embed(features, lengths))
