import csv

from hrf_ser.data.corpora import Corpus, Utterance, read_corpus
from hrf_ser.data.manifest import COLUMNS, count_table, write_manifest


def test_manifest_has_the_promised_columns_times_and_no_skipped_rows(tone, tmp_path):
    path = tone("a.wav", seconds=2.0)
    utterances = [
        Utterance("whole", path, "sad", "s1", sex="male", group="g", part="train"),
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
    utterances = [Utterance(f"u{i}", tone(f"{i}.wav"), "ab"[i % 2], f"s{i}", group=f"g{i // 2}") for i in range(4)]
    write_manifest(tmp_path / "manifest.csv", utterances, skipped={})
    again = read_corpus("table", tmp_path / "manifest.csv")
    assert again.utterances == utterances


def test_count_table_has_a_row_a_fold():
    utterances = [Utterance(f"u{i}", "a.wav", "ab"[i % 2], f"s{i % 3}", group=f"g{i % 2}") for i in range(6)]
    corpus = Corpus("c", utterances, ("a", "b"), {"1": ("g0",), "2": ("g1",)})
    table = count_table(corpus)
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["fold"] == ["1", "2", "all"]
    assert columns["a"] == ["3", "0", "3"]
    assert columns["all"] == ["3", "3", "6"]
    assert columns["speakers"] == ["3", "3", "3"]


def test_count_table_shows_official_parts():
    utterances = [
        Utterance(f"u{i}", "a.wav", "ab"[i % 2], f"s{i}", part=("train", "val", "test")[i % 3]) for i in range(6)
    ]
    table = count_table(Corpus("c", utterances, ("a", "b"), {"official": ()}))
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["fold"] == ["train", "val", "test", "all"]
    assert columns["all"] == ["2", "2", "2", "6"]
