"""The field's four scores, from a confusion matrix."""

from __future__ import annotations

from torch import Tensor

SCORES = ("wa", "ua", "wf1", "f1")


def scores(confusion: Tensor) -> dict[str, float]:
    """WA, UA, weighted F1 and macro F1.

    Averages over classes take the classes that occur among the labels: a class without utterances has no recall, and counting
    it as 0 or 1 would make folds with different classes incomparable.

    Args:
        confusion: ``(classes, classes)`` counts; rows are labels, columns predictions.

    Returns:
        ``wa``: accuracy. ``ua``: unweighted average recall. ``wf1``: F1 averaged with the classes' counts. ``f1``: F1
        averaged over classes. All NaN without any utterance.
    """
    counts = confusion.double()
    correct, labelled, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    present = labelled > 0
    recall = correct[present] / labelled[present]
    f1 = 2 * correct[present] / (labelled[present] + predicted[present])
    return {
        "wa": float(correct.sum() / labelled.sum()),
        "ua": float(recall.mean()),
        "wf1": float((f1 * labelled[present]).sum() / labelled.sum()),
        "f1": float(f1.mean()),
    }
