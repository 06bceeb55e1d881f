"""DAIC-WOZ: label files, transcripts, every known fault, turns and windows, and the published counts."""

import os
import re
import time
from collections import Counter

import pytest
from releases_daic_woz import FULL_DEPRESSED, OFFSETS, SYNC, full, miniature, transcript, write_labels

from hrf_ser.data.corpora import daic_woz, daic_woz_faults
from hrf_ser.data.protocols import split
from hrf_ser.errors import UserError

TRAIN, DEV, TEST = (f"{part}_split_Depression_AVEC2017.csv" for part in ("train", "dev", "test"))


@pytest.fixture
def release(tmp_path):
    return miniature(tmp_path / "DAIC-WOZ")


def _turns(corpus, *sessions):
    return {one.utterance: (one.start, one.end) for one in corpus.utterances if not sessions or one.speaker in sessions}


def _differences(corpus, release):
    """A sentence for each turn that is missing, surplus or elsewhere."""
    found, expected = _turns(corpus), release.turns
    return [
        f"{name}: {found.get(name)} instead of {expected.get(name)}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != pytest.approx(expected.get(name))
    ]


def _edit(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def test_turns_are_those_of_the_transcripts_with_every_fault_corrected(release):
    corpus = daic_woz.read(release.root)
    assert _differences(corpus, release) == []
    assert [one.utterance for one in corpus.utterances] == sorted(release.turns)


def test_fields(release):
    corpus = daic_woz.read(release.root)
    one = next(one for one in corpus.utterances if one.speaker == "318")
    assert (one.utterance, one.label, one.speaker, one.group, one.part) == (
        "318_0006",
        "depressed",
        "318",
        "318",
        "train",
    )
    assert one.path == release.root / "318_P" / "318_AUDIO.wav"
    assert (one.start, one.end) == (43.319917, 44.819917)
    assert dict(one.extra) == {"phq8_score": "15", "phq8_binary": "1", "text": "good"}
    assert corpus.labels == ("not_depressed", "depressed")
    assert corpus.name == "daic_woz"
    assert "LREC 2014" in corpus.licence
    assert {one.speaker: (one.sex, one.part) for one in corpus.utterances} == {
        "300": ("male", "test"),
        "302": ("male", "val"),
        "303": ("female", "train"),
        "318": ("male", "train"),
        "319": ("female", "train"),
        "321": ("female", "val"),
        "362": ("male", "test"),
        "373": ("female", "train"),
        "409": ("female", "train"),
        "451": ("female", "train"),
    }
    labels = {one.speaker: (one.label, dict(one.extra)["phq8_score"]) for one in corpus.utterances}
    assert labels["300"] == ("not_depressed", "2")
    assert labels["362"] == ("depressed", "21")


def test_text_is_that_of_the_row(release):
    texts = {one.utterance: dict(one.extra)["text"] for one in daic_woz.read(release.root).utterances}
    assert {name: text for name, text in texts.items() if name.startswith("303")} == {
        "303_0006": "good",
        "303_0012": "i'm <laughter> scrubbed_entry from here",
        "303_0014": "yeah",
        "303_0016": "um okay i guess i don't sync up well with mornings",
        "303_0017": "",  # NaN
        "303_0020": "bye",
    }


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("offset sign", "318_0006: None instead of (43.319917, 44.819917)"),  # before the audio begins
        ("offset sign", "321_0006: (5.162083, 6.662083) instead of (12.837917, 14.337917)"),
        ("sync kept", "303_0018: (35.0, 35.5) instead of None"),
        ("ellie's rows kept", "303_0015: (19.0, 21.5) instead of None"),
        ("before ellie", "303_0002: (1.5, 2.75) instead of None"),
        ("scrubbed kept", "303_0011: (13.0, 14.0) instead of None"),
        ("no ellie", "451_0005: None instead of (9.0, 10.5)"),
        ("interruption kept", "373_0022: (400.0, 405.0) instead of None"),
    ],
)
def test_reader_with_one_branch_broken_is_caught_by_name(release, monkeypatch, broken, named):
    nothing = re.compile("(?!)")
    rows = daic_woz_faults._rows

    def renamed(path):
        read, unread = rows(path)
        return [daic_woz_faults._Row(r.line, r.start, r.end, "participant", r.text) for r in read], unread

    def with_ellie_first(path):
        read, unread = rows(path)
        return [daic_woz_faults._Row(0, 0.0, 1.0, "ellie", ""), *read], unread

    def everything(path):
        read, unread = renamed(path)
        return [daic_woz_faults._Row(0, 0.0, 1.0, "ellie", ""), *read], unread

    name, value = {
        "offset sign": ("MISALIGNED", {session: -offset for session, offset in daic_woz_faults.MISALIGNED.items()}),
        "sync kept": ("_SYNC", nothing),
        "ellie's rows kept": ("_rows", everything),
        "before ellie": ("_rows", with_ellie_first),
        "scrubbed kept": ("_SCRUBBED", nothing),
        "no ellie": ("WITHOUT_ELLIE", ()),
        "interruption kept": ("INTERRUPTIONS", {}),
    }[broken]
    monkeypatch.setattr(daic_woz_faults, name, value)
    assert named in _differences(daic_woz.read(release.root), release)


