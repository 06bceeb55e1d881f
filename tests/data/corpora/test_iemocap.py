"""IEMOCAP: the owners' grammar with its oddities, every known count, and that a broken copy or reader is named."""

import re
import shutil
from collections import Counter

import pytest
from releases_iemocap import miniature

from hrf_ser.data.corpora import counts, iemocap
from hrf_ser.data.protocols import split_corpus
from hrf_ser.errors import UserError


@pytest.fixture
def root(tmp_path):
    """The miniature release: 10 dialogs, 140 turns, of which 100 are of the four classes."""
    return miniature(tmp_path)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """The miniature release for tests that only read it."""
    return miniature(tmp_path_factory.mktemp("miniature"))


@pytest.fixture
def complete(root, monkeypatch):
    """The miniature release, and a reader that takes its counts for the distribution's."""
    columns = ("class angry", "class happy", "class neutral", "class sad")
    four = counts.grid(columns, {f"session {session}": (4, 8, 4, 4) for session in iemocap.SESSIONS})
    for session in iemocap.SESSIONS:
        four |= {f"session {session}, {sex}": 10 for sex in ("male", "female")}
        four[f"session {session}, improvised"] = 20 if session == "3" else 10
    monkeypatch.setitem(counts.IEMOCAP, "4", four)
    monkeypatch.setattr(counts, "IEMOCAP_LABEL_FILES", {"labelled dialogs": 10, "labelled turns": 140})
    return root


def _labels(root, dialog):
    return root / f"Session{dialog[4]}" / "dialog" / "EmoEvaluation" / f"{dialog}.txt"


def _audio(root, turn):
    return root / f"Session{turn[4]}" / "sentences" / "wav" / turn.rpartition("_")[0] / f"{turn}.wav"


def _replace(file, old, new):
    raw = file.read_bytes()
    assert old in raw
    file.write_bytes(raw.replace(old, new, 1))


def test_fields_come_from_the_label_file_and_the_speaker_from_the_last_token(untouched):
    found = {one.utterance: one for one in iemocap.read(untouched).utterances}
    one = found["Ses01F_impro01_M000"]
    assert (one.path, one.label, one.split) == (_audio(untouched, "Ses01F_impro01_M000"), "neutral", "")
    assert (one.speaker, one.sex, one.group, one.start, one.end) == ("Ses01M", "male", "1", None, None)
    other = found["Ses05M_script01_1b_F003"]
    assert (other.label, other.speaker, other.sex, other.group) == ("happy", "Ses05F", "female", "5")


def test_ratings_raters_self_reports_and_text_are_columns(untouched):
    found = {one.utterance: dict(one.extra) for one in iemocap.read(untouched).utterances}
    assert found["Ses01F_impro01_F001"] == {
        "emotion": "ang",
        "valence": "2.5000",
        "activation": "3.0000",
        "dominance": "1.6667",
        "raters": "E2:Anger;E3:Anger,Frustration;E4:Other(mocking, then calm)",
        "ratings": "E3:3,2,2;E4:2,4,",
        "self_report": "F1:Anger",
        "self_rating": "F1:4,3,1",
        "text": "Excuse me, ang: [LAUGHTER] it's me.",
    }
    assert found["Ses01F_impro01_M003"]["self_report"] == "M1:Excited"
    assert found["Ses01F_impro01_M003"]["emotion"] == "exc"


def test_windows_line_ends_latin_1_and_a_missing_last_newline_change_nothing(untouched):
    assert b"\r\n" in _labels(untouched, "Ses02M_impro07").read_bytes()
    assert b"\xe9" in _labels(untouched, "Ses05F_impro03").read_bytes()
    assert not _labels(untouched, "Ses04F_impro08").read_bytes().endswith(b"\n")
    found = {one.utterance: dict(one.extra) for one in iemocap.read(untouched).utterances}
    assert Counter(name[:5] for name in found) == {f"Ses0{session}": 20 for session in range(1, 6)}
    assert found["Ses02M_impro07_F000"]["self_rating"] == "F1:4,3,1"
    assert found["Ses02M_impro07_F000"]["text"] == "Excuse me, neu: [LAUGHTER] it's me."
    assert found["Ses04F_impro08_M004"]["self_rating"] == "M1:4,3,1"
    assert found["Ses04F_impro08_M004"]["text"] == "Excuse me, sad: [LAUGHTER] it's me."
    assert found["Ses05F_impro03_F000"]["raters"].endswith("E4:Other(café)")
    assert found["Ses05F_impro03_F000"]["text"] == 'At the café: "yes, yes".'


