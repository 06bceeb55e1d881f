"""Soft labels come from heads that have not seen the speaker's labels."""

import numpy as np
import pytest

from hrf_ser.distillation.head import Head, cross_fitted_probabilities
from hrf_ser.errors import UserError

SPEAKERS, EACH = 6, 8
GROUPS = [f"s{row // EACH}" for row in range(SPEAKERS * EACH)]
TRAIN = [row for row in range(SPEAKERS * EACH) if row < 5 * EACH]


def speech(copies: int = 2, seed: int = 0):
    """Embeddings whose first value tells the class, and labels of two classes."""
    generator = np.random.default_rng(seed)
    labels = np.tile([0, 1], SPEAKERS * EACH // 2)
    embeddings = generator.normal(size=(copies, len(labels), 4)).astype(np.float32)
    embeddings[..., 0] += 4 * labels
    return embeddings, labels


def test_the_head_predicts_classes_of_all_copies():
    embeddings, labels = speech()
    probabilities = cross_fitted_probabilities(embeddings, labels, GROUPS, TRAIN, 3, Head(c=1.0))
    assert probabilities.shape == (2, 48, 3)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert (probabilities[..., 2] == 0).all()  # no training utterance has that class
    assert (probabilities.argmax(-1) == labels).mean() > 0.9


def test_labels_that_only_a_leak_reveals_stay_unknown():
    # Each utterance's noise is its own, so a head that saw its random label in 64 dimensions would know it by heart.
    generator = np.random.default_rng(1)
    labels = generator.integers(2, size=SPEAKERS * EACH)
    embeddings = generator.normal(size=(1, len(labels), 64)).astype(np.float32)
    probabilities = cross_fitted_probabilities(embeddings, labels, GROUPS, TRAIN, 2, Head(c=100.0))
    own = probabilities[0, TRAIN, labels[TRAIN]]
    assert own.mean() < 0.65


@pytest.mark.parametrize("changed", range(SPEAKERS))
def test_a_speakers_labels_decide_nothing_about_its_own_soft_labels(changed):
    embeddings, labels = speech()
    others = labels.copy()
    own = [row for row, group in enumerate(GROUPS) if group == f"s{changed}"]
    others[own] = 1 - others[own]
    before, after = (cross_fitted_probabilities(embeddings, some, GROUPS, TRAIN, 2) for some in (labels, others))
    np.testing.assert_array_equal(before[:, own], after[:, own])
    if changed == 5:  # a test speaker: none of its labels is read
        np.testing.assert_array_equal(before, after)
    else:
        assert (before[:, 40:] != after[:, 40:]).any()


@pytest.mark.parametrize("train", [[0, 1, 2], [0, 2, 8, 10]])
def test_one_speaker_or_one_class_is_refused(train):
    embeddings, labels = speech()
    with pytest.raises(UserError, match="at least two training speakers and two classes"):
        cross_fitted_probabilities(embeddings, labels, GROUPS, train, 2)
