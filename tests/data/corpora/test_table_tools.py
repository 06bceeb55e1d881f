"""Tables and folders as annotation tools, toolkits and other computers write them."""

import json
import unicodedata

import pytest

from hrf_ser.audio.read import read_audio
from hrf_ser.data.corpora import read_corpus
from hrf_ser.errors import UserError

HEADER = "path,label,speaker"
ROWS = (("a.wav", "happy", "anna"), ("b.wav", "sad", "ben"))


@pytest.fixture
def write(tone, tmp_path):
    """Write a file beside a.wav and b.wav, which hold a tone of 2 s."""
    for name in ("a.wav", "b.wav"):
        tone(name, seconds=2)

    def write(content, name="corpus.csv"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


def table(pattern, header=HEADER):
    """A row for each of ROWS; the pattern has ``{path}``, ``{label}`` and ``{speaker}``."""
    rows = (dict(zip(("path", "label", "speaker"), row, strict=True)) for row in ROWS)
    return "\n".join((header, *(pattern.format(**row) for row in rows)))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="">', "is an ELAN file: in ELAN export"),
        ('File type = "ooTextFile"\nObject class = "TextGrid"\n', "is a Praat file: .* Down to Table"),
        ('"ooTextFile"\n"TextGrid"\n', "is a Praat file"),
        ('File type = "ooTextFile"\n'.encode("utf-16"), "is a Praat file"),
        ("0.000000\t1.200000\thappy\n", "is an Audacity label track"),
        ("<html><body>Please log in</body></html>", "is XML or a web page"),
        ("a.wav,happy,anna\nb.wav,sad,ben\n", r"has no header: write the line path,label,speaker"),
        ("a /data/a.wav\nb /data/b.wav\n", r"has no header"),
        ("My emotions 2024,,\n\npath,label,speaker\na.wav,happy,anna\n", r"has its header in line 3: remove"),
        ("path,label\na.wav,happy\n", r"lacks the column speaker but has path, label: add who speaks, or name"),
        ("ID,duration,wav,spk_id,emo\n", r"columns=\{path: wav, label: emo, speaker: spk_id\}"),
        ("audio,id,sentiment,annotator,user\n", r"columns=\{path: audio, label: sentiment, speaker: user\}"),
    ],
)
def test_a_file_of_another_tool_is_named_with_what_to_do(write, content, sentence):
    with pytest.raises(UserError, match=sentence) as refused:
        read_corpus("table", write(content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            [{"id": 1, "annotations": [{"result": []}], "data": {"audio": "x"}}],
            "in Label Studio export CSV or JSON-MIN",
        ),
        ([{"audio": "a.wav", "label": [{"start": 0, "labels": ["sad"]}], "annotator": 1}], "in Label Studio export"),
        ({"path": {"0": "a.wav"}, "label": {"0": "sad"}}, r"to_json\(orient='records', lines=True\)"),
        ({"data": [{"path": "a.wav"}]}, r"to_json\(orient='records', lines=True\)"),
    ],
)
def test_nested_json_is_refused_with_what_to_export(write, content, sentence):
    with pytest.raises(UserError, match=sentence):
        read_corpus("table", write(json.dumps(content), "t.json"))


def test_an_object_of_objects_is_read_under_its_names(write):
    manifest = {name: {"wav": name, "length": 2.0, "emo": label, "spk_id": who} for name, label, who in ROWS}
    columns = {"path": "wav", "label": "emo", "speaker": "spk_id"}
    corpus = read_corpus("table", write(json.dumps(manifest), "train.json"), columns=columns)
    assert [(one.utterance, one.path.name, one.label, one.speaker) for one in corpus.utterances] == [
        (path, path, label, who) for path, label, who in ROWS
    ]