def test_comment_that_is_not_closed_and_a_line_break_inside_a_line_lose_no_rater(root):
    file = _labels(root, "Ses05F_impro03")
    _replace(file, b"C-E4:\tOther;\t(caf\xe9)", b"C-E4:\tOther;\t(caf\xe9\x85 and more")
    assert dict(iemocap.read(root).utterances[80].extra)["raters"].endswith("E4:Other(café\x85 and more)")


def test_every_odd_dialog_name_is_read_and_sub_folders_and_hidden_files_are_not(untouched):
    utterances = iemocap.read(untouched).utterances
    dialogs = {one.dialog for one in utterances}
    assert {"Ses03M_impro05a", "Ses05M_script01_1b", "Ses02F_script02_2"} < dialogs
    assert len(utterances) == 100
    assert not any("XX" in one.utterance or dict(one.extra)["emotion"] == "sur" for one in utterances)


def test_release_without_transcriptions_has_empty_texts(root):
    for folder in root.glob("Session*/dialog/transcriptions"):
        shutil.rmtree(folder)
    utterances = iemocap.read(root).utterances
    assert len(utterances) == 100
    assert {dict(one.extra)["text"] for one in utterances} == {""}


def test_root_may_be_the_parent_and_audio_flac(root):
    (root.parent / "RAVDESS" / "Actor_01").mkdir(parents=True)
    (root.parent / "notes.txt").touch()
    for path in root.glob("Session*/sentences/wav/*/Ses*.wav"):
        path.rename(path.with_suffix(".flac"))
    assert iemocap.read(root.parent).utterances == iemocap.read(root).utterances
    assert len(iemocap.read(root).utterances) == 100


@pytest.mark.parametrize(
    ("classes", "counts"),
    [
        ("4", {"angry": 20, "happy": 40, "neutral": 20, "sad": 20}),
        ("4_no_exc", {"angry": 20, "happy": 20, "neutral": 20, "sad": 20}),
        (5, {"angry": 20, "happy": 40, "neutral": 20, "sad": 20, "frustrated": 20}),
        ("6", {"angry": 20, "happy": 20, "excited": 20, "neutral": 20, "sad": 20, "frustrated": 20}),
    ],
)
def test_classes_choose_the_labels_and_their_order(untouched, classes, counts):
    corpus = iemocap.read(untouched, classes=classes)
    assert corpus.labels == tuple(counts)
    assert Counter(one.label for one in corpus.utterances) == counts


def test_improvised_keeps_the_improvised_dialogs(untouched):
    utterances = iemocap.read(untouched, improvised=True).utterances
    assert len(utterances) == 60
    assert all("_impro" in one.utterance for one in utterances)


def test_folds_are_named_by_the_session_they_test(untouched):
    corpus = iemocap.read(untouched)
    assert corpus.folds == {session: (session,) for session in "12345"}
    assert {one.group for one in corpus.utterances} == set("12345")


def test_leaving_a_speaker_out_leaves_no_dialog_on_two_sides(untouched):
    corpus = iemocap.read(untouched)
    parts = split_corpus(corpus, "Ses01F", "validation", "speaker")

    def speakers(rows) -> set[str]:
        return {corpus.utterances[row].speaker for row in rows}

    assert speakers(parts.test) == {"Ses01F"}
    assert speakers(parts.val) == {"Ses02F", "Ses02M"}
    assert speakers(parts.train) >= {f"Ses0{session}{letter}" for session in "345" for letter in "FM"}
    dialogs = [{corpus.utterances[row].dialog for row in part} for part in (parts.train, parts.val, parts.test)]
    assert not dialogs[0] & dialogs[1] | dialogs[0] & dialogs[2] | dialogs[1] & dialogs[2]
    assert speakers(split_corpus(corpus, "Ses01F", "test_oracle", "speaker").train) == speakers(range(100)) - {"Ses01F"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": "8"}, r"data.options.classes=8 is unknown: use one of 4, 4_no_exc, 5, 6"),
        ({"improvised": "only"}, r"data.options.improvised=only: must be true or false"),
    ],
)
def test_unknown_option_is_refused(untouched, options, message):
    with pytest.raises(UserError, match=message):
        iemocap.read(untouched, **options)


