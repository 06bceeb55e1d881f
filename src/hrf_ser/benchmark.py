"""``python -m hrf_ser.benchmark bundle=...``: what a model costs on this machine, beside its large twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hrf_ser.entry import conf_dir, entry_point
from hrf_ser.errors import UserError


@entry_point("benchmark", paths=("bundle", "out"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "benchmark")
    if config.out is not None and Path(config.out).expanduser().is_dir():
        raise UserError(f"out={config.out}: is a folder; give the name of a file in it.")

    import json
    import tempfile

    from rich.console import Console

    from hrf_ser.deploy import benchmark
    from hrf_ser.deploy.bundle import read_description
    from hrf_ser.deploy.runtime.benchmark import remarks, table
    from hrf_ser.files import write_text

    bundle = Path(config.bundle).expanduser()
    large = large_options(read_description(bundle)[0].model)
    seconds = [float(value) for value in config.seconds]
    console = Console()
    result: dict[str, Any] = {
        "torch": benchmark.in_torch(bundle, large, float(config.rank), seconds, config.threads, config.rounds)
    }
    console.print(torch_table(result["torch"]))
    if config.onnx:
        with tempfile.TemporaryDirectory() as folder, console.status("Exporting light, light int8 and large"):
            arguments = (bundle, large, Path(folder), seconds, config.threads, config.rounds)
            result["onnxruntime"] = benchmark.in_onnxruntime(*arguments)
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
