"""torchaudio's Conformer as a classifier, and ours from the same tokens: no front, mean over valid tokens, a linear."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrf_ser.audio.torchaudio_import import torchaudio
from hrf_ser.models import create_model


class TorchaudioConformer(nn.Module):
    """``torchaudio.models.Conformer``; its key padding mask reaches the attention, not the convolution or the batch norm."""

    def __init__(
        self, n_classes: int, *, width: int, heads: int, ffn: int, layers: int, kernel: int, dropout: float
    ) -> None:
        super().__init__()
        import importlib

        torchaudio()
        models = importlib.import_module("torchaudio.models")
        self.encoder = models.Conformer(
            input_dim=width,
            num_heads=heads,
            ffn_dim=ffn,
            num_layers=layers,
            depthwise_conv_kernel_size=kernel,
            dropout=dropout,
        )
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Tokens ``(B, T, width)`` and lengths ``(B,)``, of which the longest is T -> ``(B, n_classes)``."""
        x, _ = self.encoder(tokens, lengths)
        mask = torch.arange(x.shape[1]) < lengths.unsqueeze(1)
        mean = x.masked_fill(~mask.unsqueeze(-1), 0.0).sum(1) / lengths.unsqueeze(1)
        logits: Tensor = self.classifier(mean)
        return logits


class GivenTokens(nn.Module):
    """Stands in for our Conformer's front, so that it begins with tokens as torchaudio's does."""

    def forward(self, tokens: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Tokens ``(B, T, width)`` as they are, and their mask ``(B, T)``; None where all lengths are T."""
        return tokens, None if lengths is None else torch.arange(tokens.shape[1]) < lengths.unsqueeze(1)


def our_conformer(
    n_classes: int,
    *,
    width: int,
    heads: int,
    ffn: int,
    layers: int,
    kernel: int,
    dropout: float,
    positions: str,
) -> nn.Module:
    """Our Conformer from tokens ``(B, T, width)``."""
    model = create_model(
        "conformer",
        n_features=width,
        n_classes=n_classes,
        width=width,
        heads=heads,
        ffn=ffn,
        layers=layers,
        kernel=kernel,
        dropout=dropout,
        positions=positions,
    )
    model.subsampling = GivenTokens()
    return model
