"""The main job on miniature releases in the owners' own layout."""

import csv

import numpy as np
import pytest
import releases_crema_d
import releases_daic_woz
import releases_iemocap
import releases_m3ed
import soundfile

from hrf_ser.errors import UserError

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


@pytest.mark.parametrize("protocol", ["honest", "paper"])
@pytest.mark.parametrize(("name", "releases"), [("iemocap", releases_iemocap), ("crema_d", releases_crema_d)])
def test_a_miniature_release_trains_end_to_end(train, tmp_path, name, releases, protocol):
    root = tmp_path / "release"
    releases.miniature(root, write_tone)
    options = (f"data={name}", f"data.root={root}", f"protocol={protocol}", f"cache_dir={tmp_path}/cache")
    record = train(tmp_path / "run", *options, "hrf=true", "fold=2", "trainer.max_epochs=1")
    assert (record["corpus"], record["protocol"], record["fold"]) == (name, protocol, "2")
    assert record["merge"]["argmax_changes"] == 0
    parts = record["utterances"]
    everyone = parts["train"] + parts["test"] + (parts["val"] if protocol == "honest" else 0)
    with (tmp_path / "run/predictions.csv").open(newline="") as file:
        tested = {row["speaker"] for row in csv.DictReader(file)}
    assert (everyone, tested) == EXPECTED[name]


@pytest.mark.parametrize("protocol", ["honest", "paper"])
def test_m3ed_trains_on_its_official_parts(train, tmp_path, protocol):
    def write(path, seconds, label) -> None:
        soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=round(seconds * 16_000)), 16_000)

    root = releases_m3ed.miniature(tmp_path / "M3ED", audio=write)
    options = ("data=m3ed", f"data.root={root}", f"protocol={protocol}", f"cache_dir={tmp_path}/cache")
    record = train(tmp_path / "run", *options, "hrf=true", "trainer.max_epochs=1")
    assert (record["fold"], record["classes"]) == ("official", 7)


def test_daic_woz_is_not_scored_by_utterance(train, tmp_path):
    root = releases_daic_woz.miniature(tmp_path / "DAIC").root
    with pytest.raises(UserError, match="data=daic_woz is scored by participant, which training does not do yet"):
        train(tmp_path / "run", "data=daic_woz", f"data.root={root}")
