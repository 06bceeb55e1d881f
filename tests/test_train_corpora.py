"""The main job on miniature releases in the owners' own layout."""

import csv

import numpy as np
import pytest
import releases_crema_d
import releases_daic_woz
import releases_iemocap
import releases_m3ed
import soundfile
from hydra import compose, initialize_config_dir

from helpers import REPOSITORY
from hrf_ser.export import CorpusAudio

# Utterances of the miniature release in the default options (CREMA-D less the silent one), and the speakers that fold 2 tests.
EXPECTED = {"iemocap": (100, {"Ses02F", "Ses02M"}), "crema_d": (119, {"1037", "1072"})}
HERTZ = {"ang": 500, "hap": 400, "exc": 420, "neu": 250, "sad": 150}


def write_tone(path, emotion: str, speaker: str) -> None:
    """A tone for an emotion, a little off for each utterance."""
    generator = np.random.default_rng(sum(path.stem.encode()))
    time = np.arange(6_400) / 16_000
    wave = 0.2 * np.sin(2 * np.pi * HERTZ.get(emotion, 300) * (1 + 0.1 * generator.normal()) * time)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave + 0.01 * generator.normal(size=len(time)), 16_000, format="WAV")


def write_noise(path, seconds: float, label: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=round(seconds * 16_000)), 16_000)


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Miniature releases, which no test changes, and ``cache/`` with their features."""
    folder = tmp_path_factory.mktemp("releases")
    releases_iemocap.miniature(folder / "iemocap", write_tone)
    releases_crema_d.miniature(folder / "crema_d", write_tone)
    releases_m3ed.miniature(folder / "m3ed", audio=write_noise)
    return folder


@pytest.fixture(scope="module")
def daic_woz(releases):
    return releases_daic_woz.miniature(releases / "daic_woz", audio=write_noise)


@pytest.mark.parametrize("protocol", ["validation", "test_oracle"])
@pytest.mark.parametrize("name", ["iemocap", "crema_d"])
def test_a_miniature_release_trains_end_to_end(train, tmp_path, releases, name, protocol):
    options = (f"data={name}", f"data.root={releases / name}", f"protocol={protocol}", f"cache_dir={releases}/cache")
    record = train(tmp_path / "run", *options, "hrf=true", "fold=2", "trainer.max_epochs=1")
    assert (record["corpus"], record["protocol"], record["fold"]) == (name, protocol, "2")
    assert record["merge"]["argmax_changes"] == 0
    parts = record["utterances"]
    everyone = parts["train"] + parts["test"] + (parts["val"] if protocol == "validation" else 0)
    with (tmp_path / "run/predictions.csv").open(newline="") as file:
        tested = {row["speaker"] for row in csv.DictReader(file)}
    assert (everyone, tested) == EXPECTED[name]


@pytest.mark.parametrize("protocol", ["validation", "last_epoch", "test_oracle"])
def test_m3ed_trains_on_its_official_parts(train, tmp_path, releases, protocol):
    options = ("data=m3ed", f"data.root={releases}/m3ed", f"protocol={protocol}", f"cache_dir={releases}/cache")
    record = train(tmp_path / "run", *options, "hrf=true", "trainer.max_epochs=1")
    assert (record["fold"], record["classes"]) == ("official", 7)


@pytest.mark.parametrize(("protocol", "fold"), [("validation", "official"), ("test_oracle", "dev")])
def test_daic_woz_is_trained_and_scored_by_participant(train, tmp_path, releases, daic_woz, protocol, fold):
    options = ("data=daic_woz", f"data.root={daic_woz.root}", f"protocol={protocol}", f"fold={fold}")
    record = train(tmp_path / "run", *options, f"cache_dir={releases}/cache", "hrf=true", "trainer.max_epochs=1")
    assert (record["fold"], record["evaluation_unit"], record["leaks"]) == (fold, "participant", [])
    with (tmp_path / "run/predictions.csv").open(newline="") as file:
        participants = list(csv.DictReader(file))
    with (tmp_path / "run/segments.csv").open(newline="") as file:
        segments = list(csv.DictReader(file))
    part = "test" if fold == "official" else "dev"
    assert {row["utterance"] for row in participants} == {
        str(p.number) for p in daic_woz.participants if p.split == part
    }
    assert record["scored"]["test"] == len(participants) < len(segments) == record["utterances"]["test"]
    for row in participants:
        posteriors = [float(one["depressed"]) for one in segments if one["speaker"] == row["speaker"]]
        assert float(row["depressed"]) == pytest.approx(np.mean(posteriors), abs=2e-6)
    right = sum(row["label"] == row["predicted"] for row in participants)
    assert record["test"]["wa"] == pytest.approx(right / len(participants))


def test_clips_that_the_label_chose_mark_the_result(train, tmp_path, releases, daic_woz, capsys):
    options = (
        "data=daic_woz",
        f"data.root={daic_woz.root}",
        "data.options.clips=longest_by_label",
        f"cache_dir={releases}/cache",
    )
    record = train(tmp_path / "run", *options, "trainer.max_epochs=1")
    assert "the label of a participant decides" in record["leaks"][0]
    assert "the label of a participant decides" in capsys.readouterr().out


@pytest.mark.parametrize(("protocol", "fold"), [("validation", "3"), ("last_epoch", "all"), ("test_oracle", "3")])
def test_one_corpus_trains_and_another_is_tested(train, tmp_path, releases, protocol, fold, caplog):
    roots = (f"data.root={releases}/iemocap", f"test_data.root={releases}/crema_d")
    options = ("data=iemocap", "data@test_data=crema_d", *roots)
    words = (
        *options,
        "label_map=four",
        f"protocol={protocol}",
        f"fold={fold}",
        f"cache_dir={releases}/cache",
        "hrf=true",
    )
    record = train(tmp_path / "run", *words, "trainer.max_epochs=1")
    assert caplog.text.count("of no class of label_map (disgust, fearful)") == 1
    assert (record["corpus"], record["classes"], record["fold"]) == ("iemocap>crema_d", 4, fold)
    assert record["utterances"]["train"] + (record["utterances"]["val"] if protocol == "validation" else 0) == 100
    with (tmp_path / "run/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["speaker"].split("/")[0] for row in rows} == {"crema_d"}
    assert {row["label"] for row in rows} == {"angry", "happy", "neutral", "sad"}
    # The bundle's card is enough for `export` to find the test split and its classes.
    words = (f"bundle={tmp_path}/run/bundle", "data=crema_d", f"data.root={releases}/crema_d")
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        audio = CorpusAudio(compose("export", list(words)), tmp_path / "run/bundle")
    labels = [audio.labels[example.target] for example in audio.examples()]
    assert sorted(labels) == sorted(row["label"] for row in rows)
