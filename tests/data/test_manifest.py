import csv

from hrf_ser.data.corpora import Utterance, read_corpus
from hrf_ser.data.manifest import COLUMNS, write_manifest


def test_manifest_has_the_promised_columns_times_and_no_skipped_rows(tone, tmp_path):
    path = tone("a.wav", seconds=2.0)
    utterances = [
        Utterance("whole", path, "sad", "s1", sex="male", group="g", split="train"),
        Utterance("cut", path, "sad", "s1", start=0.500001, end=1.25),
        Utterance("beyond", path, "sad", "s1", start=1.5, end=9.0),
        Utterance("bad", tmp_path / "gone.wav", "sad", "s2"),
    ]
    write_manifest(tmp_path / "out/manifest.csv", utterances, skipped={"bad": "gone"})
    with (tmp_path / "out/manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["utterance"] for row in rows] == ["whole", "cut", "beyond"]
    assert [(row["start"], row["end"], row["duration"]) for row in rows] == [
        ("", "", "2.000"),
        ("0.500001", "1.25", "0.750"),
        ("1.5", "9", "0.500"),
    ]


def test_columns_beyond_the_common_ones_come_last(tone, tmp_path):
    path = tone("a.wav")
    utterances = [
        Utterance("u1", path, "sad", "s1", extra=(("valence", "2.5"),)),
        Utterance("u2", path, "sad", "s1", start=0.2, extra=(("text", "hello, you"), ("valence", "3"))),
    ]
    write_manifest(tmp_path / "manifest.csv", utterances, skipped={})
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*COLUMNS, "valence", "text"]
    assert [(row["valence"], row["text"]) for row in rows] == [("2.5", ""), ("3", "hello, you")]


def test_manifest_is_itself_a_corpus(tone, tmp_path):
    utterances = [
        Utterance(f"u{i}", tone(f"{i}.wav"), "ab"[i % 2], f"s{i}", group=f"g{i // 2}", dialog=f"d{i}") for i in range(4)
    ]
    write_manifest(tmp_path / "manifest.csv", utterances, skipped={})
    again = read_corpus("table", tmp_path / "manifest.csv")
    assert again.utterances == utterances
