"""A corpus described by a CSV file: what is read, and that each mistake is named with its row."""

from pathlib import Path

import pytest

from hrf_ser.data.corpora import read_corpus
from hrf_ser.errors import UserError


@pytest.fixture
def write(tmp_path):
    """Write a CSV file beside the audio files a.wav, b.wav, c/d.wav."""
    (tmp_path / "c").mkdir()
    for name in ("a.wav", "b.wav", "c/d.wav"):
        (tmp_path / name).touch()

    def write(*lines: str, encoding: str = "utf-8", newline: str = "\n") -> Path:
        file = tmp_path / "corpus.csv"
        file.write_bytes(newline.join(lines).encode(encoding))
        return file

    return write


def test_corpus_has_the_name_that_it_is_given(write):
    file = write("path,label,speaker", "a.wav,sad,anna", "b.wav,happy,bob")
    assert read_corpus("table", file).name == "table"
    assert read_corpus("table", file, corpus_name="own").name == "own"
    for name in ("../own", "a>b", ""):
        with pytest.raises(UserError, match=r"data\.options\.corpus_name=.* must be letters, digits, - and _"):
            read_corpus("table", file, corpus_name=name)


def test_columns_become_fields(write):
    file = write(
        "utterance,path,start,end,duration,speaker,sex,label,group,part",
        "u2,c/d.wav,0.5,2,1.5,anna,F,sad,s1,train",
        "u1,a.wav,,,3.0,bob,male,happy,s2,Test",
    )
    corpus = read_corpus("table", file, licence="CC0")
    assert (corpus.licence, read_corpus("table", file).licence) == ("CC0", "corpus.csv: not stated")
    first, second = corpus.utterances
    assert (first.utterance, first.path, first.label, first.speaker) == ("u1", file.parent / "a.wav", "happy", "bob")
    assert (first.sex, first.group, first.split, first.start, first.end) == ("male", "s2", "test", None, None)
    assert (second.path, second.sex, second.split) == (file.parent / "c" / "d.wav", "female", "train")
    assert (second.start, second.end) == (0.5, 2.0)
    assert corpus.labels == ("happy", "sad")
    assert corpus.folds == {"official": (), "s1": ("s1",), "s2": ("s2",)}


def test_official_parts_are_a_fold_only_where_every_row_has_one(write):
    file = write("path,label,speaker,part", "a.wav,x,anna,train", "b.wav,y,bob,")
    assert list(read_corpus("table", file).folds) == ["anna", "bob"]


def test_a_group_called_as_the_fold_of_the_parts_is_refused(write):
    file = write("path,label,speaker,group,part", "a.wav,x,anna,official,train", "b.wav,y,bob,s1,test")
    with pytest.raises(UserError, match="group=official is what the fold of the column part is called: rename"):
        read_corpus("table", file)
    file = write("path,label,speaker,group", "a.wav,x,anna,official", "b.wav,y,bob,s1")
    assert read_corpus("table", file).folds == {"official": ("official",), "s1": ("s1",)}


def test_without_optional_columns_group_is_the_speaker_and_id_is_the_path(write):
    corpus = read_corpus("table", write("path,label,speaker", "c/d.wav,x,anna", "a.wav,y,bob"))
    assert [(one.utterance, one.group) for one in corpus.utterances] == [("a.wav", "bob"), ("c/d.wav", "anna")]


def test_segments_of_one_file_have_ids_of_their_own(write):
    file = write("path,label,speaker,start,end", "a.wav,x,s,0,1.25", "a.wav,x,s,1.25,2", "a.wav,x,s,2,")
    assert [one.utterance for one in read_corpus("table", file).utterances] == [
        "a.wav@0-1.25",
        "a.wav@1.25-2",
        "a.wav@2-",
    ]


def test_absolute_paths_stay(write, tmp_path):
    file = write("path,label,speaker", f'"{tmp_path / "b.wav"}",x,s')
    assert read_corpus("table", file).utterances[0].path == tmp_path / "b.wav"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_byte_order_mark_and_line_ends_do_not_matter(write, encoding, newline):
    lines = ("path,label,speaker", "a.wav,fröhlich,jörg\u2028x", "", "b.wav,traurig,jörg", "")
    corpus = read_corpus("table", write(*lines, encoding=encoding, newline=newline))
    assert corpus.labels == ("fröhlich", "traurig")
    assert [one.speaker for one in corpus.utterances] == ["jörg\u2028x", "jörg"]


