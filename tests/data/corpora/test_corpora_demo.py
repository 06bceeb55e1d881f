"""The demo corpus, really synthesised in a small size: balance, emotion in the sound, repeatability, first use."""

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hrf_ser.data.corpora import demo, read_corpus
from hrf_ser.errors import UserError

pytest.importorskip("espeakng_loader", reason="needs the extra demo")


def _digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Four utterances of each cell."""
    return read_corpus("demo", tmp_path_factory.mktemp("cache") / "demo", utterances_per_cell=4)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The folder of one utterance of each cell; tests leave it as it is."""
    root = tmp_path_factory.mktemp("cache") / "demo"
    read_corpus("demo", root, utterances_per_cell=1)
    return root


def test_full_size_has_at_least_twelve_speakers_and_640_utterances():
    utterances = demo._utterances(Path("x"), 16)
    assert len({one.utterance for one in utterances}) == len(utterances) >= 640
    assert len({one.speaker for one in utterances}) >= 12


def test_speakers_and_emotions_are_balanced(small):
    cells = Counter((one.speaker, one.label) for one in small.utterances)
    assert set(cells.values()) == {4}
    assert len(cells) == len(demo.SPEAKERS) * 4
    assert small.labels == ("angry", "happy", "neutral", "sad")
    assert small.count_mismatches == []


def test_four_folds_hold_out_three_speakers_of_both_sexes_each_once(small):
    sexes = {one.speaker: one.sex for one in small.utterances}
    assert [len(speakers) for speakers in small.folds.values()] == [3, 3, 3, 3]
    assert sorted(one for speakers in small.folds.values() for one in speakers) == sorted(sexes)
    for speakers in small.folds.values():
        assert {sexes[one] for one in speakers} == {"male", "female"}


def test_files_are_audible_speech(small):
    for one in small.utterances[::7]:
        samples, rate = soundfile.read(one.path)
        assert rate == 22050
        assert 0.7 < len(samples) / rate < 5
        assert 0.05 < np.abs(samples).max() <= 1


def test_words_tell_nothing_of_the_emotion():
    texts = {label: [] for label in demo.EMOTIONS}
    for index, one in enumerate(demo._utterances(Path("x"), 16)):
        texts[one.label].append(demo._speech(one, index % 16, seed=0)["text"])
    assert texts["angry"] == texts["happy"] == texts["neutral"] == texts["sad"]
    assert len(set(texts["sad"])) >= 14


def test_emotion_shifts_the_sound_and_overlaps(small):
    """Against the same speaker's neutral: anger is louder and shorter, sadness softer and longer, not in every case."""
    level: dict[str, list[float]] = {label: [] for label in small.labels}
    seconds: dict[str, list[float]] = {label: [] for label in small.labels}
    for one in small.utterances:
        samples, rate = soundfile.read(one.path)
        level[one.label].append(float(10 * np.log10(np.mean(samples**2))))
        seconds[one.label].append(len(samples) / rate)
    assert np.mean(level["angry"]) > np.mean(level["neutral"]) + 1 > np.mean(level["sad"]) + 2
    assert np.mean(seconds["angry"]) < np.mean(seconds["neutral"]) < np.mean(seconds["sad"])
    assert min(level["angry"]) < max(level["neutral"])
    assert max(seconds["angry"]) > min(seconds["sad"])


def test_pitch_and_its_range_follow_the_emotion():
    requested = {label: [] for label in demo.EMOTIONS}
    for index, one in enumerate(demo._utterances(Path("x"), 16)):
        speech = demo._speech(one, index % 16, seed=0)
        requested[one.label].append((speech["pitch"], speech["range"]))
    mean = {label: np.mean(values, axis=0) for label, values in requested.items()}
    assert (mean["happy"] > mean["neutral"] + 10).all()
    assert (mean["sad"] < mean["neutral"] - 10).all()
    assert np.min(requested["happy"], axis=0)[0] < np.max(requested["neutral"], axis=0)[0]


def test_synthesis_is_bit_identical_for_a_seed_and_differs_between_seeds(tiny, tmp_path):
    time.sleep(1.1)  # eSpeak's own seed is the time in seconds
    read_corpus("demo", tmp_path / "again", utterances_per_cell=1)
    assert _digests(tmp_path / "again") == _digests(tiny)
    read_corpus("demo", tmp_path / "other", utterances_per_cell=1, seed=1)
    assert _digests(tmp_path / "other").keys() == _digests(tiny).keys()
    assert _digests(tmp_path / "other") != _digests(tiny)


def test_complete_corpus_is_reused_even_without_the_synthesiser(tiny, monkeypatch):
    monkeypatch.setattr(demo, "_synthesise", lambda *_: pytest.fail("synthesised again"))
    assert len(read_corpus("demo", tiny, utterances_per_cell=1).utterances) == 48


@pytest.mark.parametrize("change", ["version", "seed", "a file is gone"])
def test_corpus_is_synthesised_again_after(tmp_path, monkeypatch, change):
    root, options = tmp_path / "demo", {"utterances_per_cell": 1, "seed": 0}
    first = read_corpus("demo", root, **options).utterances[0].path
    marker = root / "of the old one"
    marker.touch()
    if change == "version":
        monkeypatch.setattr(demo, "VERSION", demo.VERSION + 1)
    elif change == "seed":
        options["seed"] = 1
    else:
        first.unlink()
    read_corpus("demo", root, **options)
    assert first.is_file()
    assert not marker.exists()
    written = json.loads((root / "demo.json").read_text())
    assert (written["version"], written["seed"]) == (demo.VERSION, options["seed"])
    assert [path.name for path in tmp_path.iterdir() if path.name != ".demo.lock"] == ["demo"]


def test_two_processes_at_once_make_it_once(tmp_path):
    code = (
        "import logging, sys; logging.basicConfig(level='INFO', stream=sys.stdout)\n"
        "from hrf_ser.data.corpora import read_corpus\n"
        "corpus = read_corpus('demo', sys.argv[1], utterances_per_cell=2)\n"
        "assert all(one.path.is_file() for one in corpus.utterances)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "demo")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sum("Synthesising" in text for text in outputs) == 1


def test_failed_synthesis_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(demo.SPEAKERS, "m6", ("xx+m6", 50, 50, 170))
    with pytest.raises(UserError, match=r"eSpeak NG could not make the demo corpus .*no voice xx\+m6"):
        read_corpus("demo", tmp_path / "demo", utterances_per_cell=1)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".demo.lock"] == []


def test_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="holds something other than the demo corpus: name a new or an empty folder"):
        read_corpus("demo", tmp_path, utterances_per_cell=1)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_missing_synthesiser_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r'pip install "hrf_ser\[demo\]"'):
        read_corpus("demo", tmp_path / "demo", utterances_per_cell=1)


def test_root_that_cannot_be_written_names_the_key(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be made in data.root=.*file"):
        read_corpus("demo", tmp_path / "file" / "demo", utterances_per_cell=1)


def test_less_than_one_utterance_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data.options.utterances_per_cell=0: must be 1 or more"):
        read_corpus("demo", tmp_path / "demo", utterances_per_cell=0)
