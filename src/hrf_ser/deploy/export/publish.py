"""Make a file, hear both it and the bundle, and publish it or say why not."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier, load_bundle
from hrf_ser.deploy.export.formats import SUFFIXES
from hrf_ser.deploy.export.metadata import describe
from hrf_ser.deploy.export.packages import need
from hrf_ser.deploy.export.parity import LIMITS, Example, Limits, Run, bundle_logits, compare, latency, synthetic
from hrf_ser.deploy.export.report import write_report
from hrf_ser.errors import UserError
from hrf_ser.files import new_file


@dataclass(frozen=True)
class Export:
    """What to make.

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


def publish(
    wanted: Export,
    examples: Callable[[], Iterable[Example]] | None = None,
    calibration: Callable[[], Sequence[NDArray[np.float32]]] = tuple,
) -> dict[str, Any]:
    """Make the file, compare it with the bundle, and keep it only if it is within its limits. The report beside it,
    ``<file>.json``, is written either way.

    Args:
        wanted: what to make.
        examples: real utterances to compare on; None takes synthetic signals.
        calibration: waveforms of training speakers, for ``int8: static``.

    Returns:
        The report.

    Raises:
        UserError: the bundle cannot be used, a package is missing, ``out`` cannot be written, or the file is not within its
            limits: then it is deleted.
    """
    report_path = wanted.out.with_name(f"{wanted.out.name}.json")
    check_place(wanted.out)
    classifier = load_bundle(wanted.bundle)
    limits = Limits(**{**asdict(LIMITS[wanted.format]), **wanted.limits})
    entries = describe(classifier, wanted.bundle)
    with new_file(wanted.out) as temporary:
        runs, entries = _write(wanted, classifier, temporary, entries, calibration)
        longest = wanted.seconds if SUFFIXES[wanted.format] in (".pte", ".tflite") else math.inf
        heard = synthetic(longest) if examples is None else _of_length(examples(), longest)
        parity = compare(classifier, runs[wanted.format], heard, "synthetic" if examples is None else "real")
        failures = parity.failures(limits)
        report = {
            "file": wanted.out.name,
            "format": wanted.format,
            "published": not failures,
            "failures": failures,
            "parity": parity.as_dict(),
            "limits": asdict(limits),
            "bytes": temporary.stat().st_size,
            "sha256": hashlib.sha256(temporary.read_bytes()).hexdigest(),
            "latency": _latency(runs, min(3.0, longest)),
            "metadata": entries,
            "versions": _versions(),
        }
        if failures:
            # A file of an earlier export is not what the report beside it describes any more.
            if report_path.is_file():
                wanted.out.unlink(missing_ok=True)
            write_report(report_path, report)
            raise UserError(
                f"{wanted.out}: is not published, since {'; '.join(failures)} ({report_path.name} has the rest)."
            )
    write_report(report_path, report)
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


def _write(
    wanted: Export,
    classifier: SpeechClassifier,
    path: Path,
    entries: dict[str, str],
    calibration: Callable[[], Sequence[NDArray[np.float32]]],
) -> tuple[dict[str, Run], dict[str, str]]:
    """Write the file; it, and what to compare its speed with, as functions; what it says of itself."""
    runs: dict[str, Run] = {"bundle": lambda waveform: bundle_logits(classifier, waveform)}
    # Imported here, since each wants packages that the others do not.
    if wanted.format == "torch-export":
        from hrf_ser.deploy.export import torch_export

        runs[wanted.format] = torch_export.write(classifier, path, entries)
    elif wanted.format == "executorch":
        from hrf_ser.deploy.export import executorch

        runs[wanted.format] = executorch.write(classifier, path, wanted.seconds)
    elif wanted.format == "litert":
        from hrf_ser.deploy.export import litert

        runs[wanted.format] = litert.write(classifier, path, wanted.seconds)
    else:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            need(package, "onnx", "export")
        from hrf_ser.deploy.export import quantise
        from hrf_ser.deploy.export.onnx import metadata, open_onnx, set_metadata, to_onnx

        full = model = to_onnx(classifier, wanted.bundle, wanted.stft)
        if wanted.format == "onnx-fp16":
            model = quantise.to_fp16(full)
        elif wanted.format == "onnx-int8":
            model = quantise.to_int8(full, wanted.int8, calibration() if wanted.int8 == "static" else ())
        if model is not full:
            runs["onnx"] = open_onnx(full)
        # So that damage is seen where the file lies alone.
        set_metadata(model, {"graph_sha256": hashlib.sha256(model.graph.SerializeToString()).hexdigest()})
        path.write_bytes(model.SerializeToString())
        # What is compared is what was written, read again.
        runs[wanted.format] = open_onnx(path)
        entries = metadata(model)
    return runs, entries


def _of_length(examples: Iterable[Example], longest: float) -> Iterable[Example]:
    """Refuse an utterance that a file of fixed length could not take: cutting it would compare something else."""
    for example in examples:
        seconds = len(example.waveform) / SAMPLE_RATE
        if seconds > longest:
            raise UserError(f"seconds={longest:g}: an utterance has {seconds:.1f} s; set seconds to more than that.")
        yield example


def _latency(runs: dict[str, Run], seconds: float) -> dict[str, Any]:
    return {"seconds_of_audio": seconds, "threads": 1, "milliseconds": latency(runs, seconds)}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("hrf_ser", "torch", "onnx", "onnxruntime", "executorch", "litert-torch"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
