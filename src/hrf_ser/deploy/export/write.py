"""Exports a bundle: the file is written only if it is numerically equivalent to the bundle."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser import __version__
from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import BundlePredictor, SpeechClassifier, load_bundle
from hrf_ser.deploy.export.equivalence import Example, Run, compare, synthetic
from hrf_ser.deploy.export.formats import FORMATS
from hrf_ser.deploy.runtime.benchmark import measure_latency
from hrf_ser.deploy.runtime.model_file import CHECKSUM, FORMAT, VERSION
from hrf_ser.errors import UserError
from hrf_ser.extras import need
from hrf_ser.files import new_file, write_text
from hrf_ser.run_folder import DESCRIPTION

_ROUNDS = 100


@dataclass(frozen=True)
class Export:
    """The settings of an export."""

    bundle: Path
    out: Path
    format: str  # one of FORMATS
    int8: str = "weights"  # of onnx-int8; or dynamic, static
    seconds: float = 10.0  # longest audio of executorch and litert, whose shapes are fixed
    limits: dict[str, float] = field(default_factory=dict)  # replace those of the format


def export_bundle(
    settings: Export,
    examples: Callable[[], Iterable[Example]] | None = None,
    calibration: Callable[[], Sequence[NDArray[np.float32]]] = tuple,
) -> dict[str, Any]:
    """Make the file, compare it with the bundle, and keep it only if it is within its limits.

    Args:
        settings: of the export.
        examples: real utterances to compare on; None takes synthetic signals.
        calibration: waveforms of training speakers, for static quantisation.

    Returns:
        The report, which is written to ``<file>.json`` even if a limit is exceeded and a ``UserError`` raised.
    """
    report_path = settings.out.with_name(f"{settings.out.name}.json")
    _check_place(settings.out)
    classifier = load_bundle(settings.bundle)
    form = FORMATS[settings.format]
    limits = dataclasses.replace(form.limits, **settings.limits)
    longest = settings.seconds if form.fixed_length else math.inf
    seconds = min(3.0, longest)
    with new_file(settings.out) as temporary:
        runs, entries = _write(settings, classifier, temporary, calibration)
        compared = synthetic(longest) if examples is None else _check_lengths(examples(), longest)
        audio = "synthetic" if examples is None else "real"
        equivalence = compare(runs["bundle"], runs[settings.format], compared, audio)
        failures = equivalence.failures(limits)
        measured = measure_latency(runs, [seconds], _ROUNDS)
        latency = {
            name: {key: round(times[seconds][key], 3) for key in ("p50", "p95")} for name, times in measured.items()
        }
        report = {
            "file": settings.out.name,
            "format": settings.format,
            "published": not failures,
            "failures": failures,
            **entries,
            "equivalence": asdict(equivalence),
            "limits": asdict(limits),
            "bytes": temporary.stat().st_size,
            "sha256": hashlib.sha256(temporary.read_bytes()).hexdigest(),
            "latency": {"seconds_of_audio": seconds, "threads": 1, "milliseconds": latency},
            "versions": _versions(),
        }
        if failures:
            # The report does not describe the file of an earlier export.
            if report_path.is_file():
                settings.out.unlink(missing_ok=True)
            write_text(report_path, json.dumps(report, indent=2) + "\n")
            raise UserError(
                f"{settings.out}: is not written, since {'; '.join(failures)} ({report_path.name} has the rest)."
            )
    write_text(report_path, json.dumps(report, indent=2) + "\n")
    return report


def _check_place(out: Path) -> None:
    """Refuse a place that cannot take the file, before any work is done."""
    if out.is_dir():
        raise UserError(f"out={out}: is a folder; give the name of a file in it.")
    with contextlib.suppress(OSError):
        out.parent.mkdir(parents=True, exist_ok=True)
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(f"out={out}: {out.parent} is no folder that can be written; choose another place.")


def describe(classifier: SpeechClassifier, bundle: Path) -> dict[str, str]:
    """Metadata of a file: all that a runtime needs beside the graph, and the checksum of the bundle's description."""
    description = classifier.description
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "labels": json.dumps(list(description.labels)),
        "sample_rate": str(SAMPLE_RATE),
        "licence": str(description.card.get("licence") or "not stated"),
        "model": description.model,
        "quantisation": "none",
        "bundle_sha256": hashlib.sha256((bundle / DESCRIPTION).read_bytes()).hexdigest(),
        "front_end": json.dumps(description.front_end.as_dict()),
        "normalisation": str(description.normalisation),
        "card": json.dumps(description.card),
        "hrf_ser": __version__,
    }


def _parsed(entries: dict[str, str]) -> dict[str, Any]:
    """The metadata for the report, where it is JSON and not text, without what names the format of the entries."""
    texts = {key: value for key, value in entries.items() if key not in ("format", "version", CHECKSUM)}
    parsed = {
        key: json.loads(texts.pop(key), parse_constant=lambda _: None)
        for key in ("labels", "sample_rate", "front_end", "card")
    }
    return texts | parsed


def _write(
    settings: Export,
    classifier: SpeechClassifier,
    path: Path,
    calibration: Callable[[], Sequence[NDArray[np.float32]]],
) -> tuple[dict[str, Run], dict[str, Any]]:
    """Write the file; it and what to compare it with, as functions, and what the report says of it."""
    runs: dict[str, Run] = {"bundle": BundlePredictor(classifier).logits}
    entries = describe(classifier, settings.bundle)
    # Imported here, since each wants packages that the others do not.
    if not settings.format.startswith("onnx"):
        from hrf_ser.deploy.export import programs

        if settings.format == "torch-export":
            run = programs.write_torch_export(classifier, path, entries)
        else:
            run = programs.write_fixed_length(classifier, path, settings.format, settings.seconds)
        return {**runs, settings.format: run}, _parsed(entries)

    for package in ("onnx", "onnxscript", "onnxruntime"):
        need(package, "export")
    from hrf_ser.deploy.export.onnx import metadata, seal, shapes, to_onnx
    from hrf_ser.deploy.export.quantise import quantise
    from hrf_ser.deploy.runtime import Emotion

    model = to_onnx(classifier, entries)
    path.write_bytes(seal(model))
    # The written file is compared, as the runtime loads it, not the graph in memory.
    runs["onnx"] = Emotion(path).logits
    if settings.format != "onnx":
        method = "fp16-weights" if settings.format == "onnx-fp16" else f"int8-{settings.int8}"
        model = quantise(model, method, calibration() if method == "int8-static" else ())
        path.write_bytes(seal(model))
        runs[settings.format] = Emotion(path).logits
    tensors = {"inputs": shapes(model.graph.input), "outputs": shapes(model.graph.output)}
    return runs, _parsed(metadata(model)) | tensors


def _check_lengths(examples: Iterable[Example], longest: float) -> Iterable[Example]:
    """Refuse an utterance that a file of fixed length cannot take: cutting it would compare something else."""
    for example in examples:
        seconds = len(example.waveform) / SAMPLE_RATE
        if seconds > longest:
            raise UserError(f"seconds={longest:g}: an utterance has {seconds:.1f} s; set seconds to more than that.")
        yield example


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("hrf_ser", "torch", "onnx", "onnxruntime", "executorch", "litert-torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
