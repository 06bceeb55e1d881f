import time
import tracemalloc

import numpy as np
import pytest

from hrf_ser.deploy.runtime import Emotion, Stream
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError


def noise(rate, seconds, seed=0):
    generator = np.random.default_rng(seed)
    envelope = np.repeat(generator.uniform(0.01, 0.3, round(seconds * 2) + 1), rate // 2)[: round(rate * seconds)]
    return (generator.normal(size=len(envelope)) * envelope).astype(np.float32)


def streamed(stream, samples, rate, size):
    found = []
    for start in range(0, len(samples), size):
        found += stream.push(samples[start : start + size], rate)
    return found + stream.finish()


@pytest.mark.parametrize(
    ("rate", "size"), [(16_000, 1_600), (48_000, 4_800), (44_100, 4_410), (8_000, 77), (16_000, 10**9)]
)
def test_a_window_has_the_same_posterior_in_a_stream_and_offline(exported_file, rate, size):
    emotion = Emotion(exported_file)
    windows = Windows(window_s=1.0, hop_s=0.25, smoothing_s=1.0)
    samples = noise(rate, 3.6)
    offline = list(emotion.windows(samples, rate, windows=windows))
    live = streamed(emotion.stream(window_s=1.0, hop_s=0.25, smoothing_s=1.0), samples, rate, size)
    # 11 full windows, and one that ends with the audio.
    assert [one.start for one in live] == pytest.approx([*np.arange(11) * 0.25, 2.6])
    assert [(one.start, one.end) for one in live] == [(one.start, one.end) for one in offline]
    for one, other in zip(live, offline, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=2e-5)
        assert one.smoothed == pytest.approx(other.smoothed, abs=2e-5)
    spread = np.ptp([list(one.probabilities.values()) for one in live], axis=0).max()
    assert spread > 1e-3, "windows that all sound alike compare nothing"


def test_a_stream_equals_the_model_on_each_window(exported_file):
    emotion = Emotion(exported_file)
    samples = noise(16_000, 2.5)
    found = streamed(emotion.stream(window_s=1.0, hop_s=0.5), samples, 16_000, 1_234)
    for number, one in enumerate(found):
        expected = emotion.posterior(samples[number * 8_000 : number * 8_000 + 16_000])
        assert list(one.probabilities.values()) == pytest.approx(expected, abs=1e-6)


def test_posteriors_come_when_their_window_ends_and_not_later(level):
    stream = level.stream(window_s=1.0, hop_s=0.5)
    ends = [len(stream.push(noise(16_000, 0.1), 16_000)) for _ in range(20)]
    assert ends == [0] * 9 + [1] + [0, 0, 0, 0, 1] * 2


def test_a_bad_chunk_is_refused_and_the_stream_continues(level):
    stream, other = level.stream(window_s=1.0), level.stream(window_s=1.0)
    first, second = noise(48_000, 0.7, 1), noise(48_000, 0.7, 2)
    stream.push(first, 48_000)
    other.push(first, 48_000)
    for bad, rate in ((second * np.nan, 48_000), (second, 44_100), (second.astype(complex), 48_000), (second, 10)):
        with pytest.raises(UserError):
            stream.push(bad, rate)
    assert stream.push(second, 48_000) == other.push(second, 48_000) != []


def test_reset_and_finish_leave_a_stream_as_new(level):
    samples = noise(44_100, 1.7)
    stream = level.stream(window_s=1.0, hop_s=0.5)
    expected = streamed(stream, samples, 44_100, 4_410)
    assert streamed(stream, samples, 44_100, 4_410) == expected
    stream.push(noise(8_000, 5.0, 3), 8_000)
    stream.reset()
    assert streamed(stream, samples, 44_100, 4_410) == expected


def test_silence_and_nothing_have_no_emotion(level):
    stream = level.stream(window_s=1.0, hop_s=1.0)
    assert stream.push(np.zeros(0, np.float32)) == []
    assert stream.finish() == []
    stream.push(noise(16_000, 0.04))
    assert stream.finish() == []  # 40 ms are too short.
    loud, silent = noise(16_000, 1.0), np.zeros(16_000, np.float32)
    first, second, third = stream.push(np.concatenate([silent, loud, silent]))
    assert (first.silent, first.emotion, first.probabilities, first.smoothed) == (True, None, None, None)
    assert second.emotion == "quiet"
    assert (third.silent, third.emotion, third.smoothed) == (True, None, second.smoothed)


@pytest.mark.parametrize("smoothing_s", [0.0, 2.0])
def test_smoothing_is_an_exponential_average_that_silence_leaves_alone(smoothing_s):
    stream = Stream(lambda samples: np.array([samples[0], 1 - samples[0]]), "ab", 100, Windows(1.0, 1.0, smoothing_s))
    keep = np.exp(-0.5) if smoothing_s else 0.0
    levels = [0.0, 1.0, 0.25, 0.0]
    found = [stream.classify(0, np.full(100, level, np.float32)) for level in levels]
    last = {"a": keep + (1 - keep) * 0.25, "b": (1 - keep) * 0.75}
    expected = [None, {"a": 1.0, "b": 0.0}, last, last]
    for one, smoothed in zip(found, expected, strict=True):
        assert one.smoothed == (smoothed if smoothed is None else pytest.approx(smoothed))


def test_memory_and_cost_do_not_grow(exported_file):
    """A minute and a half in chunks of 100 ms; benchmarks/streaming.py does an hour."""
    emotion = Emotion(exported_file)
    stream = emotion.stream(window_s=1.0, hop_s=0.5)
    chunk = noise(44_100, 0.1)
    costs = np.zeros(900)
    tracemalloc.start()
    try:
        for _ in range(100):
            stream.push(chunk, 44_100)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(900):
            began = time.thread_time()
            stream.push(chunk, 44_100)
            costs[number] = time.thread_time() - began
        growth = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert growth < 50_000, f"{growth} bytes in 90 s; a chunk alone has {chunk.nbytes}"
    # Processor time, since others use the machine. Every fifth chunk ends a window.
    for first in (0, 4):
        early = np.median(costs[:300][first::5])
        late = np.median(costs[-300:][first::5])
        assert late < 3 * early
