from itertools import islice

import numpy as np
import pytest
import torch

from hrf_ser.data.batches import BatchLoader, BucketSampler, FeatureBatches
from hrf_ser.data.store import FeatureStore

LENGTHS = np.random.default_rng(0).integers(1, 60, size=103)


def store(value: float) -> FeatureStore:
    begins = np.cumsum(LENGTHS) - LENGTHS
    frames = np.repeat(np.arange(len(LENGTHS)), LENGTHS)[:, None] + np.array([[0.0, value]])
    return FeatureStore(frames.astype(np.float32), begins, LENGTHS, {})


def sampler(**options) -> BucketSampler:
    return BucketSampler(
        **{"rows": range(103), "lengths": LENGTHS, "batch_size": 8, "shuffle": True, "seed": 3, **options}
    )


def rows(batches) -> list[int]:
    return [row for batch in batches for row, _ in batch]


def test_every_utterance_is_drawn_once_an_epoch():
    draw = sampler()
    for epoch in range(3):
        draw.set_epoch(epoch)
        assert sorted(rows(draw)) == list(range(103))
        assert len(list(draw)) == len(draw) == 13


def test_strata_are_drawn_equally_often():
    participants = np.repeat(np.arange(4), [70, 20, 10, 3])
    draw = sampler(strata=(participants // 2, participants))
    assert len(draw) == len(list(draw)) == 13
    counts = np.bincount(participants[rows(draw)])
    assert sorted(counts) == [25, 26, 26, 26]


def test_order_follows_from_seed_and_epoch_alone():
    one, other = sampler(), sampler()
    list(one)
    one.set_epoch(5)
    other.set_epoch(5)
    assert list(one) == list(other)
    other.set_epoch(6)
    assert list(one) != list(other)
    assert list(sampler(seed=4)) != list(sampler(seed=3))


def test_buckets_spare_padding():
    def padded(batches) -> float:
        return sum(len(batch) * max(LENGTHS[row] for row, _ in batch) for batch in batches) / LENGTHS.sum()

    assert padded(sampler()) < 1.25 < padded(sampler(pool=1))


def test_augmentations_are_all_drawn_in_training_and_only_the_clean_one_in_evaluation():
    assert {copy for batch in sampler(augmentations=3) for _, copy in batch} == {0, 1, 2}
    evaluation = list(sampler(augmentations=3, shuffle=False))
    assert {copy for batch in evaluation for _, copy in batch} == {0}
    assert sorted(rows(evaluation)) == list(range(103))


def test_batches_hold_padded_features_lengths_labels_and_rows():
    labels = np.arange(103) % 4
    data = FeatureBatches([store(1.0), store(2.0)], labels, labels + 100)
    batch = data[[(5, 0), (7, 1)]]
    assert batch["lengths"].tolist() == [LENGTHS[5], LENGTHS[7]]
    assert batch["labels"].tolist() == [1, 3]
    assert batch["rows"].tolist() == [5, 7]
    assert batch["units"].tolist() == [101, 103]
    assert batch["features"].shape == (2, max(LENGTHS[5], LENGTHS[7]), 2)
    for index, (row, copy) in enumerate([(5, 0), (7, 1)]):
        frames = batch["features"][index]
        torch.testing.assert_close(
            frames[: LENGTHS[row]], torch.tensor([[row, row + copy + 1.0]]).expand(LENGTHS[row], 2)
        )
        assert not frames[LENGTHS[row] :].any()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_resumes_where_it_stopped(workers):
    def loader() -> BatchLoader:
        return BatchLoader(FeatureBatches([store(1.0)], *np.zeros((2, 103), dtype=np.int64)), sampler(), workers, False)

    whole = [batch["rows"].tolist() for batch in loader()]
    first = loader()
    iterator = iter(first)
    begin = [batch["rows"].tolist() for batch in islice(iterator, 5)]
    state = first.state_dict()
    assert state == {"batches": 5}
    second = loader()
    second.load_state_dict(state)
    assert begin + [batch["rows"].tolist() for batch in second] == whole
    assert second.state_dict() == {"batches": 0}
    assert [batch["rows"].tolist() for batch in second] == whole, "only the resumed epoch is shortened"
