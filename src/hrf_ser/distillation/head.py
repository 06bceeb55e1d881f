"""The teacher's head: from embeddings to soft labels, by logistic regression over training speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError
from hrf_ser.extras import need


@dataclass(frozen=True)
class Head:
    """Settings of the head.

    Attributes:
        c: inverse strength of the L2 penalty, as scikit-learn's ``C``.
        folds: of the training speakers.
        balanced: weigh classes by their inverse frequency.
    """

    c: float = 0.01
    folds: int = 5
    balanced: bool = True


def cross_fitted_probabilities(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: Sequence[str],
    train: Sequence[int],
    classes: int,
    head: Head = Head(),
) -> NDArray[np.float32]:
    """Class probabilities of every utterance, each from a head that was fit without its speaker's labels.

    Training speakers are cross-fitted: those of a fold get their probabilities from a head that was fit on the other folds. All
    other rows get theirs from a head that was fit on all training speakers.

    Args:
        embeddings: ``(copies, rows, width)``, of augmented copies of each utterance; a head is fit on all of them. Rows that
            are not in ``train`` may hold values that are not a number.
        labels: ``(rows,)``; only those of ``train`` are read.
        groups: speaker of each row, or what else must not be on both sides of a fold.
        train: rows of the training split.
        classes: number of classes; one without a training utterance has the probability 0.
        head: its settings.

    Returns:
        ``(copies, rows, classes)``; not a number for a row whose embeddings are not.

    Raises:
        UserError: scikit-learn is not installed, or fewer than two training speakers or classes.
    """
    model_selection = need("sklearn.model_selection", "teacher")
    rows = np.asarray(train)
    own = np.asarray(groups)[rows]
    speakers = len(np.unique(own))
    if speakers < 2 or len(np.unique(labels[rows])) < 2:
        raise UserError(
            "teacher: its head is fit on at least two training speakers and two classes; the fold has fewer."
        )
    copies, total, width = embeddings.shape
    probabilities = np.full((copies, total, classes), np.nan, dtype=np.float32)

    def predict(fit: NDArray[np.int64], rest: NDArray[np.int64]) -> None:
        fitted = _fit(embeddings[:, fit].reshape(-1, width), np.tile(labels[fit], copies), head)
        predicted = fitted.predict_proba(embeddings[:, rest].reshape(-1, width)).reshape(copies, len(rest), -1)
        probabilities[:, rest] = 0
        probabilities[:, rest[:, None], fitted.classes_[None]] = predicted

    known = np.flatnonzero(np.isfinite(embeddings).all(axis=(0, 2)))
    others = np.setdiff1d(known, rows)
    if len(others):
        predict(rows, others)
    for fit, rest in model_selection.GroupKFold(min(head.folds, speakers)).split(rows, groups=own):
        predict(rows[fit], rows[rest])
    return probabilities


def _fit(embeddings: NDArray[np.float32], labels: NDArray[np.int64], head: Head) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=head.c, class_weight="balanced" if head.balanced else None, max_iter=1000)
    return make_pipeline(StandardScaler(), regression).fit(embeddings, labels)