def test_offsets_are_those_of_the_corpus():
    assert {int(session): offset for session, offset in daic_woz_faults.MISALIGNED.items()} == OFFSETS


def test_each_correction_can_be_left_out_by_name(release):
    def read(*names):
        return _turns(daic_woz.read(release.root, corrections=list(names)))

    corrected = _turns(daic_woz.read(release.root))
    assert read("interruption", "misaligned", "without_ellie") == corrected
    without_offset = read("interruption", "without_ellie")
    assert without_offset["318_0006"] == (9.0, 10.5)
    assert without_offset["373_0021"] == corrected["373_0021"] == (390.0, 395.0)
    assert read("misaligned")["373_0021"] == (390.0, 397.0)
    assert not any(name.startswith("451") for name in read("misaligned", "interruption"))
    assert read() == _turns(daic_woz.read(release.root, corrections=False))
    assert set(corrected) - set(read()) == {name for name in corrected if name.startswith("451")}


def test_unknown_correction_is_refused(release):
    with pytest.raises(UserError, match=r"names typo, which is none of interruption, misaligned, without_ellie"):
        daic_woz.read(release.root, corrections=["misaligned", "typo"])


def test_turn_around_an_interruption_becomes_two(tmp_path):
    lines, kept = transcript(444)
    path = tmp_path / "444_TRANSCRIPT.csv"
    path.write_text("\n".join(lines))
    turns = daic_woz_faults.read_transcript(path, "444", ["interruption"]).turns
    assert [(one.name, one.start, one.end) for one in turns[-2:]] == [("0021", 280, 286), ("0021b", 387, 390)]
    assert {one.name for one in turns} - {"0013"} == set(kept)  # 0013 is under 0.2 s


@pytest.mark.parametrize("mark", SYNC)
def test_sync_mark_in_any_spelling_is_no_turn(release, mark):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    _edit(path, b"\tbye", f"\t{mark}".encode())
    assert set(release.turns) - set(_turns(daic_woz.read(release.root))) == {"303_0020"}


def test_participant_409_is_as_distributed_unless_asked(release):
    def of_409(**options):
        corpus = daic_woz.read(release.root, **options)
        return {
            (one.label, dict(one.extra)["phq8_binary"]) for one in corpus.utterances if one.speaker == "409"
        }, corpus.invariants

    labels, invariants = of_409()
    assert labels == {("not_depressed", "0")}
    assert "part train, class depressed: 3 participants found, 30 in the distribution" in invariants
    labels, invariants = of_409(correct_409=True)
    assert labels == {("depressed", "0")}
    assert "part train, class depressed: 4 participants found, 31 in the distribution" in invariants
    assert not any("409 has the score" in sentence for sentence in invariants)


def test_windows_cover_each_turn_and_do_not_leave_it(release):
    corpus = daic_woz.read(release.root, unit="window", window_s=4, hop_s=3)
    assert _turns(corpus, "303") == {
        "303_0006_w00": (9.0, 10.5),
        "303_0012_w00": (14.25, 16.0),
        "303_0014_w00": (17.0, 18.5),
        "303_0016_w00": (22.0, 26.0),
        "303_0016_w01": (25.0, 29.0),
        "303_0016_w02": (27.75, 31.75),  # moved back to the end of the turn
        "303_0017_w00": (32.0, 34.0),
        "303_0020_w00": (38.5, 40.0),
    }
    assert corpus.invariants == daic_woz.read(release.root).invariants