# What is missing.


def test_complete_copy_leaves_no_mismatch(complete):
    assert iemocap.read(complete).count_mismatches == []


def test_missing_audio_is_named_and_its_turns_are_left_out(complete):
    for turn in ("Ses03F_impro02_F001", "Ses03M_impro05a_M006"):  # ang, and xxx, which the table would not have
        _audio(complete, turn).unlink()
    corpus = iemocap.read(complete)
    assert "Ses03F_impro02_F001" not in {one.utterance for one in corpus.utterances}
    assert corpus.count_mismatches == [
        "session 3: 1 of 20 turns have no audio: Ses03F_impro02_F001",
        "99 utterances found, 100 in the distribution",
        "session 3: 19 utterances found, 20 in the distribution",
        "class angry: 19 utterances found, 20 in the distribution",
        "session 3, class angry: 3 utterances found, 4 in the distribution",
        "session 3, female: 9 utterances found, 10 in the distribution",
        "session 3, improvised: 19 utterances found, 20 in the distribution",
    ]


def test_first_few_of_many_missing_files_are_named(root):
    shutil.rmtree(_audio(root, "Ses03F_impro02_F001").parent)
    (sentence,) = [one for one in iemocap.read(root).count_mismatches if "have no audio" in one]
    names = ", ".join(f"Ses03F_impro02_F00{number}" for number in range(4))
    assert sentence == f"session 3: 10 of 20 turns have no audio: {names}, ..."


def test_missing_label_file_is_named(complete):
    _labels(complete, "Ses03F_impro02").unlink()
    count_mismatches = iemocap.read(complete).count_mismatches
    assert count_mismatches[:3] == [
        "session 3: 1 of 2 dialogs with audio have no label file: Ses03F_impro02",
        "labelled dialogs: 9 found, 10 in the distribution",
        "labelled turns: 126 found, 140 in the distribution",
    ]


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        ("", "session 2: the folder {} is missing"),
        ("dialog/EmoEvaluation", "session 2: the folder {} is missing, and with it all labels"),
        ("sentences/wav", "session 2: the folder {} is missing, and with it all audio"),
        ("sentences", "session 2: the folder {}/wav is missing, and with it all audio"),
    ],
)
def test_session_that_lacks_a_folder_is_named_once_and_the_others_are_read(complete, gone, sentence):
    folder = complete / "Session2" / gone
    shutil.rmtree(folder)
    corpus = iemocap.read(complete)
    assert len(corpus.utterances) == 80
    assert list(corpus.folds) == list("12345")
    assert corpus.count_mismatches[0] == sentence.format(folder)
    assert [one for one in corpus.count_mismatches[1:] if "session 2" in one] == [
        "session 2: 0 utterances found, 20 in the distribution"
    ]


def test_surplus_turn_is_counted(complete):
    _replace(_labels(complete, "Ses03F_impro02"), b"F006\txxx", b"F006\tsad")
    assert "session 3, class sad: 5 utterances found, 4 in the distribution" in iemocap.read(complete).count_mismatches


# A reader that is broken on purpose.


def test_reader_that_drops_excited_is_caught_by_the_class(complete, monkeypatch):
    monkeypatch.setitem(iemocap.CLASSES["4"], "happy", ("hap",))
    count_mismatches = iemocap.read(complete).count_mismatches
    assert "class happy: 20 utterances found, 40 in the distribution" in count_mismatches
    assert not any("angry" in one or "neutral" in one or "sad" in one for one in count_mismatches)


def test_reader_that_takes_the_dialogs_letter_for_the_speaker_is_caught_by_sex(complete, monkeypatch):
    monkeypatch.setattr(iemocap, "_speaker", lambda turn: turn[:6])
    assert iemocap.read(complete).count_mismatches == [
        "session 4, male: 0 utterances found, 10 in the distribution",
        "session 4, female: 20 utterances found, 10 in the distribution",
    ]


def test_reader_that_misses_the_odd_dialogs_is_caught_by_name(complete, monkeypatch):
    monkeypatch.setattr(iemocap, "_DIALOG", re.compile(r"Ses0[1-5][FM]_(?:impro\d\d|script\d\d_\d)"))
    count_mismatches = iemocap.read(complete).count_mismatches
    assert any(
        one.startswith("session 3: 10 of 20 turns have no audio: Ses03M_impro05a_F000") for one in count_mismatches
    )
    assert "session 3, improvised: 10 utterances found, 20 in the distribution" in count_mismatches
    assert "session 5: 10 utterances found, 20 in the distribution" in count_mismatches


