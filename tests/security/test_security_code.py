"""Nothing that is read runs code: what the source may call, and files that would write another one if they could."""

import ast
import collections
import hashlib
import importlib
import io
import json
import os
import pickle
import shutil

import pytest
import torch
import yaml

from helpers import REPOSITORY
from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.errors import UserError
from tiny_bundles import write_bundle

SOURCE = REPOSITORY / "src"
FILES = sorted(SOURCE.rglob("*.py"))
# They run what they read, or a command line.
FORBIDDEN_CALLS = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "yaml.unsafe_load",
        "yaml.full_load",
        "yaml.load_all",
    ),
    *("shutil.unpack_archive", "torch.hub.load", "numpy.fromfile", "OmegaConf.unsafe_merge"),
}
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "tarfile"}
# Lightning and torch read checkpoints there.
READ_CHECKPOINTS = {"load", "load_from_checkpoint", "fit", "test", "validate", "predict"}
# What hydra builds is named by conf/ and the command line: whoever writes those can start any program anyway.
INSTANTIATES = {"hrf_ser/training/build.py"}


def calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(node):
    return {word.arg: ast.unparse(word.value) for word in node.keywords}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_source_calls_nothing_that_runs_what_it_reads(path):
    for name, node in calls(path):
        given = keywords(node)
        assert name not in FORBIDDEN_CALLS, f"line {node.lineno}"
        assert given.get("shell") in (None, "False"), f"line {node.lineno}"
        assert given.get("allow_pickle") in (None, "False"), f"line {node.lineno}"
        assert not name.endswith((".extractall", ".extract")), f"line {node.lineno}"
        if name == "torch.load" or name.endswith(".load_from_checkpoint"):
            assert given.get("weights_only") == "True", f"line {node.lineno}"
        if name.split(".")[-1] in READ_CHECKPOINTS and "ckpt_path" in given:
            assert given.get("weights_only") == "True", f"line {node.lineno}"
        if name in ("yaml.load", "yaml.parse"):
            loader = given.get("Loader") or ast.unparse(node.args[1])
            module = importlib.import_module(str(path.relative_to(SOURCE).with_suffix("")).replace(os.sep, "."))
            assert getattr(module, loader) in (getattr(yaml, "CSafeLoader", None), yaml.SafeLoader)
        if name.split(".")[-1] == "instantiate":
            assert str(path.relative_to(SOURCE)) in INSTANTIATES, f"line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_source_imports_no_module_that_reads_code(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & FORBIDDEN_MODULES


class Evil:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def hidden(evil, where):
    state = {"state_dict": {"a": torch.ones(2)}, "hyper_parameters": {}, "pytorch-lightning_version": "2.6.0"}
    if where == "state":
        state["state_dict"]["b"] = evil
    elif where == "settings":
        state["hyper_parameters"]["model"] = evil
    else:
        state["callbacks"] = collections.OrderedDict(x=[evil])
    return state


@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle"])
@pytest.mark.parametrize("where", ["state", "settings", "callbacks"])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, form, where):
    from hrf_ser.training.module import EmotionModule
    from hrf_ser.training.resume import checkpoint_to_resume

    path, written = tmp_path / "last.ckpt", tmp_path / "written"
    content = hidden(Evil(written), where)
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be read as a checkpoint"):
        checkpoint_to_resume(str(path), tmp_path / "checkpoints")
    with pytest.raises(pickle.UnpicklingError):
        EmotionModule.load_from_checkpoint(path, weights_only=True)
    assert not written.exists()
    pickle.loads(pickle.dumps(Evil(written)))  # so that it is no dud
    assert written.exists()