@pytest.mark.parametrize(
    ("window_s", "hop_s", "begins"),
    [(2, 2, [0, 2, 4, 6, 7.75]), (9.75, 1, [0]), (9.5, 0.25, [0, 0.25]), (10, 5, [0]), (3.75, 3, [0, 3, 6])],
)
def test_windows_of_a_turn(window_s, hop_s, begins):
    windows = daic_woz._windows(22.0, 31.75, window_s, hop_s)
    assert [begin - 22 for begin, _ in windows] == begins
    assert all(end - begin == min(window_s, 9.75) for begin, end in windows)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"unit": "sentence"}, "data.options.unit=sentence is unknown"),
        ({"unit": "window", "window_s": 0}, "data.options.window_s=0"),
        ({"unit": "window", "hop_s": -1}, "data.options.hop_s=-1"),
        ({"unit": "window", "hop_s": "2s"}, "data.options.hop_s=2s"),
        ({"unit": "window", "window_s": 2, "hop_s": 3}, "data.options.hop_s=3 leaves gaps"),
    ],
)
def test_wrong_option_is_refused_and_named(release, options, named):
    with pytest.raises(UserError, match=re.escape(named)):
        daic_woz.read(release.root, **options)


@pytest.mark.parametrize("where", ["parent", "labels apart", "labels beside"])
def test_root_may_be_the_parent_and_labels_apart(release, where):
    before = [one.utterance for one in daic_woz.read(release.root).utterances]
    if where != "parent":
        folder = release.root / "labels" if where == "labels apart" else release.root.parent / "labels"
        folder.mkdir()
        for path in release.root.glob("*_split*.csv"):
            path.rename(folder / path.name)
    root = release.root if where == "labels apart" else release.root.parent
    assert [one.utterance for one in daic_woz.read(root).utterances] == before


def test_longest_clips_by_label_are_chosen_on_every_part_and_said_to_leak(release, monkeypatch):
    monkeypatch.setitem(daic_woz.LONGEST, "not_depressed", 1)
    monkeypatch.setitem(daic_woz.LONGEST, "depressed", 2)
    everything, corpus = daic_woz.read(release.root), daic_woz.read(release.root, clips="longest_by_label")
    assert everything.leaks == ()
    assert corpus.leaks == (daic_woz.LEAK,)
    for speaker in {one.speaker for one in everything.utterances}:
        lengths = sorted((one.end - one.start for one in everything.utterances if one.speaker == speaker), reverse=True)
        kept = [one for one in corpus.utterances if one.speaker == speaker]
        number = {"not_depressed": 1, "depressed": 2}[kept[0].label]
        assert sorted((one.end - one.start for one in kept), reverse=True) == lengths[:number]
    with pytest.raises(UserError, match=r"data.options.clips=some is unknown: use one of all, longest_by_label"):
        daic_woz.read(release.root, clips="some")


def test_without_labels_of_the_test_part_its_validation_part_is_tested(release):
    (release.root / "full_test_split.csv").unlink()
    corpus = daic_woz.read(release.root)
    assert corpus.folds == {"dev": ()}
    parts = split(corpus, None, "honest")
    assert {corpus.utterances[row].speaker for row in parts.test} == {"302", "321"}
    assert {corpus.utterances[row].speaker for row in parts.train + parts.val} == {
        "303",
        "318",
        "319",
        "373",
        "409",
        "451",
    }


def test_official_fold_has_the_parts_of_avec_2017(release):
    corpus = daic_woz.read(release.root)
    assert corpus.folds == {"official": (), "dev": ()}
    divided = split(corpus, "official", "honest")
    speakers = {
        part: {corpus.utterances[row].speaker for row in getattr(divided, part)} for part in ("train", "val", "test")
    }
    assert speakers == {
        "train": {"303", "318", "319", "373", "409", "451"},
        "val": {"302", "321"},
        "test": {"300", "362"},
    }


def test_without_labels_of_the_test_part_its_participants_are_left_out(release):
    (release.root / "full_test_split.csv").unlink()
    corpus = daic_woz.read(release.root)
    assert {one.part for one in corpus.utterances} == {"train", "val"}
    (sentence,) = [sentence for sentence in corpus.invariants if "full_test_split.csv" in sentence]
    assert sentence.startswith(f"{release.root} has no full_test_split.csv with the labels of the test part, so its 47")
    assert not any("in no label file" in sentence for sentence in corpus.invariants)


def test_test_part_can_be_left_out(release):
    corpus = daic_woz.read(release.root, include_test=False)
    assert {one.part for one in corpus.utterances} == {"train", "val"}
    assert not any("test" in sentence or "missing" in sentence for sentence in corpus.invariants)


