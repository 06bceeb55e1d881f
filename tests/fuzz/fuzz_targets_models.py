"""Fuzz targets for models: bundles, exported files, checkpoints."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzz_harness import Target
from fuzz_mutators import mutate, mutate_json

Prepared = tuple[Callable[[random.Random], bytes], Callable[[bytes], None], str]
_SECOND = (0.1 * np.random.default_rng(0).normal(size=8_000)).astype(np.float32)


def _bundle(folder: Path, model: str = "conv_transformer") -> Path:
    import torch

    from tiny_bundles import write_bundle

    torch.set_num_threads(1)
    return write_bundle(folder / "bundle", model)


def _answers(bundle: Path) -> None:
    import torch

    from hrf_ser.deploy.bundle import load_bundle

    classifier = load_bundle(bundle)
    with torch.inference_mode():
        logits = classifier(torch.from_numpy(_SECOND)[None], torch.tensor([len(_SECOND)]))
    assert logits.shape == (1, len(classifier.description.labels))


def _description(folder: Path) -> Prepared:
    bundles = [_bundle(folder / model, model) for model in ("conv_transformer", "speechformer")]
    file = bundles[0] / "bundle.json"
    seeds = [(bundle / "bundle.json").read_bytes() for bundle in bundles]
    content = json.loads(seeds[0])

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        _answers(bundles[0])

    return (
        lambda rng: mutate_json(content, rng) if rng.random() < 0.7 else mutate(seeds, rng, text=True),
        attempt,
        str(bundles[0]),
    )


def _weights(folder: Path) -> Prepared:
    bundle = _bundle(folder)
    seed = (bundle / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", seed[:8])[0]
    header = json.loads(seed[8 : 8 + size])
    description = json.loads((bundle / "bundle.json").read_text())

    def draw(rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            changed = mutate_json(header, rng)
            return struct.pack("<Q", len(changed)) + changed + seed[8 + size :]
        return mutate([seed], rng, text=False)

    def attempt(data: bytes) -> None:
        # With a valid checksum, as an attacker would provide.
        (bundle / "model.safetensors").write_bytes(data)
        description["weights"]["sha256"] = hashlib.sha256(data).hexdigest()
        (bundle / "bundle.json").write_text(json.dumps(description))
        _answers(bundle)

    return draw, attempt, str(bundle)


def exported(folder: Path) -> Path:
    """``model.onnx`` of a tiny bundle."""
    from hrf_ser.deploy.bundle import load_bundle
    from hrf_ser.deploy.export.onnx import seal, to_onnx
    from hrf_ser.deploy.export.write import describe

    bundle = _bundle(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier = load_bundle(bundle)
        content = seal(to_onnx(classifier, describe(classifier, bundle)))
    path = folder / "model.onnx"
    path.write_bytes(content)
    return path


def _with_checksum(content: bytes) -> bytes:
    """The same with a checksum that fits, where it still has the entry."""
    from hrf_ser.deploy.runtime.model_file import _CHECKSUM_ENTRY, NO_CHECKSUM

    entry = _CHECKSUM_ENTRY.search(content)
    if entry is None:
        return content
    head, tail = content[: entry.start(1)], content[entry.end(1) :]
    return head + hashlib.sha256(head + NO_CHECKSUM.encode() + tail).hexdigest().encode() + tail


def _predicts(path: Path) -> None:
    from hrf_ser.deploy.runtime import Emotion

    prediction = Emotion(path)(_SECOND, 16_000)
    assert prediction.emotion in prediction.probabilities
    assert all(np.isfinite(list(prediction.probabilities.values())))


def _onnx(folder: Path) -> Prepared:
    path = exported(folder)
    seed = path.read_bytes()
    # Metadata and the outline stand at the ends of the file; the middle is numbers.
    ends = [seed]

    def attempt(data: bytes) -> None:
        path.write_bytes(_with_checksum(data))
        _predicts(path)

    return (
        lambda rng: _near_the_end(seed, rng) if rng.random() < 0.5 else mutate(ends, rng, text=False),
        attempt,
        str(path),
    )


def _near_the_end(seed: bytes, rng: random.Random) -> bytes:
    cut = max(len(seed) - rng.choice((600, 3_000, 20_000)), 0)
    return seed[:cut] + mutate([seed[cut:]], rng, text=True)


class _MaliciousPickle:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def _checkpoint(folder: Path) -> Prepared:
    import torch

    from hrf_ser.training.resume import checkpoint_to_resume

    written, path = folder / "written", folder / "last.ckpt"
    torch.set_num_threads(1)
    state = {
        "state_dict": {"a": torch.ones(4, 4), "b": torch.arange(3)},
        "epoch": 3,
        "hyper_parameters": {"labels": ["a", "b"]},
    }
    seeds = []
    for content, zipped in (
        (state, True),
        (state, False),
        ({**state, "x": _MaliciousPickle(written)}, True),
        ({**state, "x": _MaliciousPickle(written)}, False),
    ):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
        seeds.append(buffer.getvalue())

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                checkpoint_to_resume(str(path), folder)
        finally:
            assert not written.exists(), "a checkpoint ran code"

    return lambda rng: mutate(seeds, rng, text=False), attempt, path.name


TARGETS = [
    Target("bundle.description", _description, heavy=True),
    Target("bundle.weights", _weights, heavy=True),
    Target("export.onnx", _onnx, heavy=True),
    Target("checkpoint", _checkpoint),
]
