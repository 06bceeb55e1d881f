"""``python -m hrf_ser.benchmark bundle=...``: the latency of a model on this machine, beside its large twin."""

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

    from rich.console import Console

    from hrf_ser.deploy.bundle import read_description
    from hrf_ser.deploy.runtime.benchmark import remarks, table
    from hrf_ser.files import write_text

    bundle = Path(config.bundle).expanduser()
    large = large_options(read_description(bundle)[0].model)
    seconds = [float(value) for value in config.seconds]
    console = Console()
    result: dict[str, Any] = {
        "torch": measure_torch(bundle, large, float(config.rank), seconds, config.threads, config.rounds)
    }
    console.print(torch_table(result["torch"]))
    if config.onnx:
        with tempfile.TemporaryDirectory() as folder, console.status("Exporting light, light int8 and large"):
            result["onnxruntime"] = measure_exported(
                bundle, large, Path(folder), seconds, config.threads, config.rounds
            )
        console.print("\nexported files, in onnxruntime", highlight=False)
        console.print(table(result["onnxruntime"]), highlight=False, soft_wrap=True)
        result["remarks"] = remarks(result["onnxruntime"])
    if config.out is not None:
        out = Path(config.out).expanduser()
        write_text(out, json.dumps(result, indent=2) + "\n")
        console.print(f"\nall numbers   {out}", highlight=False, soft_wrap=True)


def large_options(model: str) -> dict[str, Any] | None:
    """Options of the large twin that conf/ has; None where there is none."""
    from hrf_ser.config import to_dict

    file = conf_dir() / "model" / f"{model}_large.yaml"
    if not file.is_file():
        return None
    loaded = OmegaConf.load(file)
    assert isinstance(loaded, DictConfig)
    return to_dict(loaded.options)


def measure_torch(
    bundle: Path, large: dict[str, Any] | None, rank: float, seconds: list[float], threads: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """Measure models in PyTorch: name -> ``parameters`` and ``latency_ms`` by length.

    The large twin has random weights, which cost what trained ones do. Unmerged are layers in inserted mode, as a device would
    run them without the merge.

    Args:
        bundle: of the light model.
        large: options of its large twin; None leaves it out.
        rank: of the factors that are inserted for comparison.
        seconds: lengths of the audio.
        threads: of torch.
        rounds: of each model.
    """
    import copy

    from hrf_ser.deploy.bundle import load_bundle, torch_latency
    from hrf_ser.hrf import insert_hrf, merge_hrf
    from hrf_ser.models import count_parameters

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


def measure_exported(
    bundle: Path, large: dict[str, Any] | None, folder: Path, seconds: list[float], threads: int, rounds: int
) -> dict[str, Any]:
    """Measure the light model as float32 and int8 file and its large twin: the result of ``measure_files``.

    Args:
        bundle: of the light model.
        large: options of its large twin; None leaves it out.
        folder: for the files.
        seconds: lengths of the audio.
        threads: of onnxruntime.
        rounds: of each file.
    """
    from hrf_ser.deploy.bundle import load_bundle, save_bundle
    from hrf_ser.deploy.export.write import Export, export_bundle
    from hrf_ser.deploy.runtime.benchmark import measure_files

    exports = [Export(bundle, folder / "light.onnx", "onnx"), Export(bundle, folder / "light.int8.onnx", "onnx-int8")]
    if large is not None:
        twin = large_twin(load_bundle(bundle), large)
        save_bundle(folder / "large", twin.description, twin.model, twin.normaliser)
        exports.append(Export(folder / "large", folder / "large.onnx", "onnx"))
    for settings in exports:
        export_bundle(settings)
    result = measure_files([settings.out for settings in exports], seconds, threads, rounds)
    result["files"] = {Path(name).name: entry for name, entry in result["files"].items()}
    return result


def large_twin(light: SpeechClassifier, options: dict[str, Any]) -> SpeechClassifier:
    """A model of the same kind with other options, random weights and the same front end.

    Raises:
        UserError: options that the backbone does not have.
    """
    import dataclasses

    import torch

    from hrf_ser.deploy.bundle import SpeechClassifier

    torch.manual_seed(0)
    try:
        return SpeechClassifier(dataclasses.replace(light.description, options=options)).eval()
    except (TypeError, ValueError) as error:
        raise UserError(f"{light.description.model}: its large twin cannot be built ({error}).") from error


def torch_table(models: dict[str, dict[str, Any]]) -> Any:
    """Rows by model and length; ratios are to the light one."""
    from rich.table import Table

    table = Table(title="in PyTorch, from waveform to logits", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("model")
    for name in ("parameters", "audio s", "p50 ms", "p95 ms", "p99 ms", "ratio", "real time"):
        table.add_column(name, justify="right")
    for name, entry in models.items():
        for length, times in entry["latency_ms"].items():
            ratio = times["p50"] / models["light"]["latency_ms"][length]["p50"]
            shown = (f"{times[key]:.2f}" for key in ("p50", "p95", "p99"))
            cells = (f"{entry['parameters']:,}", f"{length:g}", *shown, f"{ratio:.2f}", f"{times['real_time']:.5f}")
            table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    main()