def test_missing_and_surplus_sessions_are_named_by_number(release):
    (release.root / "319_P").rename(release.root / "342_P")
    (release.root / "490_P").mkdir()
    (release.root / "600_P").mkdir()
    invariants = daic_woz.read(release.root).invariants
    assert (
        "sessions 301, 304-317, 319-320, 322-341, 343-361, 363-372, 374-393, 395-397, 399-408, 410-450, 452-459, "
        f"461-489, 491-492: 179 of 189 folders NNN_P are missing, unpack them into {release.root}"
    ) in invariants
    assert "sessions 342, 600: folders that the distribution does not have" in invariants
    assert "sessions 490: in no label file" in invariants


@pytest.mark.parametrize(
    ("remove", "lacks"),
    [
        (["303_AUDIO.wav"], "303_AUDIO.wav"),
        (["303_TRANSCRIPT.csv"], "303_TRANSCRIPT.csv"),
        (["303_AUDIO.wav", "303_TRANSCRIPT.csv"], "303_AUDIO.wav and 303_TRANSCRIPT.csv"),
        ([], "303_AUDIO.wav"),  # empty
    ],
)
def test_half_unpacked_session_is_named_and_left_out(release, remove, lacks):
    folder = release.root / "303_P"
    for name in remove:
        (folder / name).unlink()
    if not remove:
        (folder / "303_AUDIO.wav").write_bytes(b"")
    corpus = daic_woz.read(release.root)
    assert f"session 303: {folder} lacks {lacks}, unpack 303_P.zip there again" in corpus.invariants
    assert "303" not in {one.speaker for one in corpus.utterances}


def test_turns_after_the_end_of_the_audio_are_named_and_the_last_one_is_cut(release):
    path = release.root / "303_P" / "303_AUDIO.wav"
    os.truncate(path, 44)
    data = 2 * 16000 * 30
    _edit(path, path.read_bytes()[40:44], data.to_bytes(4, "little"))
    corpus = daic_woz.read(release.root)
    assert _turns(corpus, "303")["303_0016"] == (22.0, 30.0)
    assert "303_0017" not in _turns(corpus)
    assert (
        f"session 303: 2 turns begin after the end of {path} (30.0 s), unpack 303_P.zip there again"
        in corpus.invariants
    )


def test_audio_that_is_no_wav_is_left_to_the_audio_reader(release):
    (release.root / "303_P" / "303_AUDIO.wav").write_bytes(b"not a RIFF header at all")
    assert _differences(daic_woz.read(release.root), release) == []


@pytest.mark.parametrize("delimiter", [b",", b";", b" "])
def test_transcript_with_another_delimiter_is_refused(release, delimiter):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    path.write_bytes(path.read_bytes().replace(b"\t", delimiter))
    with pytest.raises(UserError) as caught:
        daic_woz.read(release.root)
    assert f"{path} does not begin with the tab-separated header" in str(caught.value)
    assert "303_P.zip again" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"Start_Time\tEnd_Time\tText\tConfidence\n"])
def test_empty_or_foreign_transcript_is_refused(release, content):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"303_TRANSCRIPT\.csv does not begin with the tab-separated header"):
        daic_woz.read(release.root)


def test_rows_that_cannot_be_understood_are_named_by_line(release):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    _edit(
        path,
        b"38.5\t40\tparticipant\tbye",
        b"38.5,40,participant,bye\nlater\t41\tParticipant\tbye\n42\t43\tParticipant\tbye",
    )
    corpus = daic_woz.read(release.root)
    assert f"session 303: {path} has rows without times and speaker, in line 20, 21" in corpus.invariants
    assert _turns(corpus, "303")["303_0022"] == (42.0, 43.0)


def test_session_without_ellie_that_is_no_known_fault_is_named(release):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    path.write_bytes(path.read_bytes().replace(b"\tEllie\t", b"\tEli\t"))
    assert f"session 303: no turn of the participant after Ellie's first line in {path}" in (
        daic_woz.read(release.root).invariants
    )


