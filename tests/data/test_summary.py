import io
from pathlib import Path

import pytest
from rich.console import Console

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.summary import count_table, print_summary


def test_count_table_has_a_row_a_fold():
    utterances = [Utterance(f"u{i}", "a.wav", "ab"[i % 2], f"s{i % 3}", group=f"g{i % 2}") for i in range(6)]
    corpus = Corpus("c", utterances, ("a", "b"), {"1": ("g0",), "2": ("g1",)})
    table = count_table(corpus)
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["fold"] == ["1", "2", "all"]
    assert columns["a"] == ["3", "0", "3"]
    assert columns["all"] == ["3", "3", "6"]
    assert columns["speakers"] == ["3", "3", "3"]


def test_count_table_shows_official_splits():
    utterances = [
        Utterance(f"u{i}", "a.wav", "ab"[i % 2], f"s{i}", split=("train", "val", "test")[i % 3]) for i in range(6)
    ]
    table = count_table(Corpus("c", utterances, ("a", "b"), {"official": ()}))
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["fold"] == ["train", "val", "test", "all"]
    assert columns["all"] == ["2", "2", "2", "6"]


@pytest.mark.parametrize(
    ("changes", "said", "not_said"),
    [
        ({}, ["complete      every known count", "12 clips are left out"], ["not complete", "what to do"]),
        (
            {"count_mismatches": ["session 3: the folder is missing"]},
            [
                "not complete  1 difference from the distribution",
                "session 3: the folder is missing",
                "what to do    unpack [it]; then run",
            ],
            ["every known count"],
        ),
        (
            {"count_mismatches": [f"fault {number}" for number in range(23)], "leaks": ("the label leaks",)},
            ["23 differences from the distribution", "fault 19", "and 3 more", "the label leaks"],
            ["fault 20"],
        ),
        ({"hint": ""}, [], ["complete"]),
    ],
)
def test_summary_says_complete_or_what_to_do(changes, said, not_said):
    corpus = Corpus("c", [Utterance("u", "a.wav", "a", "s")], ("a",), {"1": ("",)}, notes=["12 clips are left out"])
    for name, value in {"hint": "unpack [it]", **changes}.items():
        setattr(corpus, name, value)
    out = io.StringIO()
    print_summary(corpus, Console(file=out, width=200))
    text = out.getvalue()
    assert all(sentence in text for sentence in said), text
    assert not any(sentence in text for sentence in not_said), text


def test_brackets_in_names_are_shown():
    utterances = [Utterance(f"u{row}", Path("a.wav"), "[red]", "b [x]", group="b [x]") for row in range(2)]
    console = Console(file=io.StringIO(), width=100)
    print_summary(Corpus("table", utterances, ("[red]",), {"b [x]": ("b [x]",)}), console)
    assert "[red]" in console.file.getvalue()
    assert "b [x]" in console.file.getvalue()
