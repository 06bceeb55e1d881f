"""What a model costs on this machine: light, light with HRF before and after the merge, and its large twin, side by side."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from hrf_ser.deploy.bundle import SpeechClassifier, load_bundle, save_bundle
from hrf_ser.deploy.runtime.benchmark import Arm, measure, take_turns
from hrf_ser.errors import UserError
from hrf_ser.hrf import insert_hrf, merge_hrf
from hrf_ser.models import count_parameters

Name = TypeVar("Name", bound=Hashable)


def in_torch(
    bundle: Path, large: dict[str, Any] | None, rank: float, seconds: list[float], threads: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """Models in PyTorch: name -> parameters and ``latency_ms`` by length.

    The large twin has random weights: they cost what trained ones do. Unmerged means that the inserted layers are run one
    after the other, as without the merge a device would.

    Args:
        bundle: of the light model.
        large: options of its large twin; None leaves it out.
        rank: of the factors that are inserted for comparison.
        seconds: lengths of the audio.
        threads: of torch.
        rounds: of each model.
    """
    light = load_bundle(bundle)
    unmerged = copy.deepcopy(light)
    insert_hrf(unmerged.model, rank, mode="inserted")
    merged = copy.deepcopy(unmerged)
    merged.model = merge_hrf(unmerged.model).eval()
    models = {
        "light": light,
        f"light + HRF x{rank:g}, merged": merged,
        f"light + HRF x{rank:g}, unmerged": unmerged.eval(),
    }
    if large is not None:
        models["large"] = large_twin(light, large)
    latency = torch_latency(models, seconds, rounds, threads)
    return {
        name: {"parameters": count_parameters(model.model), "latency_ms": latency[name]}
        for name, model in models.items()
    }


def torch_latency(
    models: Mapping[Name, SpeechClassifier], seconds: Sequence[float], rounds: int, threads: int = 1
) -> dict[Name, dict[float, dict[str, float]]]:
    """What :func:`hrf_ser.deploy.runtime.benchmark.take_turns` says of models in PyTorch.

    Args:
        models: name -> model.
        seconds: lengths of the audio.
        rounds: of each model.
        threads: of torch, for as long as this takes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return take_turns({name: _arm(model) for name, model in models.items()}, seconds, rounds)
    finally:
        torch.set_num_threads(before)


def in_onnxruntime(
    bundle: Path, large: dict[str, Any] | None, folder: Path, seconds: list[float], threads: int, rounds: int
) -> dict[str, Any]:
    """The same models as exported files: what ``hrf_ser.deploy.runtime.benchmark`` says of them.

    Args:
        bundle: of the light model.
        large: options of its large twin; None leaves it out.
        folder: where the files are written.
        seconds: lengths of the audio.
        threads: of onnxruntime.
        rounds: of each file.
    """
    from hrf_ser.deploy.export.publish import Export, publish

    files = [folder / "light.onnx", folder / "light.int8.onnx"]
    publish(Export(bundle, files[0], "onnx"))
    publish(Export(bundle, files[1], "onnx-int8"))
    if large is not None:
        light = load_bundle(bundle)
        twin = large_twin(light, large)
        random = folder / "large"
        save_bundle(random, twin.description, twin.model, twin.normaliser)
        files.append(folder / "large.onnx")
        publish(Export(random, files[-1], "onnx"))
        shutil.rmtree(random)
    result = measure(files, seconds, threads, rounds)
    result["files"] = {Path(name).name: entry for name, entry in result["files"].items()}
    return result


def large_twin(light: SpeechClassifier, options: dict[str, Any]) -> SpeechClassifier:
    """A model of the same kind with other options, random weights and the same front end.

    Raises:
        UserError: options that the backbone does not have.
    """
    torch.manual_seed(0)
    try:
        return SpeechClassifier(dataclasses.replace(light.description, options=options)).eval()
    except (TypeError, ValueError) as error:
        raise UserError(f"{light.description.model}: its large twin cannot be built ({error}).") from error


def _arm(classifier: SpeechClassifier) -> Arm:
    def run(waveform: NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return classifier(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))

    return run
