import numpy as np
import pytest

from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.deploy.export.formats import SUFFIXES
from hrf_ser.deploy.export.parity import LIMITS, Example, Limits, Parity, bundle_logits, compare, recall, synthetic

STRICT = Limits(logits=1e-4, decisions=0.0, ua=0.0)


def parity(**changes):
    same = {"utterances": 100, "audio": "real", "max_logit_difference": 1e-6, "decisions_changed": 0}
    return Parity(**(same | {"ua_before": 0.5, "ua_after": 0.5} | changes))


def test_a_file_within_its_limits_has_no_failures():
    assert parity().failures(STRICT) == []
    assert parity(ua_after=0.6).failures(STRICT) == []
    assert parity(ua_before=None, ua_after=None).failures(STRICT) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_logit_difference": float("nan")}, "not numbers"),
        ({"max_logit_difference": float("inf")}, "not numbers"),
        ({"max_logit_difference": 2e-4}, "a logit differs by 0.0002, more than 0.0001"),
        ({"decisions_changed": 1}, "1 of 100 decisions changed, more than 0"),
        ({"ua_after": 0.49}, "UA fell from 0.5000 to 0.4900"),
    ],
)
def test_each_limit_is_enforced(changes, message):
    assert len(parity(**changes).failures(STRICT)) == 1
    assert message in parity(**changes).failures(STRICT)[0]


def test_numbers_that_are_none_fail_without_any_limit():
    assert parity(max_logit_difference=float("nan")).failures(Limits(None, None, None))


def test_every_format_has_limits():
    assert set(LIMITS) == set(SUFFIXES)


def test_a_changed_decision_and_its_cost_are_counted(bundles):
    classifier = load_bundle(bundles["conv_transformer"])
    examples = [
        Example(example.waveform, int(bundle_logits(classifier, example.waveform).argmax()))
        for example in synthetic()[3:9]
    ]
    same = compare(classifier, lambda waveform: bundle_logits(classifier, waveform), examples, "real")
    assert (same.max_logit_difference, same.decisions_changed, same.ua_before, same.ua_after) == (0.0, 0, 1.0, 1.0)

    def wrong(waveform):
        logits = bundle_logits(classifier, waveform)
        if len(waveform) == len(examples[0].waveform):
            logits[logits.argmin()] = 99
        return logits

    changed = compare(classifier, wrong, examples, "real")
    assert changed.decisions_changed == sum(len(one.waveform) == len(examples[0].waveform) for one in examples)
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
