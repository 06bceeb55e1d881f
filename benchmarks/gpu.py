"""What only a GPU can tell: correctness there, the cost of HRF, throughput, runs side by side, memory.

    python -m benchmarks.gpu --out runs/gpu.json

It takes at most eight minutes of one device and needs no corpus. Each part is written as soon as it is measured; one that fails
is written with its error, and those for which no time is left are named. Without a GPU the same code runs on the CPU with tiny
sizes, which tests it and measures nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from benchmarks.models import BANDS, CLASSES, inference_of, model_of, pass_of, step_of, utterances
from benchmarks.part import LARGE, LIGHT, Result, Settings, machine
from benchmarks.reference.conformer import TorchaudioConformer, our_conformer
from benchmarks.reference.speechformer import StraightSpeechFormer
from benchmarks.references import our_speechformer
from benchmarks.rounds import compare, interleave
from benchmarks.vectorised import candidates
from hrf_ser.files import write_text
from hrf_ser.hrf import merge_hrf

RANK = 4
RUNS = 24
# Least seconds that a part must have before it is begun.
NEEDED = 20.0


@dataclass(frozen=True)
class Device:
    """Where and how much is measured.

    Attributes:
        torch: ``cuda`` or ``cpu``.
        quick: tiny sizes and two rounds.
    """

    torch: torch.device
    quick: bool

    def wait(self) -> None:
        """Until all kernels that were started have ended."""
        if self.torch.type == "cuda":
            torch.cuda.synchronize()

    def batch(self, size: int, frames: int, bands: int = BANDS) -> tuple[Tensor, Tensor, Tensor]:
        """Features, lengths and labels on the device."""
        size, frames = (2, 40) if self.quick else (size, frames)
        features, lengths, labels = utterances(size, frames, bands)
        return features.to(self.torch), lengths.to(self.torch), labels.to(self.torch)

    def times(self, candidates: dict[str, Callable[[], object]], rounds: int = 30) -> Result:
        """Candidates interleaved, each waited for."""

        def waited(candidate: Callable[[], object]) -> Callable[[], None]:
            def run() -> None:
                candidate()
                self.wait()

            return run

        timed = {name: waited(candidate) for name, candidate in candidates.items()}
        return compare(interleave(timed, 2 if self.quick else rounds, 1 if self.quick else 5))


def correctness(device: Device) -> Result:
    """Largest relative differences: merged, against the CPU, compiled, and steps in bfloat16."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    found: Result = {}
    features, lengths, _ = device.batch(32, 130)
    for label in LIGHT:
        model = model_of(label, {"rank": RANK}).eval()
        # Factors begin at the plain layer's weights; noise makes them ones that training could have reached.
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        with torch.inference_mode():
            on_cpu = model(features.cpu(), lengths.cpu())
            model.to(device.torch)
            factorised = model(features, lengths)
            merged = merge_hrf(copy.deepcopy(model))
            entry = {
                "merged": difference(merged(features, lengths), factorised),
                "cpu": difference(factorised.cpu(), on_cpu),
            }
            if device.torch.type == "cuda":  # A CPU's compiler takes minutes.
                entry["compiled"] = difference(torch.compile(merged, dynamic=True)(features, lengths), factorised)
        found[label] = {**entry, "bfloat16_loss": _bfloat16_losses(label, device)}
    return found


