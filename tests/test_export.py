import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from hrf_ser.data.corpora import Corpus, Utterance, read_corpus
from hrf_ser.data.protocols import PROTOCOLS, Split, hash_test_speakers, split_corpus
from hrf_ser.data.transfer import as_joined
from hrf_ser.errors import UserError
from hrf_ser.export import CorpusAudio, calibration_rows, spread
from tiny_bundles import write_bundle

LABELS = ("angry", "happy", "sad")
RAVDESS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def corpus(speakers):
    rows = [
        Utterance(f"{i:03d}", Path(f"{i}.wav"), "sad", speaker, group=speaker) for i, speaker in enumerate(speakers)
    ]
    return Corpus("made up", rows, ("sad", "happy"), {"1": ("a",)})


def test_calibration_leaves_test_speakers_out():
    # A wrong partition on purpose: row 3 is of the test speaker.
    table = corpus(["a", "a", "b", "a", "c", "b", "d"])
    partition = Split("1", PROTOCOLS["validation"], train=(2, 3, 4, 5), val=(6,), test=(0, 1))
    assert calibration_rows(table, partition, 100) == [2, 4, 5]
    assert set(calibration_rows(table, partition, 2)) < {2, 4, 5}
    with pytest.raises(UserError, match="no training speaker"):
        calibration_rows(table, Split("1", PROTOCOLS["validation"], train=(3,), val=(6,), test=(0, 1)), 5)


def test_a_sample_of_the_rows_is_from_all_over_and_always_the_same():
    rows = list(range(100))
    assert spread(rows, 10) == spread(rows, 10)
    assert max(spread(rows, 10)) > 50
    assert spread(rows, 1000) == rows


def test_mistakes_end_in_one_sentence(command, tmp_path):
    bundle = write_bundle(tmp_path / "bundle")
    cases = {
        ("bundle=nowhere",): "Error: nowhere: holds no bundle.json",
        (f"bundle={bundle}", "format=zip"): "Error: format=zip is unknown: use one of onnx, onnx-int8",
        (
            f"bundle={bundle}",
            "format=onnx-int8",
            "int8.mode=static",
        ): "Error: int8.mode=static is calibrated on training",
        (f"bundle={bundle}", "limits.ua=much"): "Error: limits.ua=much must be a number",
        (f"bundle={bundle}", "limits=null"): "Error: limits=null must be a group of settings",
        (
            f"bundle={bundle}",
            "+limits.foo=1",
        ): "Error: limits.foo is unknown: use one of limits.logits, limits.changed_predictions",
        (f"bundle={bundle}", f"out={tmp_path}"): f"Error: out={tmp_path}: is a folder",
        ("format=onnx",): "Error: bundle has no value",
    }
    for arguments, message in cases.items():
        finished = command("export", *arguments, cwd=tmp_path)
        assert finished.returncode == 1
        assert finished.stderr.startswith(message), finished.stderr
        assert len(finished.stderr.strip().splitlines()) == 1
        assert finished.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_file_and_bundle_are_compared_on_real_audio(command, ravdess, tmp_path):
    pytest.importorskip("onnxscript")
    card = {"corpus": "ravdess", "fold": "1", "protocol": "validation"}
    bundle = write_bundle(tmp_path / "run" / "bundle", labels=RAVDESS, card=card)
    words = ["data=ravdess", f"data.root={ravdess}", "parity.utterances=5", "int8.calibration=4", "limits.ua=1"]
    finished = command("export", f"bundle={bundle}", "format=onnx-int8", "int8.mode=static", *words, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    folder = tmp_path / "run" / "export"
    report = json.loads((folder / "conv_transformer.int8.onnx.json").read_text())
    assert (folder / "conv_transformer.int8.onnx").stat().st_size == report["bytes"]
    assert report["equivalence"]["audio"] == "real"
    assert report["equivalence"]["utterances"] == 5
    assert report["equivalence"]["ua_before"] is not None
    assert report["quantisation"] == "int8-static"
    assert "5 real utterances" in finished.stdout


def test_another_corpus_has_no_test_split(command, ravdess, tmp_path):
    bundle = write_bundle(
        tmp_path / "bundle", labels=RAVDESS, card={"corpus": "emodb", "fold": "1", "protocol": "validation"}
    )
    finished = command("export", f"bundle={bundle}", "data=ravdess", f"data.root={ravdess}", cwd=tmp_path, fresh=True)
    assert finished.returncode == 1
    assert "the bundle was trained on emodb" in finished.stderr.splitlines()[-1]


@pytest.fixture
def table(tmp_path):
    """``table(speakers)``: a CSV table in which each speaker says every label once."""

    def write(speakers):
        rows = [f"{speaker}_{label}.wav,{label},{speaker}" for speaker in speakers for label in LABELS]
        for row in rows:
            (tmp_path / row.split(",")[0]).write_bytes(b"")
        path = tmp_path / f"{'_'.join(speakers)}.csv"
        path.write_text("\n".join(["path,label,speaker", *rows]) + "\n")
        return path

    return write


def audio_of(bundle, path, chosen="test", mode="static"):
    data = {"name": "table", "root": str(path), "options": {}, "on_bad_audio": "stop"}
    config = {
        "data": data,
        "format": "onnx-int8",
        "int8": {"mode": mode},
        "parity": {"split": chosen, "utterances": "all"},
    }
    return CorpusAudio(OmegaConf.create(config), bundle)


def test_no_audio_that_can_be_read_ends_in_a_sentence(table, tmp_path):
    audio = audio_of(write_bundle(tmp_path / "new", card={"corpus": "table"}), table("ab"), "all", "weights")
    with pytest.raises(UserError, match=r"cannot be read|is empty"):
        list(audio.examples())
    audio.config.data.on_bad_audio = "skip"
    with pytest.raises(UserError, match="none of the 6 selected utterances can be read"):
        list(audio.examples())


def test_another_table_has_no_test_split(table, tmp_path):
    old, grown, other = table("abcd"), table("abcdefgh"), table("acef")
    trained_on = read_corpus("table", old)
    partition = split_corpus(trained_on, "1of2", "validation", 2)
    card = {"corpus": "table", "fold": "1of2", "protocol": "validation", "folds": 2}
    bundle = write_bundle(
        tmp_path / "new", card={**card, "test_speakers_hash": hash_test_speakers(trained_on, partition)}
    )
    assert audio_of(bundle, old).split == partition
    for path in (grown, other):
        with pytest.raises(
            UserError, match=rf"{path.name} has other test speakers than .* parity.split=all and another int8"
        ):
            audio_of(bundle, path)
        with pytest.raises(UserError, match=r"or parity\.split=all\.$"):
            audio_of(bundle, path, mode="weights")
        assert audio_of(bundle, path, "all", "weights").split is None
    # Cards of earlier versions do not have the hash of the test speakers.
    assert audio_of(write_bundle(tmp_path / "early", card=card), grown).split is not None


def test_table_that_was_only_tested_is_the_test_split(table, tmp_path):
    tested = read_corpus("table", table("cd"))
    whole = Split("1", PROTOCOLS["validation"], train=(), val=(), test=tuple(range(6)))
    card = {"corpus": "table>table", "fold": "1", "protocol": "validation"}
    bundle = write_bundle(
        tmp_path / "bundle", card={**card, "test_speakers_hash": hash_test_speakers(as_joined(tested), whole)}
    )
    assert audio_of(bundle, table("cd"), mode="weights").split == whole
    with pytest.raises(UserError, match="has other test speakers"):
        audio_of(bundle, table("ab"), mode="weights")
