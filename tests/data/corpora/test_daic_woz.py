"""DAIC-WOZ: label files, transcripts, every known fault, turns and windows, and the published counts."""

import re
import time
from collections import Counter

import pytest
from releases_daic_woz import FULL_DEPRESSED, OFFSETS, SYNC, differences, edit, full, miniature, transcript, turns_of

from hrf_ser.data.corpora import daic_woz, daic_woz_sessions
from hrf_ser.data.protocols import split_corpus
from hrf_ser.errors import UserError


@pytest.fixture
def release(tmp_path):
    return miniature(tmp_path / "DAIC-WOZ")


def test_turns_are_those_of_the_transcripts_with_every_fault_corrected(release):
    corpus = daic_woz.read(release.root)
    assert differences(corpus, release) == []
    assert [one.utterance for one in corpus.utterances] == sorted(release.turns)


def test_fields(release):
    corpus = daic_woz.read(release.root)
    one = next(one for one in corpus.utterances if one.speaker == "318")
    assert (one.utterance, one.label, one.speaker, one.group, one.split) == (
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
    assert {one.speaker: (one.sex, one.split) for one in corpus.utterances} == {
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
    rows = daic_woz_sessions._rows

    def renamed(path):
        read, unread = rows(path)
        return [daic_woz_sessions._Row(r.line, r.start, r.end, "participant", r.text) for r in read], unread

    def with_ellie_first(path):
        read, unread = rows(path)
        return [daic_woz_sessions._Row(0, 0.0, 1.0, "ellie", ""), *read], unread

    def everything(path):
        read, unread = renamed(path)
        return [daic_woz_sessions._Row(0, 0.0, 1.0, "ellie", ""), *read], unread

    name, value = {
        "offset sign": ("MISALIGNED", {session: -offset for session, offset in daic_woz_sessions.MISALIGNED.items()}),
        "sync kept": ("_SYNC", nothing),
        "ellie's rows kept": ("_rows", everything),
        "before ellie": ("_rows", with_ellie_first),
        "scrubbed kept": ("_SCRUBBED", nothing),
        "no ellie": ("WITHOUT_ELLIE", ()),
        "interruption kept": ("INTERRUPTIONS", {}),
    }[broken]
    monkeypatch.setattr(daic_woz_sessions, name, value)
    assert named in differences(daic_woz.read(release.root), release)


def test_offsets_are_those_of_the_corpus():
    assert {int(session): offset for session, offset in daic_woz_sessions.MISALIGNED.items()} == OFFSETS


def test_each_correction_can_be_left_out_by_name(release):
    def read(*names):
        return turns_of(daic_woz.read(release.root, corrections=list(names)))

    corrected = turns_of(daic_woz.read(release.root))
    assert read("interruption", "misaligned", "without_ellie") == corrected
    without_offset = read("interruption", "without_ellie")
    assert without_offset["318_0006"] == (9.0, 10.5)
    assert without_offset["373_0021"] == corrected["373_0021"] == (390.0, 395.0)
    assert read("misaligned")["373_0021"] == (390.0, 397.0)
    assert not any(name.startswith("451") for name in read("misaligned", "interruption"))
    assert read() == turns_of(daic_woz.read(release.root, corrections=False))
    assert set(corrected) - set(read()) == {name for name in corrected if name.startswith("451")}


def test_unknown_correction_is_refused(release):
    with pytest.raises(
        UserError, match=r"corrections=typo is unknown: use one of interruption, misaligned, without_ellie"
    ):
        daic_woz.read(release.root, corrections=["misaligned", "typo"])


def test_turn_around_an_interruption_becomes_two(tmp_path):
    lines, kept = transcript(444)
    path = tmp_path / "444_TRANSCRIPT.csv"
    path.write_text("\n".join(lines))
    turns, _ = daic_woz_sessions.read_transcript(path, "444", ["interruption"])
    assert [(one.name, one.start, one.end) for one in turns[-2:]] == [("0021", 280, 286), ("0021b", 387, 390)]
    assert {one.name for one in turns} - {"0013"} == set(kept)  # 0013 is under 0.2 s


@pytest.mark.parametrize("mark", SYNC)
def test_sync_mark_in_any_spelling_is_no_turn(release, mark):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    edit(path, b"\tbye", f"\t{mark}".encode())
    assert set(release.turns) - set(turns_of(daic_woz.read(release.root))) == {"303_0020"}


def test_participant_409_is_as_distributed_unless_requested(release):
    def of_409(**options):
        corpus = daic_woz.read(release.root, **options)
        return {
            (one.label, dict(one.extra)["phq8_binary"]) for one in corpus.utterances if one.speaker == "409"
        }, corpus.count_mismatches

    labels, count_mismatches = of_409()
    assert labels == {("not_depressed", "0")}
    assert "split train, class depressed: 3 participants found, 30 in the distribution" in count_mismatches
    labels, count_mismatches = of_409(correct_409=True)
    assert labels == {("depressed", "0")}
    assert "split train, class depressed: 4 participants found, 31 in the distribution" in count_mismatches
    assert not any("409 has the score" in sentence for sentence in count_mismatches)


def test_windows_cover_each_turn_and_do_not_leave_it(release):
    corpus = daic_woz.read(release.root, unit="window", window_s=4, hop_s=3)
    assert turns_of(corpus, "303") == {
        "303_0006_w00": (9.0, 10.5),
        "303_0012_w00": (14.25, 16.0),
        "303_0014_w00": (17.0, 18.5),
        "303_0016_w00": (22.0, 26.0),
        "303_0016_w01": (25.0, 29.0),
        "303_0016_w02": (27.75, 31.75),  # moved back to the end of the turn
        "303_0017_w00": (32.0, 34.0),
        "303_0020_w00": (38.5, 40.0),
    }
    assert corpus.count_mismatches == daic_woz.read(release.root).count_mismatches


@pytest.mark.parametrize(
    ("window_s", "hop_s", "begins"),
    [(2, 2, [0, 2, 4, 6, 7.75]), (9.75, 1, [0]), (9.5, 0.25, [0, 0.25]), (10, 5, [0]), (3.75, 3, [0, 3, 6])],
)
def test_windows_of_a_turn(window_s, hop_s, begins):
    windows = daic_woz._windows(daic_woz_sessions.Turn("0003", 22.0, 31.75, "yes"), window_s, hop_s)
    assert [window.start - 22 for window in windows] == begins
    assert all(window.end - window.start == min(window_s, 9.75) for window in windows)


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
    parts = split_corpus(corpus, None, "validation")
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
    divided = split_corpus(corpus, "official", "validation")
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
    assert {one.split for one in corpus.utterances} == {"train", "val"}
    (sentence,) = [sentence for sentence in corpus.count_mismatches if "full_test_split.csv" in sentence]
    assert sentence.startswith(
        f"{release.root} has no full_test_split.csv with the labels of the test split, so its 47"
    )
    assert not any("in no label file" in sentence for sentence in corpus.count_mismatches)


def test_test_part_can_be_left_out(release):
    corpus = daic_woz.read(release.root, include_test=False)
    assert {one.split for one in corpus.utterances} == {"train", "val"}
    assert not any("test" in sentence or "missing" in sentence for sentence in corpus.count_mismatches)


@pytest.mark.slow
def test_full_size_tree_has_the_published_counts(tmp_path):
    release = full(tmp_path / "DAIC-WOZ")
    begin = time.perf_counter()
    corpus = daic_woz.read(release.root)
    seconds = time.perf_counter() - begin
    assert corpus.count_mismatches == []
    assert differences(corpus, release) == []
    classes = {one.speaker: (one.split, one.label) for one in corpus.utterances}
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
    assert corrected.count_mismatches == []
    assert {one.label for one in corrected.utterances if one.speaker == "409"} == {"depressed"}

    assert daic_woz.read(release.root, corrections=["interruption", "misaligned"]).count_mismatches[-3:] == [
        f"session {number}: no turn of the participant after Ellie's first line in "
        f"{release.root / f'{number}_P' / f'{number}_TRANSCRIPT.csv'}"
        for number in (451, 458, 480)
    ]
    (release.root / "451_P" / "451_AUDIO.wav").unlink()
    assert len(daic_woz.read(release.root).count_mismatches) == 3  # part, class and session
