import json
import shutil
import struct

import pytest
import torch

from hrf_ser.audio.front_end import FrontEndConfig, Normaliser
from hrf_ser.deploy.bundle import BundleDescription, SpeechClassifier, load_bundle, save_bundle
from hrf_ser.errors import UserError

OPTIONS = {"width": 16, "layers": 1, "heads": 2, "ffn": 32}


@pytest.fixture
def bundle(tmp_path):
    torch.manual_seed(0)
    front_end = FrontEndConfig(n_mels=20)
    description = BundleDescription(
        "conv_transformer", OPTIONS, ("angry", "sad"), front_end, "train", {"corpus": "demo"}
    )
    classifier = SpeechClassifier(description).eval()
    classifier.normaliser.mean.normal_()
    save_bundle(tmp_path / "bundle", description, classifier.model, classifier.normaliser)
    return tmp_path / "bundle", classifier


def edit(path, change):
    content = json.loads((path / "bundle.json").read_text())
    change(content)
    (path / "bundle.json").write_text(json.dumps(content))


def test_loaded_classifier_gives_the_same_logits(bundle):
    path, classifier = bundle
    loaded = load_bundle(path)
    waveform, lengths = torch.randn(2, 12_000) * 0.1, torch.tensor([12_000, 7_000])
    with torch.inference_mode():
        assert torch.equal(loaded(waveform, lengths), classifier(waveform, lengths))
    assert loaded.description == classifier.description
    assert not loaded.training


def test_the_temperature_divides_the_logits(bundle):
    path, classifier = bundle
    edit(path, lambda content: content.update(temperature=2.0))
    waveform, lengths = torch.randn(2, 12_000) * 0.1, torch.tensor([12_000, 7_000])
    with torch.inference_mode():
        assert torch.equal(load_bundle(path)(waveform, lengths), classifier(waveform, lengths) / 2)


def test_a_bundle_of_an_earlier_version_has_no_temperature(bundle):
    path, _ = bundle
    edit(path, lambda content: content.pop("temperature"))
    assert load_bundle(path).description.temperature == 1.0


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "hot"])
def test_an_impossible_temperature_is_refused(bundle, value):
    path, _ = bundle
    edit(path, lambda content: content.update(temperature=value))
    with pytest.raises(UserError, match=r"bundle.json: is damaged"):
        load_bundle(path)


def test_a_bundle_is_two_files_and_nothing_else(bundle):
    path, _ = bundle
    assert sorted(file.name for file in path.iterdir()) == ["bundle.json", "model.safetensors"]


def test_batch_single_and_padded_waveforms_agree(bundle):
    _, classifier = bundle
    waves = [torch.randn(length) * 0.1 for length in (12_000, 7_000, 900)]
    lengths = torch.tensor([len(wave) for wave in waves])
    padded = torch.randn(3, 24_000)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = wave
    with torch.inference_mode():
        together = classifier(padded, lengths)
        for index, wave in enumerate(waves):
            alone = classifier(wave[None], lengths[index : index + 1])
            torch.testing.assert_close(together[index : index + 1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=2), "was written by a newer hrf_ser"),
        (lambda c: c.update(version="one"), "is damaged"),
        (lambda c: c.update(format="zip"), "is damaged .*its format is 'zip'"),
        (lambda c: c.pop("labels"), "is damaged .*no 'labels'"),
        (lambda c: c.update(labels=["angry", "sad", "calm"]), "weights do not fit its architecture"),
        (lambda c: c.update(labels="angry"), "labels are not a list"),
        (lambda c: c["model"].update(name="os.system"), "cannot be used .*os.system"),
        (lambda c: c["model"].update(options={"_target_": "os.system"}), "cannot be used"),
        (lambda c: c["model"]["options"].update(width=10**6 + 1), "cannot be used"),
        (lambda c: c["front_end"].update(n_mels="twenty"), "is damaged"),
        (lambda c: c["front_end"].update(window=3), "is damaged"),
        (lambda c: c.update(normalisation="speaker"), "cannot be used"),
        (lambda c: c["weights"].update(sha256="0" * 64), "is not the file that bundle.json describes"),
        (lambda c: c["weights"].update(sha256="../../etc"), "is damaged"),
    ],
)
def test_a_wrong_description_is_refused_by_name(bundle, change, message):
    path, _ = bundle
    edit(path, change)
    with pytest.raises(UserError, match=message) as caught:
        load_bundle(path)
    assert str(path) in str(caught.value)


def test_the_named_weights_file_cannot_lead_outside_the_bundle(bundle, tmp_path):
    path, _ = bundle
    shutil.copy(path / "model.safetensors", tmp_path / "other.safetensors")
    edit(path, lambda c: c["weights"].update(file="../other.safetensors"))
    (path / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors: is missing"):
        load_bundle(path)


@pytest.mark.parametrize("damage", ["truncate", "flip", "missing", "no bundle", "not json", "empty folder"])
def test_damaged_files_are_refused_by_name(bundle, damage, tmp_path):
    path, _ = bundle
    weights = path / "model.safetensors"
    if damage == "truncate":
        weights.write_bytes(weights.read_bytes()[:500])
    elif damage == "flip":
        data = bytearray(weights.read_bytes())
        data[-3] ^= 1
        weights.write_bytes(data)
    elif damage == "missing":
        weights.unlink()
    elif damage == "no bundle":
        path = tmp_path / "nowhere"
    elif damage == "not json":
        (path / "bundle.json").write_bytes(b"\xff\xfe{")
    else:
        shutil.rmtree(path)
        path.mkdir()
    with pytest.raises(UserError, match=str(path)):
        load_bundle(path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    front_end = FrontEndConfig(n_mels=20)
    description = BundleDescription("conv_transformer", OPTIONS, ("angry", "sad"), front_end, "train", {})
    classifier = SpeechClassifier(description)
    normaliser = Normaliser("train", 20)
    normaliser.std.fill_(float("nan"))
    save_bundle(tmp_path / "bundle", description, classifier.model, normaliser)
    with pytest.raises(UserError, match="are not finite"):
        load_bundle(tmp_path / "bundle")


def test_a_failed_write_leaves_the_old_bundle(bundle, monkeypatch):
    path, classifier = bundle
    before = (path / "bundle.json").read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hrf_ser.deploy.bundle.bundle.save", fail)
    with pytest.raises(OSError, match="No space"):
        save_bundle(path, classifier.description, classifier.model, classifier.normaliser)
    assert (path / "bundle.json").read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["bundle"]


def test_header_length_of_a_hostile_file_is_not_trusted(bundle):
    path, _ = bundle
    weights = path / "model.safetensors"
    weights.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    import hashlib

    edit(path, lambda c: c["weights"].update(sha256=hashlib.sha256(weights.read_bytes()).hexdigest()))
    with pytest.raises(UserError, match="cannot be used"):
        load_bundle(path)


@pytest.mark.parametrize("named", ["", "bundle", "bundle/bundle.json", "checkpoints/best.ckpt", "metrics.json"])
def test_a_run_and_its_files_lead_to_its_bundle(bundle, tmp_path, named):
    run = tmp_path / "one/run"
    shutil.copytree(bundle[0], run / "bundle")
    (run / "checkpoints").mkdir()
    for file in ("checkpoints/best.ckpt", "metrics.json"):
        (run / file).write_bytes(b"")
    assert load_bundle(run / named).description == bundle[1].description
    with pytest.raises(UserError, match=r"holds no bundle.json; give the bundle/ .*, such as .*run/bundle"):
        load_bundle(run.parent)