def test_labels_option_fixes_the_order(write):
    file = write("path,label,speaker", "a.wav,1,s", "b.wav,0,t")
    corpus = read_corpus("table", file, labels=[1, 0, 2])
    assert corpus.labels == ("1", "0", "2")
    assert corpus.count_mismatches == [f"class 2: no utterance in {file}"]


def test_more_than_ten_groups_are_one_fold_each(write, tmp_path):
    lines = [f"a.wav,x,s{n:02d},{n},{n + 1}" for n in range(12)]
    folds = read_corpus("table", write("path,label,speaker,start,end", *lines)).folds
    assert list(folds) == [f"s{n:02d}" for n in range(12)]


GOOD = "b.wav,sad,eve,s1,0,1,train"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,sad,,s1,0,1,train", "row 4 has no speaker"),
        (",sad,bob,s1,0,1,train", "row 4 has no path"),
        ("a.wav,,bob,s1,0,1,train", "row 4 has no label"),
        ("gone.wav,sad,bob,s1,0,1,train", r"row 4: .*gone.wav is no file"),
        ("c,sad,bob,s1,0,1,train", r"row 4: .*c is no file"),
        ("a.wav,sad,bob,s1,2,1,train", "row 4: start=2 is not before end=1"),
        ("a.wav,sad,bob,s1,1,1,train", "row 4: start=1 is not before end=1"),
        ("a.wav,sad,bob,s1,,0,train", "row 4: start=0 is not before end=0"),
        ('a.wav,sad,bob,s1,"0,5",1,train', "row 4: start=0,5 is no time in seconds"),
        ("a.wav,sad,bob,s1,nan,1,train", "row 4: start=nan is no time"),
        ("a.wav,sad,bob,s1,-1,1,train", "row 4: start=-1 is no time"),
        ("a.wav,sad,bob,s1,0,inf,train", "row 4: end=inf is no time"),
        ("a.wav,sad,bob,s1,0,1,later", "row 4: part=later is none of train, val, test"),
        ("c/../b.wav,sad,bob,s1,0.0,1,train", "row 4 is the same path, start and end as .*row 2"),
        ("a.wav,sad,bob,s1,0,1,train,happy", "row 4 has more cells than the header"),
        ("a.wav,bored,bob,s1,0,1,train", r"row 4 has the label 'bored', which is none of .*labels=\[sad,happy\]: add"),
        ('a.wav,sad,"bob,s1,0,1,train', "line 4 is not CSV"),
    ],
)
def test_wrong_row_is_named(write, row, message):
    file = write("path,label,speaker,group,start,end,part", GOOD, "", row)
    with pytest.raises(UserError, match=message) as caught:
        read_corpus("table", file, labels=["sad", "happy"])
    assert str(file) in str(caught.value)


def test_same_id_in_two_rows_is_refused(write):
    file = write("utterance,path,label,speaker", "u,a.wav,x,s", "u,b.wav,x,s")
    with pytest.raises(UserError, match=r"row 3 is the utterance 'u', as is .*row 2"):
        read_corpus("table", file)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,label", "a.wav,x"], "lacks the column speaker"),
        (["path,label,speaker,Label", "a.wav,x,s,y"], "has the column label more than once"),
        (["path,label,speaker"], "has no row below its header"),
        ([""], "has no row below its header|lacks the column"),
    ],
)
def test_wrong_header_is_refused(write, lines, message):
    with pytest.raises(UserError, match=message):
        read_corpus("table", write(*lines))


@pytest.mark.parametrize("labels", [[], "sad", ["x", "x"]])
def test_labels_that_are_no_list_of_classes_are_refused(write, labels):
    with pytest.raises(UserError, match=r"data.options.labels="):
        read_corpus("table", write("path,label,speaker", "a.wav,x,s"), labels=labels)


def test_root_that_is_no_csv_file_names_the_key(tmp_path):
    with pytest.raises(UserError, match=r"data.root=.*gone.csv does not exist: name a CSV file"):
        read_corpus("table", tmp_path / "gone.csv")
    with pytest.raises(UserError, match=r"data.root=.* is a folder: name a CSV file"):
        read_corpus("table", tmp_path)
