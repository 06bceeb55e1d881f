import math

import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score, multiclass_recall

from hrf_ser.training.metrics import UnitConfusion, confusion, scores


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_torchmetrics_where_every_class_occurs(seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(4), torch.randint(0, 4, (60,), generator=generator)])
    predicted = torch.randint(0, 4, (64,), generator=generator)
    result = scores(confusion(labels, predicted, 4))
    assert result["wa"] == pytest.approx(float(multiclass_accuracy(predicted, labels, 4, average="micro")), abs=1e-6)
    assert result["ua"] == pytest.approx(float(multiclass_recall(predicted, labels, 4, average="macro")), abs=1e-6)
    assert result["wf1"] == pytest.approx(
        float(multiclass_f1_score(predicted, labels, 4, average="weighted")), abs=1e-6
    )
    assert result["f1"] == pytest.approx(float(multiclass_f1_score(predicted, labels, 4, average="macro")), abs=1e-6)


def test_a_class_without_utterances_counts_neither_for_nor_against():
    # Class 2 never occurs but is predicted once: recalls are 1/2 and 1.
    table = torch.tensor([[1, 0, 1], [0, 2, 0], [0, 0, 0]])
    assert scores(table)["ua"] == pytest.approx(0.75)
    assert scores(table)["wa"] == pytest.approx(0.75)


def test_majority_class_has_chance_ua():
    table = torch.tensor([[90, 0], [10, 0]])
    assert scores(table)["wa"] == pytest.approx(0.9)
    assert scores(table)["ua"] == pytest.approx(0.5)


def test_nothing_scored_is_nan():
    assert all(math.isnan(value) for value in scores(torch.zeros(3, 3, dtype=torch.long)).values())


def test_a_participant_is_decided_by_the_mean_posterior_of_all_segments():
    metric = UnitConfusion(2)
    # Participant 7: two segments of three say 1, their mean says 0. Participant 3: one segment, in another batch.
    metric.update(torch.tensor([[0.4, 0.6], [0.4, 0.6], [0.9, 0.1]]), torch.tensor([0, 0, 0]), torch.tensor([7, 7, 7]))
    metric.update(torch.tensor([[0.2, 0.8]]), torch.tensor([1]), torch.tensor([3]))
    assert metric.compute().tolist() == [[1, 0], [0, 1]]
    metric.reset()
    metric.update(torch.tensor([[0.4, 0.6], [0.9, 0.1]]), torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert metric.compute().tolist() == [[1, 1], [0, 0]]