def test_a_pickle_in_place_of_the_weights_is_refused(tmp_path):
    bundle, written = write_bundle(tmp_path / "bundle"), tmp_path / "written"
    buffer = io.BytesIO()
    torch.save({"model.a": Evil(written)}, buffer)
    for content in (buffer.getvalue(), pickle.dumps(Evil(written))):
        (bundle / "model.safetensors").write_bytes(content)
        described(bundle, weights={"file": "model.safetensors", "sha256": hashlib.sha256(content).hexdigest()})
        with pytest.raises(UserError, match=str(bundle)):
            load_bundle(bundle)
    assert not written.exists()


def described(bundle, **entries):
    file = bundle / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def _paths(value, prefix=()):
    """Every place in a JSON document."""
    yield prefix
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _paths(one, (*prefix, key))


def test_a_target_anywhere_in_a_bundle_is_never_built(tmp_path):
    bundle, written = write_bundle(tmp_path / "bundle"), tmp_path / "written"
    whole = json.loads((bundle / "bundle.json").read_text())
    evil = {"_target_": "builtins.open", "_args_": [str(written), "w"]}
    for place in _paths(whole):
        changed = json.loads(json.dumps(whole))
        holder = changed
        for key in place[:-1]:
            holder = holder[key]
        if place:
            holder[place[-1]] = evil
        else:
            changed |= evil
        (bundle / "bundle.json").write_text(json.dumps(changed))
        # The card is for people, and the weights' name is not asked for: there it may stand, as text.
        if place and place[0] != "card" and place != ("weights", "file"):
            with pytest.raises(UserError, match=str(bundle)):
                load_bundle(bundle)
        else:
            load_bundle(bundle)
        assert not written.exists()


@pytest.mark.parametrize("file", ["../model.safetensors", "/etc/passwd", "..\\model.safetensors", "other/../../x"])
def test_a_path_in_a_bundle_leads_nowhere(tmp_path, file):
    bundle = write_bundle(tmp_path / "bundle")
    shutil.move(bundle / "model.safetensors", tmp_path / "model.safetensors")
    described(bundle, weights=json.loads((bundle / "bundle.json").read_text())["weights"] | {"file": file})
    with pytest.raises(UserError, match=r"bundle/model\.safetensors: is missing"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 10**9},
        {"layers": 10**6},
        {"ffn": 10**12},
        {"width": 10**7, "heads": 1},
        {"ffn": -1},
        {"heads": 0},
        {"width": 1e400},
    ],
)
def test_options_that_ask_for_more_than_the_weights_hold_take_no_memory(tmp_path, options):
    import resource

    bundle = write_bundle(tmp_path / "bundle")
    model = json.loads((bundle / "bundle.json").read_text())["model"]
    described(bundle, model=model | {"options": model["options"] | options})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="cannot be used"):
        load_bundle(bundle)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize(
    "front_end",
    [{"window_ms": 10**9}, {"n_mels": 10**9}, {"n_mels": 20.0}, {"hop_ms": 0}, {"hop_ms": 1e-9}, {"trim_db": 1e308}],
)
def test_a_front_end_beyond_sense_is_refused(tmp_path, front_end):
    bundle = write_bundle(tmp_path / "bundle")
    described(bundle, front_end=json.loads((bundle / "bundle.json").read_text())["front_end"] | front_end)
    with pytest.raises(UserError, match=r"bundle\.json: is damaged \(its front end has"):
        load_bundle(bundle)


def test_a_config_that_nests_or_repeats_without_end_is_left_out(tmp_path):
    from hrf_ser.evaluation.read import read_run
    from study import make_run, write_run

    written = tmp_path / "written"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    for text in (
        bomb,
        "trainer: " + "[" * 300_000,
        "trainer: " + "- " * 300_000,
        "trainer: &a [*a]\n",
        f"trainer: !!python/object/apply:builtins.open ['{written}', 'w']\n",
    ):
        folder = write_run(tmp_path / "run", make_run(), text)
        run, (warning,) = read_run(str(folder))
        assert run["settings"] == {}
        assert warning.startswith(f"{folder}/config.yaml is damaged")
        assert not written.exists()
