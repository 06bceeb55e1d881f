"""Recordings without labels: what is listed, and what is left out."""

import pytest

from hrf_ser.data.corpora import Utterance
from hrf_ser.data.corpora.unlabelled import read_unlabelled, without
from hrf_ser.errors import UserError


def test_folders_and_tables_are_listed_with_ids_of_their_own(tone, tmp_path):
    first, second = tone("a/deep/x.wav", seconds=0.1), tone("b/x.wav", seconds=0.1)
    tone("a/._x.wav", seconds=0.1)
    (tmp_path / "a/notes.txt").write_text("no audio")
    (tmp_path / "b/more.csv").write_text("path\nx.wav\n")
    corpus = read_unlabelled([tmp_path / "a", tmp_path / "b/more.csv"])
    assert [(one.utterance, one.path) for one in corpus.utterances] == [
        ("unlabelled-0/deep/x.wav", first),
        ("unlabelled-1/x.wav", second),
    ]


def test_files_of_evaluated_utterances_are_left_out_under_any_name(tone, tmp_path):
    evaluated, other = tone("a/x.wav", seconds=0.1), tone("a/y.wav", seconds=0.1)
    (tmp_path / "a/link.wav").symlink_to(evaluated)
    kept = without(read_unlabelled([tmp_path / "a"]), [Utterance("1", evaluated, "sad", "s")])
    assert [one.path for one in kept.utterances] == [other]
    assert kept.notes == ["2 recordings of validation or test speakers are left out"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "does not exist"), ("file\nx.wav\n", "lacks the column path"), ("path\nx.wav\n", "x.wav is no file")],
)
def test_a_table_that_leads_nowhere_is_refused(tmp_path, content, sentence):
    table = tmp_path / "more.csv"
    if content is not None:
        table.write_text(content)
    with pytest.raises(UserError, match=sentence):
        read_unlabelled([table])
