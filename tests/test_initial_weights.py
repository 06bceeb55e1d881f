"""Which weights a run may start from; what it says of others."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from helpers import REPOSITORY
from hrf_ser.config import to_dict
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.protocols import cross_corpus_split, hash_test_speakers, split_corpus
from hrf_ser.data.transfer import join
from hrf_ser.errors import UserError
from hrf_ser.initial_weights import find_initial_weights

LABELS = ("angry", "sad")


def corpus(name: str = "ours", speaker: str = "s") -> Corpus:
    utterances = [
        Utterance(f"u{group}_{label}", Path(f"{name}/a.wav"), label, f"{speaker}{group}", group=f"g{group}")
        for group in range(4)
        for label in LABELS
    ]
    return Corpus(name, utterances, LABELS, {str(group): (f"g{group}",) for group in range(4)})


@functools.cache
def composed(*words: str):
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        return compose("train", [*words, "cache_dir=/c"])


def config(*words: str, init_from: Path | str | None = None):
    # Merged, since composing takes most of a test's time.
    return OmegaConf.merge(composed(*words), {"init_from": None if init_from is None else str(init_from)})


def write_run(folder: Path, table: Corpus, fold: str = "1", protocol: str = "validation", **card) -> Path:
    """The description that a finished run leaves."""
    of = config()
    description = {
        "model": {"name": of.model.name, "options": to_dict(of.model.options)},
        "labels": list(LABELS),
        "front_end": {key: value for key, value in to_dict(of.features).items() if key != "normalisation"},
        "normalisation": "train",
        "card": {
            "corpus": table.name,
            "classes": None,
            "protocol": protocol,
            "folds": "corpus",
            "fold": fold,
            "test_speakers_hash": hash_test_speakers(table, split_corpus(table, fold, protocol)),
            "seed": 3,
            "hrf": False,
            "rank": None,
            "init_from": None,
            "test": {"ua": 0.5},
            **card,
        },
    }
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle/bundle.json").write_text(json.dumps(description))
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/best.ckpt").touch()
    return folder


def begin(named, *words: str, table: Corpus | None = None, fold: str = "1", protocol: str = "validation"):
    table = table or corpus()
    return find_initial_weights(config(*words, init_from=named), table, split_corpus(table, fold, protocol))


def test_without_the_key_there_is_none():
    table = corpus()
    assert find_initial_weights(config(), table, split_corpus(table, "1", "validation")) is None


@pytest.mark.parametrize("inside", ["", "bundle", "checkpoints/best.ckpt"])
def test_a_run_its_bundle_and_a_checkpoint_of_it_are_found(tmp_path, inside):
    run = write_run(tmp_path / "run", corpus())
    weights = begin(run / inside)
    assert weights.path == (run / inside if inside.endswith("ckpt") else run / "bundle")
    assert weights.record == {
        "corpus": "ours",
        "classes": None,
        "protocol": "validation",
        "folds": "corpus",
        "fold": "1",
        "test_speakers_hash": hash_test_speakers(corpus(), split_corpus(corpus(), "1", "validation")),
        "seed": 3,
        "hrf": False,
        "rank": None,
        "init_from": None,
    }
    assert weights.other_corpora(corpus()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=conformer"], r"model\.name=conv_transformer, and this run has model\.name=conformer"),
        (["model.options.width=32"], r"model\.options\.width=64, and this run has model\.options\.width=32"),
        (["+model.options.new=1"], r"model\.options\.new=null, and this run has model\.options\.new=1"),
        (["features.n_mels=80"], r"features\.n_mels=64, and this run has features\.n_mels=80"),
        (["features.normalisation=none"], r"features\.normalisation=train, and this run has .*=none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_another_model_or_front_end_is_refused_by_the_key_that_differs(tmp_path, words, message):
    run = write_run(tmp_path / "run", corpus())
    with pytest.raises(UserError, match=f"init_from={run}: is of a model with {message}; make them equal"):
        begin(run, *words)


def test_other_classes_are_refused_in_another_corpus_too(tmp_path):
    run = write_run(tmp_path / "run", corpus("theirs"))
    table = corpus()
    table.labels = ("angry", "sad", "calm")
    with pytest.raises(UserError, match=r"classes=angry, sad, and this run has classes=angry, sad, calm"):
        begin(run, table=table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": "2"}, r"on ours with fold=2 where this run has fold=1"),
        ({"protocol": "test_oracle"}, r"on ours with protocol=test_oracle where this run has protocol=validation"),
        ({"folds": 5}, r"on ours with protocol\.folds=5 where this run has protocol\.folds=corpus"),
        (
            {"classes": {"angry": ["angry"]}},
            r"on ours with label_map\.classes\.angry=\[angry\] where this run has label_map\.classes\.angry=null",
        ),
        (
            {"test_speakers_hash": "0123456789"},
            r"on ours with test_speakers_hash=0123456789 where this run has test_speakers_hash=\w+",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("generation", [1, 2, 3])
def test_other_test_speakers_in_any_earlier_run_are_refused(tmp_path, change, message, generation):
    run = write_run(tmp_path / "run", corpus(), **change)
    for further in range(1, generation):
        # The same speakers, by way of another corpus that is not this run's.
        card = json.loads((run / "bundle/bundle.json").read_text())["card"]
        run = write_run(tmp_path / f"further{further}", corpus("theirs"), init_from=card)
    with pytest.raises(UserError, match=f"was trained {message}, so it may have been trained on the test speakers"):
        begin(run)


def test_a_table_of_the_same_name_with_other_speakers_is_refused(tmp_path):
    run = write_run(tmp_path / "run", corpus("table", speaker="someone"))
    with pytest.raises(UserError, match="on table with test_speakers_hash="):
        begin(run, table=corpus("table"))


def test_another_corpus_is_taken_and_named(tmp_path):
    first = write_run(tmp_path / "first", corpus("first"), fold="3", protocol="test_oracle")
    card = json.loads((first / "bundle/bundle.json").read_text())["card"]
    second = write_run(tmp_path / "second", corpus("second"), init_from=card)
    weights = begin(second)
    assert weights.other_corpora(corpus()) == ["second", "first"]
    assert weights.record["init_from"]["corpus"] == "first"


def test_weights_trained_on_the_test_corpus_are_refused(tmp_path):
    source, target = corpus("source"), corpus("target")
    joined = join(source, target)
    split = cross_corpus_split(joined, source, "1", "validation")
    for name in ("source", "target"):
        run = write_run(tmp_path / name, corpus(name))
        with pytest.raises(
            UserError, match=f"was trained on {name} with corpus={name} where this run has corpus=source>target"
        ):
            find_initial_weights(config(init_from=run), joined, split)


def test_a_missing_path_or_bundle_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"init_from=/no/where: no such file or folder"):
        begin("/no/where")
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/checkpoints/last.ckpt").touch()
    for named in (tmp_path / "run", tmp_path / "run/checkpoints/last.ckpt"):
        with pytest.raises(UserError, match=r"init_from=.*: there is no .*run/bundle/bundle\.json, which says"):
            begin(named)


DAMAGE = {
    "cut": lambda text: text[:100],
    "a list": lambda _: "[]",
    "no corpus": lambda text: text.replace('"corpus": "ours"', '"else": 1'),
    "a fold that is a number": lambda text: text.replace('"fold": "1"', '"fold": 1'),
    "no table of options": lambda text: text.replace('"options": {', '"options": 1, "left": {'),
    "no test speakers": lambda text: text.replace('"test_speakers_hash"', '"else"'),
    "no text": lambda _: "\udcff",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_descriptions_are_refused(tmp_path, kind):
    run = write_run(tmp_path / "run", corpus())
    file = run / "bundle/bundle.json"
    file.write_bytes(DAMAGE[kind](file.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"bundle\.json does not say what its model is and was trained on"):
        begin(run)


def test_tested_speakers_are_a_set():
    table = corpus()
    split = split_corpus(table, "1", "validation")
    assert hash_test_speakers(table, replace(split, test=split.test[:1])) == hash_test_speakers(table, split)
    assert hash_test_speakers(table, split_corpus(table, "2", "validation")) != hash_test_speakers(table, split)
