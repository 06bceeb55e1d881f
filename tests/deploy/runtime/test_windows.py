import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrf_ser.deploy.runtime.windows import Windower, Windows
from hrf_ser.errors import UserError


def expected_windows(samples, length, hop):
    starts = list(range(0, len(samples) - length + 1, hop))
    windows = [(start, samples[start : start + length]) for start in starts]
    covered = starts[-1] + length if starts else 0
    if covered < len(samples):
        start = max(len(samples) - length, 0)
        windows.append((start, samples[start:]))
    return windows


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.integers(0, 90), max_size=12))
def test_windows_do_not_depend_on_how_samples_come(length, hop, sizes):
    hop = min(hop, length)
    samples = np.arange(sum(sizes), dtype=np.float32)
    windower = Windower(length, hop)
    for _ in range(2):  # finish() leaves it as new.
        found = []
        for piece in np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []:
            found += windower.push(piece)
        found += windower.finish()
        expected = expected_windows(samples, length, hop)
        assert [start for start, _ in found] == [start for start, _ in expected]
        for (_, one), (_, other) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options",
    [{"window_s": 0}, {"window_s": float("nan")}, {"hop_s": 4.0}, {"hop_s": 0}, {"smoothing_s": -1}, {"window_s": "3"}],
)
def test_windows_that_are_none_are_refused(options):
    with pytest.raises(UserError, match=next(iter(options))):
        Windows(**options)
