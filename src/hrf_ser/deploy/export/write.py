"""Exports a bundle: the file is written only if it is numerically equivalent to the bundle."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
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
from hrf_ser.deploy.export.equivalence import LIMITS, Example, Limits, Run, compare, synthetic
from hrf_ser.deploy.export.formats import FIXED_LENGTH
from hrf_ser.deploy.runtime.benchmark import measure_latency
from hrf_ser.deploy.runtime.model_file import FORMAT, VERSION
from hrf_ser.errors import UserError
from hrf_ser.extras import need
from hrf_ser.files import new_file, write_text
from hrf_ser.run_folder import DESCRIPTION

_ROUNDS = 100


@dataclass(frozen=True)
class Export:
    """The settings of an export.

    Attributes:
        bundle: folder of the bundle.
        out: the file.
        format: one of ``SUFFIXES``.
        stft: of ONNX files, ``matrix`` or ``native``.
        int8: of ``onnx-int8``, one of ``weights``, ``dynamic``, ``static``.
        seconds: longest audio of ``executorch`` and ``litert``, whose shapes are fixed.
        limits: keys of :class:`Limits` that replace the format's own.
    """

    bundle: Path
    out: Path
    format: str
    stft: str = "matrix"
    int8: str = "weights"
    seconds: float = 10.0
    limits: dict[str, float] = field(default_factory=dict)


def export_bundle(
    settings: Export,
    examples: Callable[[], Iterable[Example]] | None = None,
    calibration: Callable[[], Sequence[NDArray[np.float32]]] = tuple,
) -> dict[str, Any]:
    """Make the file, compare it with the bundle, and keep it only if it is within its limits. The report beside it,
    ``<file>.json``, is written either way.

    Args:
        settings: of the export.
        examples: real utterances to compare on; None takes synthetic signals.
        calibration: waveforms of training speakers, for ``int8: static``.

    Returns:
        The report.

    Raises:
        UserError: the bundle cannot be used, a package is missing, ``out`` cannot be written, or the file is not within its
            limits: then it is deleted.
    """
    report_path = settings.out.with_name(f"{settings.out.name}.json")
    check_place(settings.out)
    classifier = load_bundle(settings.bundle)
    limits = Limits(**{**asdict(LIMITS[settings.format]), **settings.limits})
    longest = settings.seconds if settings.format in FIXED_LENGTH else math.inf
    seconds = min(3.0, longest)
    with new_file(settings.out) as temporary:
        runs, entries = _write(settings, classifier, temporary, calibration)
        compared = synthetic(longest) if examples is None else _check_lengths(examples(), longest)
        audio = "synthetic" if examples is None else "real"
        equivalence = compare(runs["bundle"], runs[settings.format], compared, audio)
        failures = equivalence.failures(limits)
        latency = measure_latency(runs, [seconds], _ROUNDS, SAMPLE_RATE)
        report = {
            "file": settings.out.name,
            "format": settings.format,
            "published": not failures,
            "failures": failures,
            "equivalence": asdict(equivalence),
            "limits": asdict(limits),
            "bytes": temporary.stat().st_size,
            "sha256": hashlib.sha256(temporary.read_bytes()).hexdigest(),
            "latency": {
                "seconds_of_audio": seconds,
                "threads": 1,
                "milliseconds": {
                    name: {key: round(times[seconds][key], 3) for key in ("p50", "p95")}
                    for name, times in latency.items()
                },
            },
            "metadata": entries,
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


def check_place(out: Path) -> None:
    """Refuse a place that cannot take the file, before any work is done.

    Raises:
        UserError: it is a folder, or lies below a file.
    """
    if out.is_dir():
        raise UserError(f"out={out}: is a folder; give the name of a file in it.")
    below = next((parent for parent in out.parents if parent.exists()), None)
    if below is not None and not below.is_dir():
        raise UserError(f"out={out}: {below} is a file, not a folder; choose another place.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with new_file(out.with_name(f"{out.name}.try")) as temporary:
            temporary.write_bytes(b"")
        out.with_name(f"{out.name}.try").unlink()
    except OSError as error:
        raise UserError(f"out={out}: cannot be written ({error.strerror}); choose another place.") from error


def describe(classifier: SpeechClassifier, bundle: Path) -> dict[str, str]:
    """Metadata of a file: all that a runtime needs beside the graph; lists and dictionaries as JSON.

    Args:
        classifier: from ``load_bundle``.
        bundle: the folder it was loaded from; its checksum names it.
    """
    description = classifier.description
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "labels": json.dumps(list(description.labels)),
        "sample_rate": str(SAMPLE_RATE),
        "model": description.model,
        "quantisation": "none",
        "bundle_sha256": hashlib.sha256((bundle / DESCRIPTION).read_bytes()).hexdigest(),
        "front_end": json.dumps(description.front_end.as_dict()),
        "normalisation": str(description.normalisation),
        "card": json.dumps(description.card),
        "hrf_ser": __version__,
    }


def _write(
    settings: Export,
    classifier: SpeechClassifier,
    path: Path,
    calibration: Callable[[], Sequence[NDArray[np.float32]]],
) -> tuple[dict[str, Run], dict[str, str]]:
    """Write the file; return it, and what to compare its speed with, as functions, and its metadata."""
    runs: dict[str, Run] = {"bundle": BundlePredictor(classifier).logits}
    entries = describe(classifier, settings.bundle)
    # Imported here, since each wants packages that the others do not.
    if not settings.format.startswith("onnx"):
        from hrf_ser.deploy.export import programs

        if settings.format == "torch-export":
            run = programs.write_torch_export(classifier, path, entries)
        elif settings.format == "executorch":
            run = programs.write_executorch(classifier, path, settings.seconds)
        else:
            run = programs.write_litert(classifier, path, settings.seconds)
        return {**runs, settings.format: run}, entries

    for package in ("onnx", "onnxscript", "onnxruntime"):
        need(package, "export")
    from hrf_ser.deploy.export import quantise
    from hrf_ser.deploy.export.onnx import metadata, open_onnx, seal, to_onnx

    full = model = to_onnx(classifier, entries, settings.stft)
    if settings.format == "onnx-fp16":
        model = quantise.to_fp16(full)
    elif settings.format == "onnx-int8":
        model = quantise.to_int8(full, settings.int8, calibration() if settings.int8 == "static" else ())
    if model is not full:
        runs["onnx"] = open_onnx(full)
    path.write_bytes(seal(model))
    # The written file is compared, not the graph in memory.
    return {**runs, settings.format: open_onnx(path)}, metadata(model)


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
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
