"""The main job from weights of another run."""

import json

import pytest
import torch
from safetensors.torch import load_file

from hrf_ser.errors import UserError
from hrf_ser.hrf import merge_hrf
from hrf_ser.training.history import History

HRF = ("hrf=true", "rank=2")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def plain(train, runs):
    """A finished plain run of fold 2."""
    if not (runs / "plain").exists():
        train(runs / "plain", "fold=2", "optimizer.lr=0.01")
    return runs / "plain"


@pytest.fixture
def factorised(train, runs):
    """A finished run with factors of fold 2."""
    if not (runs / "factorised").exists():
        train(runs / "factorised", "fold=2", *HRF, "optimizer.lr=0.01")
    return runs / "factorised"


@pytest.fixture
def started_module(train, monkeypatch):
    """``started_module(folder, *overrides)``: the module with which a fit begins, and ends at once."""

    class StartedError(Exception):
        pass

    def begin(*arguments):
        seen = []

        def on_train_start(self, trainer, pl_module) -> None:
            seen.append(pl_module)
            raise StartedError

        with monkeypatch.context() as patch:
            patch.setattr(History, "on_train_start", on_train_start)
            with pytest.raises(StartedError):
                train(*arguments)
        return seen[0]

    return begin


@pytest.mark.parametrize(
    "words",
    [[], HRF, [*HRF, "reparam.factors=3", "reparam.mode=inserted"], ["hrf=true", "callbacks=ema"]],
    ids=" ".join,
)
def test_the_function_before_the_first_step_is_that_of_the_source(started_module, plain, tmp_path, words):
    module = started_module(tmp_path, f"init_from={plain}", "fold=2", "seed=5", *words)
    assert ("hrf=true" in words) == (
        len(list(module.model.parameters())) > len(list(merge_hrf(module.model).parameters()))
    )
    weights = load_file(plain / "bundle/model.safetensors")
    merged = merge_hrf(module.model).state_dict()
    assert {f"model.{key}" for key in merged} == {key for key in weights if key.startswith("model.")}
    for key, value in merged.items():
        torch.testing.assert_close(value, weights[f"model.{key}"], atol=1e-6, rtol=1e-5)
    # One fold, one training split: the same statistics, although they are computed again.
    assert torch.equal(module.normaliser.mean, weights["normaliser.mean"])
    classifier = type(module).load_from_checkpoint(plain / "checkpoints/best.ckpt", weights_only=True).eval()
    features, lengths = torch.randn(3, 90, 64), torch.tensor([90, 61, 30])
    with torch.no_grad():
        found, expected = module.eval()(features, lengths), classifier(features, lengths)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("inside", ["", "bundle", "checkpoints/best.ckpt"])
def test_factors_are_merged_whichever_file_is_named(started_module, factorised, tmp_path, inside):
    module = started_module(tmp_path, f"init_from={factorised / inside}", "fold=2")
    weights = load_file(factorised / "bundle/model.safetensors")
    for key, value in module.model.state_dict().items():
        assert torch.equal(value, weights[f"model.{key}"])


def test_any_checkpoint_of_a_run_may_be_named(started_module, factorised, tmp_path):
    content = torch.load(factorised / "checkpoints/last.ckpt", weights_only=True)
    (tmp_path / "source/checkpoints").mkdir(parents=True)
    (tmp_path / "source/bundle").symlink_to(factorised / "bundle")
    state = {key: value + 1 if key.startswith("model.") else value for key, value in content["state_dict"].items()}
    torch.save({"state_dict": state, "reparam": content["reparam"]}, tmp_path / "source/checkpoints/other.ckpt")
    module = started_module(tmp_path / "run", f"init_from={tmp_path}/source/checkpoints/other.ckpt", "fold=2", *HRF)
    untouched = [key for key in state if key.startswith("model.") and "parametrizations" not in key]
    assert untouched
    assert all(torch.equal(module.state_dict()[key], state[key]) for key in untouched)


def test_a_run_starts_from_another_and_records_it(train, plain, tmp_path):
    record = train(tmp_path / "a", f"init_from={plain}", "fold=2", "seed=5", *HRF)
    source = json.loads((plain / "metrics.json").read_text())
    assert record["init_from"] == {
        **{key: source[key] for key in ("corpus", "protocol", "fold", "seed", "hrf", "rank", "test_speakers_hash")},
        **{"classes": None, "folds": "corpus", "init_from": None},
    }
    assert record["epochs"] == 2
    assert f"init_from: {plain}" in (tmp_path / "a/config.yaml").read_text()
    # What comes after it knows of both.
    card = json.loads((tmp_path / "a/bundle/bundle.json").read_text())["card"]
    assert card["init_from"] == record["init_from"]
    third = train(tmp_path / "b", f"init_from={tmp_path}/a/bundle", "fold=2", "trainer.max_epochs=1")
    assert third["init_from"]["init_from"] == record["init_from"]
    assert source["init_from"] is None


def test_other_speakers_are_refused_before_features_are_computed(train, plain, tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(UserError, match="was trained on demo with fold=2 where this run has fold=1"):
        train(tmp_path / "run", f"init_from={plain}", f"cache_dir={cache}")
    assert not list(cache.rglob("*.f32"))
    assert not (tmp_path / "run/config.yaml").exists()


def test_another_corpus_with_the_same_classes_is_taken_with_a_warning(train, plain, cache, tmp_path, caplog):
    root = next(path.parent for path in cache.rglob("demo.json"))
    lines = ["path,label,speaker"]
    for path in sorted(root.rglob("*.wav")):
        label = next((one for one in ("angry", "happy", "neutral", "sad") if one in path.name), None)
        if label is not None:
            lines.append(f"{path},{label},{path.parent.name}")
    assert len(lines) > 50
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    words = ("data=table", f"data.root={tmp_path}/mine.csv", "trainer.max_epochs=1")
    record = train(tmp_path / "run", f"init_from={plain}", *words)
    assert record["init_from"]["corpus"] == "demo"
    assert caplog.text.count("was trained on demo; test speakers may occur in it") == 1


def test_a_checkpoint_that_does_not_fit_its_bundle_ends_in_a_sentence(train, plain, tmp_path):
    folder = tmp_path / "source"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "bundle").symlink_to(plain / "bundle")
    file = folder / "checkpoints/best.ckpt"
    file.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match=r"best\.ckpt: cannot be read as a checkpoint"):
        train(tmp_path / "a", f"init_from={file}", "fold=2")
    torch.save({"state_dict": {"model.other": torch.ones(2)}}, file)
    with pytest.raises(UserError, match=r"best\.ckpt: does not fit this model"):
        train(tmp_path / "b", f"init_from={file}", "fold=2")
