import errno
import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hrf_ser.audio.augment import OfflineAugmentation
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data import compute as compute_module
from hrf_ser.data import store as store_module
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.store import JoinedStores, open_store
from hrf_ser.errors import UserError
from hrf_ser.media.ffmpeg import available

FRONT_END = FrontEndConfig(n_mels=20)
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def corpus(tone, tmp_path):
    utterances = [
        Utterance(f"u{index}", tone(f"audio/u{index}.wav", seconds=0.3 + 0.1 * index, hertz=300 + 50 * index), "a", "s")
        for index in range(4)
    ]
    return Corpus("tones", utterances, ("a",), {"1": ("",)})


@pytest.fixture
def computed(monkeypatch):
    """Counts how often features are computed."""
    calls = []
    compute = store_module.compute_features
    monkeypatch.setattr(store_module, "compute_features", lambda *args: calls.append(1) or compute(*args))
    return calls


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_features_are_computed_once_and_read_back_alike(corpus, tmp_path, computed):
    first = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    second = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    assert len(computed) == 1
    assert isinstance(second.frames, np.memmap)
    assert (first.lengths > 20).all()
    assert (np.diff(first.lengths) > 0).all()
    for row in range(4):
        np.testing.assert_array_equal(first[row], second[row])
    assert files_below(tmp_path / "tones") == {"frames.f32", "index.json"}


@pytest.mark.parametrize("change", ["front_end", "augmentation", "audio", "segment"])
def test_a_change_of_front_end_augmentation_or_audio_computes_again(corpus, tmp_path, computed, tone, change):
    before = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())[3].copy()
    front_end, augmentation = FRONT_END, OfflineAugmentation()
    if change == "front_end":
        front_end = FrontEndConfig(n_mels=20, f_max=4_000)
    elif change == "augmentation":
        augmentation = OfflineAugmentation(speed=1.1)
    elif change == "audio":
        tone("audio/u3.wav", seconds=0.6, hertz=900)
    else:
        old = corpus.utterances[3]
        corpus.utterances[3] = Utterance(old.utterance, old.path, "a", "s", start=0.1, end=0.5)
    after = open_store(tmp_path, corpus, front_end, augmentation)[3]
    assert len(computed) == 2
    assert before.shape != after.shape or not np.allclose(before, after)


def test_an_utterance_that_moves_to_another_file_of_the_corpus_is_computed_again(corpus, tmp_path, computed):
    stretch = replace(corpus.utterances[3], utterance="u4", start=0.1, end=0.3)
    corpus.utterances.append(stretch)
    before = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())[4].copy()
    corpus.utterances[4] = replace(stretch, path=corpus.utterances[0].path)
    after = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())[4]
    assert len(computed) == 2
    assert not np.allclose(before, after)


@pytest.mark.parametrize("damage", ["flip", "truncate", "no index", "empty index", "foreign index"])
def test_a_damaged_store_is_named_and_computed_again(corpus, tmp_path, computed, caplog, damage):
    expected = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation()).frames.copy()
    (frames,) = tmp_path.rglob("frames.f32")
    index = frames.with_name("index.json")
    if damage == "flip":
        data = bytearray(frames.read_bytes())
        data[100] ^= 1
        frames.write_bytes(data)
    elif damage == "truncate":
        os.truncate(frames, 1_000)
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text("" if damage == "empty index" else json.dumps({"version": 1}))
    store = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    np.testing.assert_array_equal(store.frames, expected)
    assert len(computed) == 2
    assert str(frames.parent) in caplog.text
    assert "is computed again" in caplog.text


def spoil(corpus: Corpus, rows: list[int]) -> None:
    for row in rows:
        corpus.utterances[row].path.write_text("no audio")


def test_bad_audio_stops_with_its_name_and_leaves_nothing(corpus, tmp_path):
    spoil(corpus, [1, 2])
    with pytest.raises(UserError, match=r"2 of 4 utterances cannot be used: .*u1\.wav.*u2\.wav.*on_bad_audio=skip"):
        open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    assert not files_below(tmp_path / "tones")
    assert [path for path in (tmp_path / "tones" / "features").iterdir() if path.suffix != ".lock"] == []


def test_bad_audio_is_listed_and_skipped_on_request_only(corpus, tmp_path, caplog):
    spoil(corpus, [1])
    store = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation(), on_bad_audio="skip")
    assert list(store.skipped) == ["u1"]
    assert store.lengths[1] == 0
    assert len(store[2]) == store.lengths[2] > 0
    assert "u1.wav" in caplog.text
    with pytest.raises(UserError, match="1 of 4 utterances cannot be used"):
        open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())


def test_a_corpus_without_usable_audio_is_refused_even_when_skipping(corpus, tmp_path):
    spoil(corpus, [0, 1, 2, 3])
    with pytest.raises(UserError, match="4 of 4 utterances cannot be used"):
        open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation(), on_bad_audio="skip")


