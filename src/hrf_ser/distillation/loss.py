"""The losses of distillation, which are added to that of the labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.distillation.targets import Targets


class DistillationLoss(nn.Module):
    """Soft labels (Hinton et al., 2015, arXiv 1503.02531) and hints (Romero et al., "FitNets", ICLR 2015) of a teacher.

    A hint is the teacher's embedding of the utterance, which a linear projection predicts from the student's. The projections
    are trained beside the model and are no part of it.

    Args:
        targets: of the teacher, for every row of the corpus's table.
        widths: of the embedding of each ensemble member.
        weight: share of the soft labels; the labels have the rest.
        temperature: of the soft labels.
        hint_weight: of the mean squared error to the teacher's embedding, which has unit variance.
    """

    log_probabilities: Tensor
    embeddings: Tensor | None

    def __init__(
        self, targets: Targets, widths: Sequence[int], weight: float, temperature: float, hint_weight: float
    ) -> None:
        super().__init__()
        self.weight, self.temperature, self.hint_weight = weight, temperature, hint_weight
        self.register_buffer("log_probabilities", targets.log_probabilities, persistent=False)
        hints = targets.embeddings if hint_weight > 0 else None
        self.register_buffer("embeddings", hints, persistent=False)
        self.projections = nn.ModuleList(
            [] if hints is None else [nn.Linear(width, hints.shape[-1]) for width in widths]
        )

    @property
    def has_hints(self) -> bool:
        """Whether the student's embedding is needed."""
        return self.embeddings is not None

    def forward(self, member: int, logits: Tensor, embedding: Tensor | None, copies: Tensor, rows: Tensor) -> Tensor:
        """The loss beside that of the labels, a scalar.

        Args:
            member: number of the ensemble member.
            logits: ``(batch, classes)`` of it.
            embedding: ``(batch, width)`` of it; None without hints.
            copies: ``(batch,)``, which augmented copy each utterance is.
            rows: ``(batch,)`` of the corpus's table.
        """
        heads = self.log_probabilities
        teacher = heads[min(member, len(heads) - 1), copies, rows]
        soft = (teacher / self.temperature).softmax(-1)
        student = (logits.float() / self.temperature).log_softmax(-1)
        loss = self.weight * self.temperature**2 * -(soft * student).sum(-1).mean()
        if self.embeddings is not None and embedding is not None:
            projected = self.projections[member](embedding)
            loss = loss + self.hint_weight * F.mse_loss(projected.float(), self.embeddings[copies, rows])
        return loss
