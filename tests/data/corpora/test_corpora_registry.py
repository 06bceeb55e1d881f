"""The registry: what it knows, what it refuses, what it imports, and that conf/data/ speaks of the same options."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from hrf_ser.data.corpora import Corpus, Utterance, corpus_names, read_corpus
from hrf_ser.errors import UserError

CONF = Path(__file__).parents[3] / "conf" / "data"


def test_importing_the_corpora_imports_neither_torch_nor_numpy():
    code = "import sys, hrf_ser.data.corpora; print({'torch', 'numpy', 'pandas', 'soundfile'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_unknown_corpus_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"data.name=ravdes is not a corpus: .*demo.*ravdess.*emodb.*table"):
        read_corpus("ravdes", tmp_path)


def test_unknown_option_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"data.options.fetch is not an option of the corpus ravdess: it has download"):
        read_corpus("ravdess", tmp_path, fetch=True)
    with pytest.raises(UserError, match=r"data.options.labels .* emodb: it has none"):
        read_corpus("emodb", tmp_path, labels=None)


def test_tilde_in_root_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / "03a01Fa.wav").touch()
    assert read_corpus("emodb", "~").utterances[0].path == tmp_path / "wav" / "03a01Fa.wav"


@pytest.mark.parametrize("name", corpus_names())
def test_config_lists_exactly_the_options_of_its_reader_with_their_defaults(name):
    file = CONF / f"{name}.yaml"
    config = OmegaConf.load(file)
    assert config.name == name
    parameters = inspect.signature(import_module(f"hrf_ser.data.corpora.{name}").read).parameters
    defaults = {key: parameter.default for key, parameter in parameters.items() if key != "root"}
    assert OmegaConf.to_container(config.options) == defaults


def _one(name: str, label: str = "happy") -> Utterance:
    return Utterance(name, Path(f"{name}.wav"), label, "s", group="s")


def test_utterances_are_sorted_by_id():
    corpus = Corpus("x", [_one("b"), _one("c"), _one("a")], ("happy",), {})
    assert [one.utterance for one in corpus.utterances] == ["a", "b", "c"]


def test_same_id_twice_is_refused():
    with pytest.raises(UserError, match=r"Utterance a of x is there twice, a.wav and a.wav"):
        Corpus("x", [_one("a"), _one("a")], ("happy",), {})


def test_label_outside_the_label_set_is_refused():
    with pytest.raises(UserError, match=r"a.wav has the label 'bored', which is none of happy, sad"):
        Corpus("x", [_one("a", "bored")], ("happy", "sad"), {})
