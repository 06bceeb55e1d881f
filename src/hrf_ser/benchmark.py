"""``python -m hrf_ser.benchmark bundle=...``: the latency of a model on this machine, beside its large variant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from hrf_ser.entry import conf_dir, entry_point
from hrf_ser.errors import UserError

if TYPE_CHECKING:
    from hrf_ser.deploy.bundle import SpeechClassifier


@entry_point("benchmark", paths=("bundle", "out"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "benchmark")
    if config.out is not None and Path(config.out).expanduser().is_dir():
        raise UserError(f"out={config.out}: is a folder; give the name of a file in it.")

    import json
    import tempfile

    from hrf_ser.deploy.bundle import load_bundle
    from hrf_ser.deploy.runtime.benchmark import show_files, table
    from hrf_ser.files import write_text

    bundle = Path(config.bundle).expanduser()
    light = load_bundle(bundle)
    large = large_twin(light)
    seconds = [float(value) for value in config.seconds]
    result: dict[str, Any] = {"torch": measure_torch(light, large, float(config.rank), seconds, config)}
    print("in PyTorch, from waveform to logits\n")
    print(table(result["torch"], {"parameters": lambda entry: f"{entry['parameters']:,}"}))
    if config.onnx:
        with tempfile.TemporaryDirectory() as folder:
            result["onnxruntime"] = measure_exported(bundle, large, Path(folder), seconds, config)
        print(f"\nexported files, in onnxruntime\n\n{show_files(result['onnxruntime'])}")
    if config.out is not None:
        out = Path(config.out).expanduser()
        write_text(out, json.dumps(result, indent=2) + "\n")
        print(f"\nall numbers   {out}")


def large_twin(light: SpeechClassifier) -> SpeechClassifier | None:
    """A model with the options of conf/model/<model>_large.yaml and random weights, which cost what trained ones do."""
    import dataclasses

    import torch

    from hrf_ser.config import to_dict
    from hrf_ser.deploy.bundle import SpeechClassifier

    file = conf_dir() / "model" / f"{light.description.model}_large.yaml"
    if not file.is_file():
        return None
    torch.manual_seed(0)
    options = to_dict(OmegaConf.load(file).options)
    return SpeechClassifier(dataclasses.replace(light.description, options=options)).eval()


def measure_torch(
    light: SpeechClassifier, large: SpeechClassifier | None, rank: float, seconds: list[float], config: DictConfig
) -> dict[str, dict[str, Any]]:
    """Measure models in PyTorch: name -> ``parameters`` and ``latency_ms`` by length.

    Unmerged are layers in inserted mode, as a device would run them without the merge.
    """
    import copy

    from hrf_ser.deploy.bundle import torch_latency
    from hrf_ser.hrf import insert_hrf, merge_hrf
    from hrf_ser.models import count_parameters

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
        models["large"] = large
    latency = torch_latency(models, seconds, config.rounds, config.threads)
    return {
        name: {"parameters": count_parameters(model.model), "latency_ms": latency[name]}
        for name, model in models.items()
    }


def measure_exported(
    bundle: Path, large: SpeechClassifier | None, folder: Path, seconds: list[float], config: DictConfig
) -> dict[str, Any]:
    """Measure the light model as float32 and int8 file and its large variant: the result of ``measure_files``."""
    from hrf_ser.deploy.bundle import save_bundle
    from hrf_ser.deploy.export.write import Export, export_bundle
    from hrf_ser.deploy.runtime.benchmark import measure_files

    exports = [Export(bundle, folder / "light.onnx", "onnx"), Export(bundle, folder / "light.int8.onnx", "onnx-int8")]
    if large is not None:
        save_bundle(folder / "large", large.description, large.model, large.normaliser)
        exports.append(Export(folder / "large", folder / "large.onnx", "onnx"))
    for settings in exports:
        export_bundle(settings)
    result = measure_files([settings.out for settings in exports], seconds, config.threads, config.rounds)
    result["files"] = {Path(name).name: entry for name, entry in result["files"].items()}
    return result


if __name__ == "__main__":
    main()
