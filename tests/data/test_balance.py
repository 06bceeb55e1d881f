import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hrf_ser.data.balance import balanced_order


@given(st.lists(st.integers(1, 40), min_size=2, max_size=9), st.integers(0, 5))
def test_classes_and_participants_are_drawn_alike_and_segments_evenly(sizes, seed):
    participants = np.repeat(np.arange(len(sizes)), sizes)
    classes = (participants >= (len(sizes) + 1) // 2).astype(np.int64)
    order = balanced_order(np.random.default_rng(seed), classes, participants)
    assert len(order) == len(participants)
    for group in (classes, *(np.where(classes == name, participants, -1) for name in (0, 1))):
        counts = np.unique(group[order][group[order] >= 0], return_counts=True)[1]
        assert counts.max() - counts.min() <= 1
    for person in range(len(sizes)):
        times = np.bincount(order[participants[order] == person], minlength=len(order))[participants == person]
        assert times.max() - times.min() <= 1
