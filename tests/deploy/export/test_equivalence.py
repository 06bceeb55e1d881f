import numpy as np
import pytest

from hrf_ser.deploy.bundle import BundlePredictor, load_bundle
from hrf_ser.deploy.export.equivalence import Equivalence, Example, compare, recall, synthetic
from hrf_ser.deploy.export.formats import Limits

STRICT = Limits(logits=1e-4)


def equivalence(**changes):
    same = {"utterances": 100, "audio": "real", "max_logit_difference": 1e-6, "changed_predictions": 0}
    return Equivalence(**(same | {"ua_before": 0.5, "ua_after": 0.5} | changes))


def test_a_file_within_its_limits_has_no_failures():
    assert equivalence().failures(STRICT) == []
    assert equivalence(ua_after=0.6).failures(STRICT) == []
    assert equivalence(ua_before=None, ua_after=None).failures(STRICT) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_logit_difference": float("nan")}, "not numbers"),
        ({"max_logit_difference": float("inf")}, "not numbers"),
        ({"max_logit_difference": 2e-4}, "a logit differs by 0.0002, more than 0.0001"),
        ({"changed_predictions": 1}, "1 of 100 predictions changed, more than 0"),
        ({"ua_after": 0.49}, "UA fell from 0.5000 to 0.4900"),
    ],
)
def test_each_limit_is_enforced(changes, message):
    assert len(equivalence(**changes).failures(STRICT)) == 1
    assert message in equivalence(**changes).failures(STRICT)[0]


def test_nan_fails_under_any_limit():
    assert equivalence(max_logit_difference=float("nan")).failures(Limits(float("inf"), 1.0, 1.0))


def test_changed_predictions_and_their_cost_are_counted(bundles):
    logits_of = BundlePredictor(load_bundle(bundles["conv_transformer"])).logits
    examples = [Example(example.waveform, int(logits_of(example.waveform).argmax())) for example in synthetic()[3:9]]
    same = compare(logits_of, logits_of, examples, "real")
    assert (same.max_logit_difference, same.changed_predictions, same.ua_before, same.ua_after) == (0.0, 0, 1.0, 1.0)

    def wrong(waveform):
        logits = logits_of(waveform)
        if len(waveform) == len(examples[0].waveform):
            logits[logits.argmin()] = 99
        return logits

    changed = compare(logits_of, wrong, examples, "real")
    assert changed.changed_predictions == sum(len(one.waveform) == len(examples[0].waveform) for one in examples)
    assert changed.ua_after < 1


def test_recall_is_over_the_classes_that_occur():
    assert recall(np.array([0, 0, 2, 1]), [0, 0, 2, 2]) == 0.75


def test_synthetic_signals_are_the_same_every_time_and_of_many_lengths():
    one, other = synthetic(), synthetic()
    assert all(np.array_equal(a.waveform, b.waveform) for a, b in zip(one, other, strict=True))
    lengths = {len(example.waveform) for example in one}
    assert {1, 16_000, 48_000} <= lengths
    assert all(example.target is None for example in one)
    assert max(len(example.waveform) for example in synthetic(longest=2.0)) == 16_000