def _bfloat16_losses(label: str, device: Device, steps: int = 20) -> list[float]:
    """First and last loss of some steps on one batch in mixed precision, with HRF."""
    model = model_of(label, {"rank": RANK}).to(device.torch)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    features, lengths, labels = device.batch(32, 130)
    losses = []
    for _ in range(2 if device.quick else steps):
        with torch.autocast(device.torch.type, torch.bfloat16):
            loss = F.cross_entropy(model(features, lengths).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return [losses[0], losses[-1]]


def difference(value: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest absolute value."""
    return float((value - expected).abs().max() / expected.abs().max())


def steps(device: Device) -> Result:
    """A training step with HRF against the plain one, and the memory of each; light models and large ones."""
    found: Result = {}
    for label in LIGHT if device.quick else (*LIGHT, *LARGE):
        inputs = device.batch(32, 300)
        models = {
            name: model_of(label, hrf).to(device.torch)
            for name, hrf in {"plain": None, f"HRF x{RANK}": {"rank": RANK}}.items()
        }
        steps_of = {name: _bound(step_of(model), inputs) for name, model in models.items()}
        found[label] = device.times(steps_of)
        for name, candidate in steps_of.items():
            found[label][name]["peak_mb"] = _peak_mb(device, candidate)
    return found


def _bound(step: Callable[..., object], inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    return lambda: step(*inputs)


def _peak_mb(device: Device, candidate: Callable[[], object]) -> float | None:
    """Most memory that a step holds, MB; None on a CPU."""
    if device.torch.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats()
    candidate()
    device.wait()
    return torch.cuda.max_memory_allocated() / 1e6


def references(device: Device) -> Result:
    """Forward and backward of our Conformer and SpeechFormer against straightforward ones of the same sizes."""
    tokens, lengths, labels = device.batch(32, 163, 128)
    sizes: dict[str, Any] = {"width": 128, "heads": 4, "ffn": 256, "layers": 4, "kernel": 31, "dropout": 0.1}
    frames, _, _ = device.batch(32, 651, 128)
    with torch.device(device.torch):  # They make masks where tensors are made.
        conformers: dict[str, nn.Module] = {
            "torchaudio": TorchaudioConformer(CLASSES, **sizes),
            "ours": our_conformer(CLASSES, positions="relative", **sizes),
        }
        speechformers: dict[str, nn.Module] = {
            "strided windows": StraightSpeechFormer(CLASSES),
            "ours": our_speechformer(),
        }
        full = torch.full((len(frames),), frames.shape[1])
        return {
            "conformer": device.times(
                {name: _bound(pass_of(model), (tokens, lengths, labels)) for name, model in conformers.items()}
            ),
            "speechformer": device.times(
                {
                    "strided windows": _bound(pass_of(speechformers["strided windows"]), (frames, labels)),
                    "ours": _bound(pass_of(speechformers["ours"]), (frames, full, labels)),
                }
            ),
        }


def throughput(device: Device) -> Result:
    """Utterances a second in inference, by batch."""
    found: Result = {}
    for label in LIGHT:
        model = model_of(label).to(device.torch)
        infer = inference_of(model)
        entry: Result = {}
        for size in (1, 32, 256):
            inputs = device.batch(size, 300)
            compared = device.times({"eager": _bound(infer, inputs[:2])}, 20)
            entry[f"{size} utterances"] = 1000 * len(inputs[0]) / compared["eager"]["ms"]["median"]
        found[label] = entry
    return found


def runs_at_once(device: Device) -> Result:
    """Forward and backward of the steps of many runs: one after the other, and as one vectorised program."""
    count, batch, frames = (2, 2, 40) if device.quick else (RUNS, 32, 215)
    return {
        label: {"runs": count, **device.times(candidates(label, count, batch, frames, device.torch.type), 10)}
        for label in LIGHT[:2]
    }


def _train(number: int, device: str, steps: int, quick: bool) -> None:
    """A run of a sweep, in a process of its own or not."""
    where = Device(torch.device(device), quick)
    torch.manual_seed(number)
    step = step_of(model_of("conv_transformer", {"rank": RANK}).to(where.torch))
    inputs = where.batch(32, 215)
    for _ in range(steps):
        step(*inputs)
    where.wait()


def _train_share(index: int, processes: int, device: str, steps: int, runs: int, quick: bool) -> None:
    for number in range(index, runs, processes):
        _train(number, device, steps, quick)


def packed(device: Device) -> Result:
    """Seconds of a sweep of 24 short runs: one process, and several that share the device."""
    runs, steps = (2, 2) if device.quick else (RUNS, 150)
    found: Result = {"runs": runs, "steps": steps}
    for processes in (1, 2) if device.quick else (1, 4, 8):
        started = time.perf_counter()
        arguments = (processes, device.torch.type, steps, runs, device.quick)
        spawn(_train_share, arguments, processes)
        found[f"{processes} processes"] = time.perf_counter() - started
    return found


PARTS = (correctness, steps, references, throughput, runs_at_once, packed)


def measure(device: Device, out: Path, minutes: float) -> Result:
    """All parts, as far as the time goes."""
    deadline = time.perf_counter() + 60 * minutes
    found: Result = {
        "device": name(device),
        "quick": device.quick,
        "machine": {**machine(Settings(threads=torch.get_num_threads(), data="none")), "cuda": torch.version.cuda},
        "parts": {},
        "seconds": {},
    }
    for part in PARTS:
        if time.perf_counter() + NEEDED > deadline and not device.quick:
            found["parts"][part.__name__] = {"left_out": f"{minutes:g} minutes were over"}
            continue
        started = time.perf_counter()
        print(f"{part.__name__} ...", end=" ", file=sys.stderr, flush=True)
        try:
            found["parts"][part.__name__] = part(device)
        except Exception as error:  # A part that fails must not cost the others on a machine that is lent for minutes.
            found["parts"][part.__name__] = {"error": f"{type(error).__name__}: {error}"[:500]}
            traceback.print_exc()
        found["seconds"][part.__name__] = round(time.perf_counter() - started, 1)
        print(f"{found['seconds'][part.__name__]} s", file=sys.stderr)
        write_text(out, json.dumps(found, indent=1) + "\n")
    return found


def name(device: Device) -> str:
    """Of the processor that was measured."""
    return torch.cuda.get_device_name() if device.torch.type == "cuda" else "CPU"


def summary(found: Result) -> str:
    """The figures that decide something, a line each."""
    parts = found["parts"]
    lines = [found["device"]]
    for part, entry in parts.items():
        if "error" in entry or "left_out" in entry:
            lines.append(f"{part}: {entry.get('error') or entry['left_out']}")
    for label, entry in parts["correctness"].items() if "error" not in parts["correctness"] else ():
        worst = ", ".join(f"{key} {entry[key]:.1e}" for key in ("merged", "cpu", "compiled") if key in entry)
        lines.append(f"{label}: largest relative differences {worst}")
    for label, entry in parts["steps"].items() if "error" not in parts["steps"] else ():
        if f"HRF x{RANK}" in entry:
            lines.append(f"{label}: step with HRF x{RANK} / plain {entry[f'HRF x{RANK}']['ratio']['median']:.2f}")
    for label, entry in parts["runs_at_once"].items() if "error" not in parts["runs_at_once"] else ():
        if "vectorised" in entry:
            lines.append(
                f"{label}: {entry['runs']} runs at once / one by one {entry['vectorised']['ratio']['median']:.2f}"
            )
    return "\n".join([*lines, f"{sum(found['seconds'].values()):.0f} s"])


def main() -> int:
    """Measure, write the JSON, print the figures that decide something."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/gpu.json"))
    parser.add_argument("--minutes", type=float, default=8.0, help="no part is begun after these")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    given = parser.parse_args()
    has_gpu = torch.cuda.is_available()
    if not has_gpu:
        print("No GPU was found: the script is tested on the CPU with tiny sizes, and nothing is measured.")
    device = Device(torch.device("cuda" if has_gpu else "cpu"), given.quick or not has_gpu)
    found = measure(device, given.out, given.minutes)
    print(summary(found))
    print(given.out)
    return 1 if any("error" in entry for entry in found["parts"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
