"""Files that would run code when they are read. What the source may call is checked by ruff (rules S and TID251)."""

import ast
import collections
import hashlib
import io
import json
import pickle
import shutil

import pytest
import torch

from helpers import REPOSITORY
from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.errors import UserError
from tiny_bundles import write_bundle

SOURCE = REPOSITORY / "src"


def test_checkpoints_are_read_with_weights_only():
    """Ruff knows no rule for torch.load, nor for Lightning's functions that read a checkpoint."""
    found = 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            reads = function == "torch.load" or function.endswith(".load_from_checkpoint") or "ckpt_path" in keywords
            if reads:
                found += 1
                assert keywords.get("weights_only") == "True", f"{path}:{node.lineno}"
    assert found


def test_nothing_is_unpickled_or_unpacked_unchecked():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert "allow_pickle=True" not in text, path
        assert ".extractall(" not in text, path
        # The download checks every member before it unpacks the first.
        assert ".extract(" not in text or path.name == "download.py", path


class MaliciousPickle:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def checkpoint_with(payload, where):
    state = {"state_dict": {"a": torch.ones(2)}, "hyper_parameters": {}, "pytorch-lightning_version": "2.6.0"}
    if where == "state":
        state["state_dict"]["b"] = payload
    elif where == "settings":
        state["hyper_parameters"]["model"] = payload
    else:
        state["callbacks"] = collections.OrderedDict(x=[payload])
    return state


@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle"])
@pytest.mark.parametrize("where", ["state", "settings", "callbacks"])
def test_a_malicious_checkpoint_is_refused(tmp_path, form, where):
    from hrf_ser.training.module import EmotionModule
    from hrf_ser.training.resume import checkpoint_to_resume

    path, written = tmp_path / "last.ckpt", tmp_path / "written"
    content = checkpoint_with(MaliciousPickle(written), where)
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be read as a checkpoint"):
        checkpoint_to_resume(str(path), tmp_path / "checkpoints")
    with pytest.raises(pickle.UnpicklingError):
        EmotionModule.load_from_checkpoint(path, weights_only=True)
    assert not written.exists()
    pickle.loads(pickle.dumps(MaliciousPickle(written)))  # the payload works
    assert written.exists()


def test_a_pickle_in_place_of_the_weights_is_refused(tmp_path):
    bundle, written = write_bundle(tmp_path / "bundle"), tmp_path / "written"
    buffer = io.BytesIO()
    torch.save({"model.a": MaliciousPickle(written)}, buffer)
    for content in (buffer.getvalue(), pickle.dumps(MaliciousPickle(written))):
        (bundle / "model.safetensors").write_bytes(content)
        edit_description(bundle, weights={"file": "model.safetensors", "sha256": hashlib.sha256(content).hexdigest()})
        with pytest.raises(UserError, match=str(bundle)):
            load_bundle(bundle)
    assert not written.exists()


def edit_description(bundle, **entries):
    file = bundle / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def _paths(value, prefix=()):
    """The path of every value in a JSON document."""
    yield prefix
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _paths(child, (*prefix, key))


def test_a_target_anywhere_in_a_bundle_is_never_instantiated(tmp_path):
    bundle, written = write_bundle(tmp_path / "bundle"), tmp_path / "written"
    original = json.loads((bundle / "bundle.json").read_text())
    payload = {"_target_": "builtins.open", "_args_": [str(written), "w"]}
    for place in _paths(original):
        changed = json.loads(json.dumps(original))
        holder = changed
        for key in place[:-1]:
            holder = holder[key]
        if place:
            holder[place[-1]] = payload
        else:
            changed |= payload
        (bundle / "bundle.json").write_text(json.dumps(changed))
        # The card and the name of the weights file are never interpreted.
        if place and place[0] != "card" and place != ("weights", "file"):
            with pytest.raises(UserError, match=str(bundle)):
                load_bundle(bundle)
        else:
            load_bundle(bundle)
        assert not written.exists()


@pytest.mark.parametrize("file", ["../model.safetensors", "/etc/passwd", "..\\model.safetensors", "other/../../x"])
def test_a_path_in_a_bundle_is_not_followed(tmp_path, file):
    bundle = write_bundle(tmp_path / "bundle")
    shutil.move(bundle / "model.safetensors", tmp_path / "model.safetensors")
    edit_description(bundle, weights=json.loads((bundle / "bundle.json").read_text())["weights"] | {"file": file})
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
def test_options_beyond_the_stored_weights_allocate_no_memory(tmp_path, options):
    import resource

    bundle = write_bundle(tmp_path / "bundle")
    model = json.loads((bundle / "bundle.json").read_text())["model"]
    edit_description(bundle, model=model | {"options": model["options"] | options})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="cannot be used"):
        load_bundle(bundle)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize(
    "front_end",
    [{"window_ms": 10**9}, {"n_mels": 10**9}, {"n_mels": 20.0}, {"hop_ms": 0}, {"hop_ms": 1e-9}, {"trim_db": 1e308}],
)
def test_out_of_range_front_end_options_are_refused(tmp_path, front_end):
    bundle = write_bundle(tmp_path / "bundle")
    edit_description(bundle, front_end=json.loads((bundle / "bundle.json").read_text())["front_end"] | front_end)
    with pytest.raises(UserError, match=r"bundle\.json: is damaged \(its front end has"):
        load_bundle(bundle)


def test_a_yaml_bomb_is_left_out_of_the_report(tmp_path):
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
