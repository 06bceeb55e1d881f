"""Labels of a user's table: gaps, spellings, ratings, and classes that too few have. Audio is real, and tiny."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from hrf_ser.data.corpora import read_corpus
from hrf_ser.errors import UserError


@pytest.fixture
def write(tone, tmp_path):
    """Write a table whose rows ``label,speaker`` are segments of a tone of one second."""
    tone("a.wav", seconds=1.0)

    def write(*rows: str) -> Path:
        lines = [f"a.wav,{number / 1000},{(number + 1) / 1000},{row}" for number, row in enumerate(rows)]
        file = tmp_path / "corpus.csv"
        file.write_text("\n".join(("path,start,end,label,speaker", *lines)), encoding="utf-8")
        return file

    return write


GOOD = ("happy,s1", "sad,s1", "happy,s2", "sad,s2")


@pytest.mark.parametrize("gap", ["", " ", "nan", "NaN", "None", "N/A", "null", "<NA>", "#N/A", "NA"])
def test_a_missing_label_is_refused_with_its_row_or_left_out_on_request(write, gap):
    file = write(*GOOD, f"{gap},s3", f"{gap},s4")
    with pytest.raises(
        UserError, match=r"row 6 has no label.*, nor have 1 more rows: .*data\.options\.drop_unlabelled=true"
    ):
        read_corpus("table", file)
    corpus = read_corpus("table", file, drop_unlabelled=True)
    assert (len(corpus.utterances), corpus.labels) == (4, ("happy", "sad"))
    assert corpus.notes == ["2 rows without a label are left out"]


def test_a_class_that_is_called_none_is_one_where_the_classes_are_listed(write):
    corpus = read_corpus("table", write("none,s1", "sad,s1", "none,s2", "sad,s2"), labels=["none", "sad"])
    assert corpus.labels == ("none", "sad")


def test_a_table_without_any_label_is_refused(write):
    with pytest.raises(UserError, match=r"corpus\.csv has no row with a label"):
        read_corpus("table", write("nan,s1", "nan,s2"), drop_unlabelled=True)


@pytest.mark.parametrize("gap", ["", "nan", "None"])
def test_a_missing_speaker_is_refused_with_its_row(write, gap):
    with pytest.raises(UserError, match="row 6 has no speaker"):
        read_corpus("table", write(*GOOD, f"sad,{gap}"), drop_unlabelled=True)


@pytest.mark.parametrize(
    ("first", "second"), [("HAPPY", "happy"), ("very happy", "very  happy"), ("fr\u00f6hlich", "fro\u0308hlich")]
)
def test_spellings_of_one_class_are_named_with_the_setting_that_joins_them(write, first, second):
    corpus = read_corpus(
        "table", write(f"{first},s1", "sad,s1", f"{second},s2", f"{first},s2", f"{second},s1", "sad,s2")
    )
    assert len(corpus.labels) == 3
    (note,) = corpus.notes
    alike = sorted([first, second])
    assert note.startswith(f"the classes {alike[0]!r}, {alike[1]!r} differ in spelling only: '+label_map.classes={{")
    suggestion = note.partition("'+")[2].partition(", ...}'")[0] + "}"
    classes = OverridesParser.create().parse_override(suggestion).value()
    assert [str(label) for label in next(iter(classes.values()))] == alike


def test_space_around_a_label_is_no_part_of_it(write):
    assert read_corpus("table", write("happy ,s1", " happy,s2", *GOOD)).labels == ("happy", "sad")


@pytest.mark.parametrize("sign", [".", ","])
def test_ratings_are_no_classes(write, sign):
    rows = [f'"{number / 8:g}",s{number % 4}'.replace(".", sign) for number in range(12)]
    with pytest.raises(
        UserError, match=r"holds 12 different numbers from 0 to 1\.375, which are ratings and not classes: write bins"
    ):
        read_corpus("table", write(*rows))
    assert len(read_corpus("table", write(*rows), labels=[row[1:].partition('"')[0] for row in rows]).labels) == 12


def test_whole_numbers_may_be_classes(write):
    assert read_corpus("table", write(*(f"{number % 7},s{number % 4}" for number in range(60)))).labels == tuple(
        "0123456"
    )


def test_text_instead_of_classes_is_refused(write):
    with pytest.raises(
        UserError, match=r"holds 60 different values in 60 rows .*data\.options\.columns=\{label: \.\.\.\}"
    ):
        read_corpus("table", write(*(f"what was said {number},s1" for number in range(60))))


def test_classes_of_one_utterance_or_one_speaker_are_named(write):
    corpus = read_corpus("table", write(*GOOD, "angry,s1", "calm,s2", "calm,s2"))
    assert corpus.notes == [
        "class angry has one utterance (s1): a fold that tests s1 has no example of it in training, and no other fold tests it",
        "class calm has one speaker (s2): a fold that tests s2 has no example of it in training, and no other fold tests it",
    ]


def test_many_rare_classes_are_counted(write):
    notes = read_corpus("table", write(*GOOD, *(f"class{number},s1" for number in range(9)))).notes
    assert len(notes) == 5
    assert notes[-1] == "so have 5 more classes"


def test_one_class_alone_is_named(write):
    assert read_corpus("table", write("sad,s1", "sad,s2")).notes == ["class sad is the only one: training needs two"]
