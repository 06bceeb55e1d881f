"""A bundle becomes a file for the page: exported once, checked, and never over a file that stands beside it."""

import dataclasses
import json
import shutil

import pytest

from hrf_ser.data.corpora import read_corpus
from hrf_ser.demo import exported, exports_folder, path_to_serve
from hrf_ser.deploy.demo.site import build_site, facts
from hrf_ser.deploy.runtime import Emotion
from hrf_ser.deploy.runtime.model_file import load_model
from hrf_ser.errors import UserError


def test_bundle_is_exported_once_after_the_equivalence_check(model_file, capsys):
    # The fixture has exported it.
    bundle, cache = model_file.parents[1] / "bundle", model_file.parent
    before = model_file.stat().st_mtime_ns
    assert exported(bundle, cache) == model_file == path_to_serve(bundle, cache)
    assert (model_file.stat().st_mtime_ns, capsys.readouterr().out) == (before, "")
    report = json.loads(model_file.with_name(f"{model_file.name}.json").read_text())
    assert (report["published"], report["equivalence"]["audio"]) == (True, "synthetic")
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle", "cache"]


def test_exported_file_beside_the_bundle_is_taken(tmp_path):
    bundle = tmp_path / "run" / "bundle"
    bundle.mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no bundle\.json"):
        path_to_serve(bundle, tmp_path / "cache")
    (bundle / "bundle.json").write_text("{}")
    (tmp_path / "run" / "export").mkdir()
    (tmp_path / "run" / "export" / "conformer.onnx").write_bytes(b"")
    assert path_to_serve(bundle, tmp_path / "cache") == bundle


def test_folder_is_opened_where_the_runtime_opens_it(model_file, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(model_file.parents[1] / "bundle", run / "bundle")
    # Nothing is exported yet: a run's folder stands for its bundle, which is in the cache already.
    assert path_to_serve(run, model_file.parent) == model_file
    (run / "export").mkdir()
    shutil.copy(model_file, run / "export" / "model.onnx")
    for place in (run, run / "bundle", run / "export"):
        served, _, _ = load_model(path_to_serve(place, tmp_path / "cache"))
        assert served.path == Emotion(place).file.path
    # A folder beside which something is exported, and that is no bundle, is no place where the runtime looks.
    (run / "recordings").mkdir()
    with pytest.raises(UserError, match=r"holds no bundle\.json"):
        path_to_serve(run / "recordings", tmp_path / "cache")


def test_demo_corpus_has_room_beside_exported_bundles(tmp_path):
    pytest.importorskip("espeakng_loader", reason="needs the extra demo")
    file = exports_folder(str(tmp_path)) / "model.onnx"
    file.parent.mkdir()
    file.write_bytes(b"")
    # The root that conf/data/demo.yaml gives it.
    assert len(read_corpus("demo", tmp_path / "demo", utterances_per_cell=1).utterances) == 48
    assert file.is_file()


def test_facts_have_labels_size_and_card(model_file, model, hostile_file):
    shown = facts(*model)
    assert shown["labels"] == ["angry", "happy", "sad"]
    assert shown["bytes"] == model_file.stat().st_size
    assert shown["card"]["test"] == {"ua": 0.371}
    assert shown["quantisation"] == "none"
    # Whatever stands in a card is JSON for a browser, too.
    hostile, _, content = load_model(hostile_file)
    assert json.loads(json.dumps(facts(hostile, content), allow_nan=False))


def test_model_of_another_sample_rate_is_refused(model):
    file, content = model
    with pytest.raises(UserError, match="takes 8000 Hz, and the page 16000"):
        build_site(dataclasses.replace(file, sample_rate=8_000), content)