def test_a_full_disk_leaves_nothing_half_written(corpus, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compute_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    assert not files_below(tmp_path / "tones")


def test_two_processes_compute_once_and_agree(corpus, tmp_path, computed):
    sums = FORK.SimpleQueue()

    def sum_of_frames():
        frames = open_store(tmp_path / "cache", corpus, FRONT_END, OfflineAugmentation()).frames
        sums.put((len(computed), float(frames.sum())))

    running = [FORK.Process(target=sum_of_frames) for _ in range(2)]
    for process in running:
        process.start()
    (times, total), (times_of_other, total_of_other) = sums.get(), sums.get()
    assert times + times_of_other == 1
    assert total == total_of_other
    for process in running:
        process.join()


def test_a_store_of_some_utterances_and_stores_in_a_row_read_alike(corpus, tmp_path):
    store = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    some = store.of([3, 1])
    joined = JoinedStores([some, store])
    assert joined.lengths.tolist() == [*store.lengths[[3, 1]], *store.lengths]
    for row, whole in enumerate([3, 1, 0, 1, 2, 3]):
        np.testing.assert_array_equal(joined[row], store[whole])


def test_two_tables_of_one_corpus_have_a_store_each(corpus, tmp_path, computed):
    open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    corpus.utterances.pop()
    assert len(open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation()).lengths) == 3
    assert len(computed) == 2
    open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    assert len(computed) == 2


def compute_and_be_killed(folder, corpus):
    """Kill this process while the third utterance's features are computed; progress is written after each."""
    features = compute_module._features

    def dying(*arguments):
        for number, result in enumerate(features(*arguments)):
            if number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield result

    compute_module._SECONDS_BETWEEN_WRITES = 0
    compute_module._features = dying
    open_store(folder, corpus, FRONT_END, OfflineAugmentation())


@pytest.fixture
def killed(corpus, tmp_path):
    """A cache whose features were being computed when their process was killed, after two utterances."""
    process = FORK.Process(target=compute_and_be_killed, args=(tmp_path / "cache", corpus))
    process.start()
    process.join()
    assert process.exitcode == -9
    (partial,) = (tmp_path / "cache").rglob("*.partial")
    return partial


@pytest.fixture
def computed_ids(monkeypatch):
    """Ids of the utterances whose features are computed."""
    ids = []
    features = compute_module._features
    monkeypatch.setattr(
        compute_module,
        "_features",
        lambda rest, *args: ids.extend(one.utterance for one in rest) or features(rest, *args),
    )
    return ids


def test_computation_resumes_after_a_kill(killed, corpus, tmp_path, computed_ids, caplog):
    resumed = open_store(tmp_path / "cache", corpus, FRONT_END, OfflineAugmentation())
    assert computed_ids == ["u2", "u3"]
    assert "resumed after 2 of 4 utterances" in caplog.text
    whole = open_store(tmp_path / "undisturbed", corpus, FRONT_END, OfflineAugmentation())
    np.testing.assert_array_equal(resumed.frames, whole.frames)
    assert files_below(tmp_path / "cache") == {"frames.f32", "index.json"}


@pytest.mark.parametrize(
    "damage", ["frames cut", "frames flipped", "more frames", "line cut", "no journal", "other audio"]
)
def test_damaged_remains_are_noticed(killed, corpus, tmp_path, computed_ids, damage, tone):
    frames, journal = killed / "frames.f32", killed / "journal.jsonl"
    left = 4
    if damage == "frames cut":
        os.truncate(frames, frames.stat().st_size - 3)
    elif damage == "frames flipped":
        data = bytearray(frames.read_bytes())
        data[40] ^= 1
        frames.write_bytes(data)
    elif damage == "more frames":
        frames.write_bytes(frames.read_bytes() + b"begun")
        left = 2
    elif damage == "line cut":
        os.truncate(journal, journal.stat().st_size - 3)
        left = 3
    elif damage == "no journal":
        journal.unlink()
    else:
        tone("audio/u3.wav", seconds=0.6, hertz=900)
    resumed = open_store(tmp_path / "cache", corpus, FRONT_END, OfflineAugmentation())
    assert len(computed_ids) == left
    np.testing.assert_array_equal(
        resumed.frames, open_store(tmp_path / "again", corpus, FRONT_END, OfflineAugmentation()).frames
    )


def test_channels_that_cancel_are_noted_also_by_a_store_that_exists(corpus, tmp_path, computed):
    wave = np.random.default_rng(0).normal(0, 0.1, 8_000)
    soundfile.write(corpus.utterances[1].path, np.stack([wave, -wave], axis=1), 16_000)
    for _ in range(2):
        store = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
        assert store.notes == {"u1": compute_module.CHANNELS_CANCEL}
        assert store.skipped == {}
        assert store.lengths[1] > 20
    assert len(computed) == 1


def test_what_was_skipped_for_want_of_ffmpeg_is_computed_once_it_is_installed(corpus, tmp_path, computed, monkeypatch):
    path = corpus.utterances[1].path
    path.write_bytes(b"#!AMR\n" + 50 * (b"\x04" + bytes(range(12))))
    ffmpeg = available()
    monkeypatch.setenv("PATH", "")
    for _ in range(2):
        store = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation(), "skip")
        assert "install ffmpeg" in store.skipped["u1"]
    assert len(computed) == 1
    if ffmpeg is None:
        pytest.skip("the program ffmpeg is not installed")
    monkeypatch.setenv("PATH", str(Path(ffmpeg).parent))
    store = open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation(), "skip")
    assert store.skipped == {}
    assert len(computed) == 2


def test_features_of_a_version_that_kept_the_mean_of_cancelling_channels_are_computed_again(
    corpus, tmp_path, computed, monkeypatch
):
    with monkeypatch.context() as earlier:
        earlier.setattr(store_module, "VERSION", 1)
        open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    for _ in range(2):
        open_store(tmp_path, corpus, FRONT_END, OfflineAugmentation())
    assert len(computed) == 2
