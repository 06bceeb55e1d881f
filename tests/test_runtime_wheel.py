"""The small distribution: the runtime's files, and nothing of the rest."""

import json
import subprocess
import sys
import venv
import zipfile

import pytest

from helpers import REPOSITORY
from tiny_bundles import write_bundle

PROJECT = REPOSITORY / "packaging" / "runtime"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtime_wheel")
    line = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(line, check=True, capture_output=True, timeout=300)
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_the_files_of_this_repository_and_no_others(wheel):
    source = REPOSITORY / "src"
    files = ("__init__.py", "py.typed", "errors.py", "extras.py", "deploy/__init__.py", "deploy/load.py")
    expected = [source / "hrf_ser" / name for name in files]
    expected += [path for path in (source / "hrf_ser" / "builtin").iterdir() if path.is_file()]
    for package in ("media", "deploy/runtime"):
        expected += (source / "hrf_ser" / package).rglob("*.py")
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {str(path.relative_to(source)): path.read_bytes() for path in expected}


def test_dependencies_are_four_and_licence_and_bounds_are_the_same():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11 has it.
    small = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    large = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert [line.split(">")[0] for line in small["dependencies"]] == ["numpy", "onnxruntime", "soundfile", "soxr"]
    known = {*large["dependencies"], *large["optional-dependencies"]["runtime"]}
    assert set(small["dependencies"]) <= known
    assert small["requires-python"] == large["requires-python"]
    assert (PROJECT / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()


def test_an_empty_environment_predicts_as_the_bundle_and_has_no_torch(wheel, tone, tmp_path):
    import torch

    from hrf_ser.audio.read import read_audio
    from hrf_ser.deploy.bundle import load_bundle
    from hrf_ser.deploy.export.write import Export, export_bundle

    bundle = write_bundle(tmp_path / "bundle")
    export_bundle(Export(bundle, tmp_path / "export" / "model.onnx", "onnx"))
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", str(wheel)], check=True, capture_output=True, timeout=600)
    installed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    names = {one["name"].lower().replace("-", "_") for one in json.loads(installed.stdout)}
    assert {"hrf_ser_runtime", "numpy", "onnxruntime", "soundfile", "soxr"} <= names
    assert not names & {"hrf_ser", "torch", "torchaudio", "lightning", "hydra_core", "rich", "scipy", "onnx"}
    missing = subprocess.run([python, "-c", "import torch"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "No module named 'torch'" in missing.stderr

    path = tone("speech.wav", seconds=1.3, rate=44_100, channels=2)
    line = [python, "-m", "hrf_ser.deploy.runtime", str(tmp_path / "bundle"), str(path), "--json", "--no-speech-gate"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)
    prediction = json.loads(done.stdout)
    classifier, waveform = load_bundle(bundle), torch.from_numpy(read_audio(path))
    with torch.inference_mode():
        expected = classifier(waveform[None], torch.tensor([len(waveform)]))[0].softmax(-1)
    assert prediction["emotion"] == classifier.description.labels[int(expected.argmax())]
    assert list(prediction["probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-5)