# What is refused.


@pytest.mark.parametrize("made", ["nothing", "empty folder", "a file", "another corpus"])
def test_root_without_the_corpus_names_the_key_and_the_hint(tmp_path, made):
    root = tmp_path / "corpus"
    if made == "a file":
        root.touch()
    elif made != "nothing":
        (root / "Actor_01" if made == "another corpus" else root).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        iemocap.read(root)
    for part in (f"data.root={root}", "Session1 ... Session5", "sail.usc.edu/iemocap"):
        assert part in str(caught.value)


def test_release_without_anything_readable_says_what_is_missing(root):
    for session in range(2, 6):
        shutil.rmtree(root / f"Session{session}")
    shutil.rmtree(root / "Session1" / "sentences")
    with pytest.raises(UserError, match=r"holds no utterance .*Session1/sentences/wav is missing.*Session2 is missing"):
        iemocap.read(root)


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("Session1", "Session 1"),
        ("Session3", "session_3"),
        ("Session1/dialog/EmoEvaluation", "Session1/dialog/Emo_Evaluation"),
        ("Session4/sentences/wav", "Session4/sentences/wav_"),
    ],
)
def test_renamed_folder_is_refused_and_named(root, name, renamed):
    (root / name).rename(root / renamed)
    with pytest.raises(UserError) as caught:
        iemocap.read(root)
    assert str(caught.value) == f"{root / renamed} is called {name.split('/')[-1]} in the distribution: rename it."


def test_release_whose_sessions_are_all_renamed_is_refused_by_the_first(root):
    for session in range(1, 6):
        (root / f"Session{session}").rename(root / f"Session {session}")
    with pytest.raises(UserError, match=r"Session 1 is called Session1 in the distribution: rename it"):
        iemocap.read(root.parent)


def test_two_copies_below_root_are_refused(root):
    shutil.copytree(root, root.parent / "copy")
    with pytest.raises(UserError, match=r"holds two copies, .*IEMOCAP_full_release and .*copy: point it at one"):
        iemocap.read(root.parent)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"]\tSes", b"];Ses", r"line 3 reads '\[6.2901 - 8.2357\];.*separated by tabs: unpack the file again"),
        (b"]\tSes01F_impro01_F000\t", b"]    Ses01F_impro01_F000    ", "line 3 reads .* separated by tabs"),
        (b"\tneu\t", b"\tneutral\t", r"line 3 has the emotion 'neutral', which is none of xxx, fru"),
        (b"impro01_F000", b"impro02_F000", "line 3 is of the dialog Ses01F_impro02: name the file so or remove it"),
        (b"Ses01F_impro01_F000", b"Ses02F_impro01_F000", "line 3 .* a turn of session 2: move the file to Session2"),
        (
            b"Ses01F_impro01_F000",
            b"Ses01F_improv_F000",
            "line 3 labels Ses01F_improv_F000, which is no turn of IEMOCAP",
        ),
        (b"impro01_F001", b"impro01_F000", "line 12 labels Ses01F_impro01_F000 a second time"),
    ],
)
def test_label_file_that_is_not_iemocaps_is_refused_with_its_line(root, old, new, message):
    file = _labels(root, "Ses01F_impro01")
    _replace(file, old, new)
    with pytest.raises(UserError, match=message) as caught:
        iemocap.read(root)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"turn,emotion\nSes01F_impro01_F000,neu\n"])
def test_label_file_without_any_turn_is_refused(root, content):
    file = _labels(root, "Ses01F_impro01")
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"Ses01F_impro01.txt labels no turn; expected lines of \[start - end\]"):
        iemocap.read(root)


def test_copy_of_a_label_file_is_refused_and_a_note_is_not(root):
    file = _labels(root, "Ses01F_impro01")
    (file.parent / "notes.txt").write_text("[done] checked by hand\n")
    assert len(iemocap.read(root).utterances) == 100
    shutil.copy(file, file.parent / "Ses01F_impro01 (1).txt")
    with pytest.raises(UserError, match=r"Ses01F_impro01 \(1\).txt, line 3 is of the dialog Ses01F_impro01: name"):
        iemocap.read(root)


# The whole distribution.