@pytest.mark.parametrize("missing", [TRAIN, DEV])
@pytest.mark.parametrize("other", ["Detailed_PHQ8_Labels.csv", "metadata_mapped.csv", "dev_split.csv", None])
def test_missing_label_file_is_named_and_one_of_another_edition_too(release, missing, other):
    (release.root / missing).unlink()
    if other:
        (release.root / other).touch()
    with pytest.raises(UserError) as caught:
        daic_woz.read(release.root)
    found = f" ({other} belong to another edition)" if other else ""
    assert f"{release.root} has no {missing}{found}: download the label files of AVEC 2017" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"PHQ8_Binary", b"PHQ_8Total", "has no column phq8_binary or phq_binary but"),
        (b"Participant_ID", b"Participant", "has no column participant_id but"),
        (b"303,0,4", b"303,2,4", "row 2: phq8_binary=2 is no whole number from 0 to 1"),
        (b"303,0,4", b"303,,4", "row 2: phq8_binary= is no whole number"),
        (b"303,0,4", b"303,0,25", "row 2: phq8_score=25 is no whole number from 0 to 24"),
        (b"303,0,4", b"P303,0,4", "row 2: participant_id=P303 is no whole number"),
        (b"303,0,4", b"302,0,4", "participant 302 is there twice, in the train and in the val part"),
    ],
)
def test_wrong_label_file_is_refused_and_the_place_named(release, old, new, named):
    _edit(release.root / TRAIN, old, new)
    with pytest.raises(UserError) as caught:
        daic_woz.read(release.root)
    assert named in str(caught.value)
    assert str(release.root) in str(caught.value)
    assert "corpus's site" in str(caught.value)


def test_label_file_may_be_written_by_a_spreadsheet(release):
    before = daic_woz.read(release.root)
    path = release.root / TRAIN
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"303,0,4,1", b"303.0,0.0,4.0,1.0") + b",,,,\n")
    assert daic_woz.read(release.root).utterances == before.utterances


def test_score_that_contradicts_the_label_is_named_but_not_that_of_409(release):
    _edit(release.root / DEV, b"302,0,0", b"302,0,11")
    sentences = [one for one in daic_woz.read(release.root).invariants if "has the score" in one]
    assert sentences == [f"{release.root / DEV}, row 2: participant 302 has the score 11, but binary 0"]


def test_participant_outside_the_distribution_is_named(release):
    _edit(release.root / DEV, b"302,0,0", b"602,0,0")
    assert "participants 602: labelled, but not in the distribution" in daic_woz.read(release.root).invariants


@pytest.mark.parametrize("made", ["nothing", "a file", "empty folder", "no participant's session"])
def test_root_without_the_corpus_names_the_key_and_the_remedy(tmp_path, made):
    root = tmp_path / "corpus"
    if made == "a file":
        root.touch()
    elif made != "nothing":
        root.mkdir()
    if made == "no participant's session":
        (root / "305_P").mkdir()
        write_labels(root, [])
    with pytest.raises(UserError) as caught:
        daic_woz.read(root)
    assert f"data.root={root}" in str(caught.value)
    assert "dcapswoz.ict.usc.edu" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", [TRAIN, "303_P/303_TRANSCRIPT.csv", "303_P/303_AUDIO.wav"])
def test_unreadable_file_is_named(release, name):
    path = release.root / name
    path.chmod(0)
    with pytest.raises(UserError, match=rf"{re.escape(str(path))} cannot be read \(Permission denied\)"):
        daic_woz.read(release.root)


@pytest.mark.slow
def test_full_size_tree_has_the_published_counts(tmp_path):
    release = full(tmp_path / "DAIC-WOZ")
    begin = time.perf_counter()
    corpus = daic_woz.read(release.root)
    seconds = time.perf_counter() - begin
    assert corpus.invariants == []
    assert _differences(corpus, release) == []
    classes = {one.speaker: (one.part, one.label) for one in corpus.utterances}
    assert len(classes) == 189
    assert Counter(classes.values()) == {
        ("train", "not_depressed"): 77,
        ("train", "depressed"): 30,
        ("val", "not_depressed"): 23,
        ("val", "depressed"): 12,
        ("test", "not_depressed"): 47 - FULL_DEPRESSED["test"],
        ("test", "depressed"): FULL_DEPRESSED["test"],
    }
    assert seconds < 10
    corrected = daic_woz.read(release.root, correct_409=True)
    assert corrected.invariants == []
    assert {one.label for one in corrected.utterances if one.speaker == "409"} == {"depressed"}

    assert daic_woz.read(release.root, corrections=["interruption", "misaligned"]).invariants[-3:] == [
        f"session {number}: no turn of the participant after Ellie's first line in "
        f"{release.root / f'{number}_P' / f'{number}_TRANSCRIPT.csv'}"
        for number in (451, 458, 480)
    ]
    (release.root / "451_P" / "451_AUDIO.wav").unlink()
    assert len(daic_woz.read(release.root).invariants) == 3  # part, class and session
