"""Tables as spreadsheets, data frames and annotation tools write them. Audio is real, and tiny."""

import json
import time
from pathlib import Path

import pandas as pd
import pytest

from hrf_ser.data.corpora import read_corpus
from hrf_ser.data.corpora.table_file import read_table, typed
from hrf_ser.errors import UserError

HEADER = "path,label,speaker"
ROWS = ("a.wav,fröhlich,jörg", "b.wav,traurig,änne")


@pytest.fixture
def write(tone, tmp_path):
    """Write a table beside a.wav and b.wav, which hold a tone of 50 ms."""
    for name in ("a.wav", "b.wav"):
        tone(name, seconds=0.05)

    def write(content: str | bytes, name: str = "corpus.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def _rows(corpus):
    return [(one.path.name, one.label, one.speaker) for one in corpus.utterances]


READ = [("a.wav", "fröhlich", "jörg"), ("b.wav", "traurig", "änne")]


@pytest.mark.parametrize(
    ("delimiter", "note"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"), (",", None)]
)
def test_the_delimiter_is_found_and_named(write, delimiter, note):
    corpus = read_corpus("table", write("\n".join((HEADER, *ROWS)).replace(",", delimiter)))
    assert _rows(corpus) == READ
    assert [one for one in corpus.notes if "separated" in one] == (
        [f"corpus.csv is separated by {note}"] if note else []
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_encoding_is_found_by_its_byte_order_mark(write, encoding):
    text = "\r\n".join((HEADER, *ROWS)).replace(",", "\t")  # what Excel calls Unicode text
    assert _rows(read_corpus("table", write(text.encode(encoding)))) == READ


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le"])
def test_an_encoding_that_cannot_be_told_is_refused_with_its_key_and_read_with_it(write, encoding):
    file = write("\n".join((HEADER, *ROWS)).encode(encoding))
    with pytest.raises(UserError, match=r"corpus\.csv is (not|no text in) UTF-8.*data\.options\.encoding="):
        read_corpus("table", file)
    assert _rows(read_corpus("table", file, encoding=encoding)) == READ


def test_an_unknown_encoding_is_refused(write):
    with pytest.raises(UserError, match=r"data\.options\.encoding=klingon is unknown: use e\.g\. utf-8"):
        read_corpus("table", write(HEADER), encoding="klingon")


def test_a_german_spreadsheet_is_read(write):
    text = 'sep=;\r\npath;label;speaker;start;end\r\na.wav;fröhlich;jörg;0,005;"0,05"\r\n'
    (one,) = read_corpus("table", write(text.encode("cp1252")), encoding="cp1252").utterances
    assert (one.label, one.start, one.end) == ("fröhlich", 0.005, 0.05)


def test_a_line_end_in_quotes_is_part_of_its_cell(write):
    file = write('path,label,speaker,comment\na.wav,x,s,"two\nlines"\nb.wav,y\u2028z,t,\n')
    assert [one.label for one in read_corpus("table", file).utterances] == ["x", "y\u2028z"]


def test_spaces_after_a_delimiter_do_not_matter(write):
    file = write('path, label, speaker\na.wav, "x, z", s\nb.wav, y, t\n')
    assert _rows(read_corpus("table", file)) == [("a.wav", "x, z", "s"), ("b.wav", "y", "t")]


def test_other_names_of_columns_are_given_by_an_option(write):
    file = write("file,emotion,subject,who\na.wav,sad,s1,x\nb.wav,happy,s2,y\n")
    columns = {"path": "file", "label": "emotion", "speaker": "subject", "group": "who"}
    corpus = read_corpus("table", file, columns=columns)
    assert _rows(corpus) == [("a.wav", "sad", "s1"), ("b.wav", "happy", "s2")]
    assert list(corpus.folds) == ["x", "y"]


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        (
            "filename,emotion,spk",
            None,
            "lacks the column path, label, speaker but has filename, emotion, spk: rename it, or say which it is with "
            r"'data.options.columns=\{path: filename, label: emotion, speaker: spk\}'",
        ),
        ("Datei;Gefühl;Wer da", None, r"columns=\{path: datei, label: \"gefühl\", speaker: \.\.\.\}'\.$"),
        ("path,lable,speaker", None, r"lacks the column label but .*\{label: lable\}"),
        (
            "path,label,speaker",
            {"label": "emo"},
            r"lacks the column emo but has path, label, speaker: .*\{label: \.\.\.\}",
        ),
        ("path,label,speaker,part", {"group": "sessoin"}, "lacks the column sessoin"),
        (
            "path,label,speaker",
            {"emotion": "label"},
            "data.options.columns names emotion, which is none of path, label",
        ),
        ("path,label,speaker", {"label": 3}, "data.options.columns=3: input should be a valid string"),
        ("path;label;name", None, "lacks the column speaker but has path, label, name"),
    ],
)
def test_a_missing_column_is_named_with_the_nearest(write, header, columns, message):
    with pytest.raises(UserError, match=message):
        read_corpus("table", write(header + "\n"), columns=columns)


def test_json_lines_and_a_list_of_objects_are_read(write):
    records = [
        {"path": "a.wav", "label": 1.0, "speaker": "s", "start": None, "end": 0.04},
        {"speaker": 7, "label": 2, "path": "b.wav"},
    ]
    for name, text in (("t.jsonl", "\n".join(map(json.dumps, records))), ("t.json", json.dumps(records))):
        corpus = read_corpus("table", write(text, name))
        assert _rows(corpus) == [("a.wav", "1", "s"), ("b.wav", "2", "7")]
        assert [one.end for one in corpus.utterances] == [0.04, None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", '{"path": "a.wav"\n', "t.jsonl is not JSON"),
        ("t.jsonl", '["a.wav", "x"]', "record 1 is not a JSON object"),
        ("t.jsonl", '{"path": {"x": 1}}', "line 1 is not a JSON object of texts and numbers"),
        ("t.xlsx", b"PK\x03\x04 and so on", "is a spreadsheet or a zip archive, not a table: save it as CSV"),
        ("t.csv", b"RIFF\x24\x00", "is audio, not a table"),
        ("t.csv.gz", b"\x1f\x8b\x08\x00", "is a gzip archive, not a table"),
        ("t.csv", b"\xef\xbb\xbf\n", "is empty and lacks the columns path, label, speaker: write a header"),
        ("t.jsonl", b"", "is empty and lacks the columns"),
        ("t.parquet", b"PAR1", r"pip install pyarrow|cannot be read as Parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused(write, name, content, message):
    with pytest.raises(UserError, match=message):
        read_corpus("table", write(content, name))


def test_parquet_is_read_through_pandas(write, monkeypatch):
    frame = pd.DataFrame({"label": ["x", "y"], "speaker": [1.0, 2.0]})
    frame.index = pd.MultiIndex.from_arrays(
        [["a.wav", "b.wav"], pd.to_timedelta([0, 0.01], "s"), pd.to_timedelta([0.04, None], "s")],
        names=["file", "start", "end"],
    )
    monkeypatch.setattr(pd, "read_parquet", lambda _: frame)
    corpus = read_corpus("table", write(b"PAR1", "t.parquet"))
    assert _rows(corpus) == [("a.wav", "x", "1"), ("b.wav", "y", "2")]
    assert [(one.start, one.end) for one in corpus.utterances] == [(0, 0.04), (0.01, None)]


def test_parquet_without_pyarrow_names_the_package(write, monkeypatch):
    def fail(_):
        raise ImportError("no engine")

    monkeypatch.setattr(pd, "read_parquet", fail)
    with pytest.raises(UserError, match=r"t\.parquet: .* pip install pyarrow\.$"):
        read_corpus("table", write(b"PAR1", "t.parquet"))


def test_a_table_of_audformat_is_read(write):
    file = write(
        "file,start,end,speaker,emotion\n"
        "a.wav,0 days 00:00:00,0 days 00:00:00.020000,s1,sad\na.wav,0 days 00:00:00.020000,NaT,s1,sad\nb.wav,,,s2,happy\n"
    )
    corpus = read_corpus("table", file, columns={"label": "emotion"})
    assert [(one.path.name, one.start, one.end) for one in corpus.utterances] == [
        ("a.wav", 0, 0.02),
        ("a.wav", 0.02, None),
        ("b.wav", None, None),
    ]


@pytest.mark.parametrize("form", ["absolute", "home", "audio_root", "audio_root with ~", "backslash"])
def test_paths_start_where_the_user_says(write, tone, tmp_path, monkeypatch, form):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tone("audio/day1/c.wav", seconds=0.05)
    cell, audio_root = {
        "absolute": (str(path), None),
        "home": ("~/audio/day1/c.wav", None),
        "audio_root": ("day1/c.wav", str(path.parents[1])),
        "audio_root with ~": ("day1/c.wav", "~/audio"),
        "backslash": ("audio\\day1\\c.wav", None),
    }[form]
    corpus = read_corpus(
        "table",
        write(f"{HEADER}\n{cell},x,s\na.wav,y,t\n".replace("a.wav", str(tmp_path / "a.wav"))),
        audio_root=audio_root,
    )
    assert path in [one.path for one in corpus.utterances]


def test_paths_that_lead_nowhere_are_counted_and_the_key_is_named(write):
    file = write(f"{HEADER}\na.wav,x,s\nday1/c.wav,y,t\nday1/d.wav,y,t\n")
    with pytest.raises(UserError, match=r"row 3: .*c\.wav is no file, nor are the paths of 1 more rows: .*audio_root="):
        read_corpus("table", file)
    with pytest.raises(UserError, match=r"data\.options\.audio_root=/no/such is no folder"):
        read_corpus("table", file, audio_root="/no/such")


def test_rows_keep_their_number_in_the_file(write):
    rows, _ = read_table(write(f"sep=,\n\n{HEADER}\n\na.wav,x,s\n"), {}, None)
    assert [row.where.rpartition(", ")[2] for row in rows] == ["row 5"]


def test_a_long_damaged_header_is_refused_at_once(write):
    begin = time.perf_counter()
    with pytest.raises(UserError, match=r"is not CSV|lacks the column"):
        read_corpus("table", write('a,"b" "\'c\',' * 20_000))
    assert time.perf_counter() - begin < 5


def test_a_german_sheet_is_refused_once_with_all_that_it_needs(write):
    sheet = (
        "Nr.;Datei;Gefühl;Sprecher;Beginn;Ende\r\n1;a.wav;fröhlich;jörg;0,0;0,05\r\n2;b.wav;traurig;änne;0,0;0,05\r\n"
    )
    file = write(sheet.encode("cp1252"))
    with pytest.raises(UserError, match=r"data\.options\.encoding=.*, and its columns with") as refused:
        read_corpus("table", file)
    columns = {"path": "datei", "label": "gefühl", "speaker": "sprecher", "start": "beginn", "end": "ende"}
    option = ", ".join(f"{name}: {typed(column)}" for name, column in columns.items())
    assert f"'data.options.columns={{{option}}}'" in str(refused.value)
    corpus = read_corpus("table", file, encoding="cp1252", columns=columns)
    assert _rows(corpus) == READ
    assert [(one.start, one.end) for one in corpus.utterances] == [(0.0, 0.05)] * 2
    del columns["start"]
    notes = read_corpus("table", file, encoding="cp1252", columns=columns).notes
    assert "the column beginn is not used: 'data.options.columns={start: beginn}' takes it as seconds" in notes