@pytest.mark.parametrize(
    "path",
    ["file://{folder}/{path}", "'{path}'", "\u201c{path}\u201d", "%61.wav", "{stem}", ".\\{path}", "\u200b{path}"],
)
def test_a_path_in_another_form_is_read(write, tmp_path, path):
    paths = [path.format(folder=tmp_path, path=name, stem=name[0]) for name, *_ in ROWS[:1]]
    corpus = read_corpus("table", write(f"{HEADER}\n{paths[0]},happy,anna\nb.wav,sad,ben\n"))
    assert {one.path.name for one in corpus.utterances} == {"a.wav", "b.wav"}
    assert all(one.path.is_file() for one in corpus.utterances)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_the_two_forms_of_an_umlaut_are_one_name(tone, write, forms):
    on_disk, in_table = (unicodedata.normalize(form, "Fröhlich.wav") for form in forms)
    tone(on_disk, seconds=0.1)
    corpus = read_corpus("table", write(f"{HEADER}\n{in_table},happy,anna\nb.wav,sad,ben\n"))
    assert corpus.utterances[0].path.is_file()


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/corpus/{path}",
        "C:\\Users\\me\\{path}",
        "\\\\server\\share\\{path}",
        "$data_root/{path}",
        "/data/upload/1/0a1b2c3d-{path}",
        "/data/local-files/?d=set/{path}",
        "{{data_root}}/{path}",
    ],
)
def test_a_path_of_another_computer_is_found_by_its_end(write, tmp_path, path):
    file = write(table(path + ",{label},{speaker}"))
    with pytest.raises(UserError, match=r"a path of another computer is found by its end below .*audio_root="):
        read_corpus("table", file)
    corpus = read_corpus("table", file, audio_root=str(tmp_path))
    assert [one.path for one in corpus.utterances] == [tmp_path / "a.wav", tmp_path / "b.wav"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "http://localhost:8080/data/{path}",
            r"row 2: http://localhost:8080/data/a.wav is no file.*: download the files",
        ),
        ("{stem}.mp3", "a.wav is there; write that"),
        ("{stem}.WAV", "a.wav is there; write that"),
    ],
)
def test_a_path_to_nothing_is_refused_with_what_to_do(write, path, sentence):
    if "{stem}.WAV" in path and write("", "CASE").with_name("case").exists():
        pytest.skip("the file system ignores case")
    with pytest.raises(UserError, match=sentence):
        read_corpus("table", write(f"{HEADER}\n{path.format(path='a.wav', stem='a')},happy,anna\nb.wav,sad,ben\n"))


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        ("start,end", "00:00:00.500,00:00:01.500"),
        ("start,end", '"00:00:00,500","00:00:01,500"'),
        ("start,end", "0:00.5,0:01.5"),
        ("start,end", "0 days 00:00:00.5,0 days 00:00:01.5"),
        ("start,duration", "0.5,1.0"),
        ("start,duration", "0:00.5,0:01"),
    ],
)
def test_times_and_durations_of_annotation_tools_are_read(write, columns, times):
    corpus = read_corpus("table", write(table(f"{{path}},{{label}},{{speaker}},{times}", f"{HEADER},{columns}")))
    assert [(one.start, one.end) for one in corpus.utterances] == [(0.5, 1.5)] * 2


def test_a_duration_without_a_start_is_the_length_of_the_file(write):
    corpus = read_corpus("table", write(table("{path},{label},{speaker},2.0", f"{HEADER},duration")))
    assert [(one.start, one.end) for one in corpus.utterances] == [(None, None)] * 2


@pytest.mark.parametrize(("start", "end"), [(0, 1500), (0, 32_000), (500, 1500)])
def test_times_in_milliseconds_or_samples_are_refused(write, tmp_path, start, end):
    write("")
    with pytest.raises(UserError, match="in seconds"):
        read_audio(tmp_path / "a.wav", start, end)
    assert len(read_audio(tmp_path / "a.wav", 1, 4)) == 16_000  # an annotation may end a little late


def test_an_official_split_under_another_name_is_named_and_its_usual_values_are_read(write):
    file = write(f"{HEADER},split\na.wav,happy,anna,training\nb.wav,sad,ben,dev\n", "split.csv")
    corpus = read_corpus("table", file)
    assert "the column split is not used: 'data.options.columns={part: split}' takes it" in " ".join(corpus.notes)
    corpus = read_corpus("table", file, columns={"part": "split"})
    assert [one.split for one in corpus.utterances] == ["train", "val"]
    assert not any("split is not used" in note for note in corpus.notes)


def test_a_column_of_channels_is_named(write):
    corpus = read_corpus("table", write(table("{path},{label},{speaker},1", f"{HEADER},channel")))
    assert any("the column channel is not used" in note for note in corpus.notes)


def test_whole_numbers_that_a_data_frame_wrote_as_fractions_are_whole(write):
    file = write(f"{HEADER}\na.wav,0.0,3.0\nb.wav,1.0,11.0\n")
    corpus = read_corpus("table", file)
    assert (corpus.labels, sorted({one.speaker for one in corpus.utterances})) == (("0", "1"), ["11", "3"])
    assert read_corpus("table", file, labels=[1.0, 0.0]).labels == ("1", "0")


def test_labels_of_several_choices_are_named(write):
    corpus = read_corpus("table", write(f"{HEADER}\na.wav,happy;sad,anna\nb.wav,sad,ben\n"))
    assert any(note.startswith("'happy;sad': a class each; write one choice a row") for note in corpus.notes)


def test_a_folder_is_refused_with_its_table_or_what_writes_one(write, tmp_path):
    with pytest.raises(UserError, match=r"is a folder: name a CSV file .*; the guide to your own corpus has a script"):
        read_corpus("table", write("", "x").parent)
    file = write("", "labels.csv")
    with pytest.raises(UserError, match=rf"is a folder: name a CSV file .*, such as {file}\."):
        read_corpus("table", tmp_path)
    write("", "db.yaml")
    with pytest.raises(UserError, match="is an audformat database"):
        read_corpus("table", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        table("0,{path},{label},{speaker}", f",{HEADER}"),  # the index of a data frame
        table("{path},{label},{speaker},,", f"{HEADER},,"),
        table("{path},{label},{speaker},"),
        table("{path},{label},{speaker}") + "\n,,\n,,\n\n",
        table("{path},{label}\u00a0,{speaker} "),
    ],
)
def test_what_spreadsheets_and_data_frames_leave_in_a_table_does_not_matter(write, content):
    corpus = read_corpus("table", write(content))
    assert [(one.path.name, one.label, one.speaker) for one in corpus.utterances] == list(ROWS)
