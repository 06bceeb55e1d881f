"""Where the time of a training step goes, by operation.

    python -m benchmarks.profiles

torch's profiler watches steps of each light model; operations are ranked by their own processor time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch.profiler import ProfilerActivity, profile

from benchmarks.models import inference_of, model_of, step_of, utterances
from benchmarks.part import Part, Result, Settings, table

BATCH, FRAMES, TOP = 32, 215, 8
CALLS = 5


def measure(settings: Settings) -> Result:
    """Shares of the operations of a step, and of one utterance's inference."""
    found: Result = {"batch": BATCH, "frames": FRAMES, "models": {}}
    batch, one = utterances(4 if settings.quick else BATCH, FRAMES), utterances(1, FRAMES)
    for label in settings.light:
        step, infer = step_of(model_of(label)), inference_of(model_of(label))
        found["models"][label] = {
            "training step": shares(partial(step, *batch)),
            "inference, 1 utterance": shares(partial(infer, *one[:2])),
        }
    return found


def shares(function: Callable[[], object]) -> dict[str, float]:
    """Operation -> its share of the processor time of all operations, the largest first; the rest as ``other``."""
    for _ in range(3):
        function()
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for _ in range(CALLS):
            function()
    times = {
        event.key.removeprefix("aten::"): event.self_cpu_time_total
        for event in watched.key_averages()
        if event.self_cpu_time_total > 0
    }
    total = sum(times.values())
    ranked = sorted(times.items(), key=lambda pair: -pair[1])
    named = {name: time / total for name, time in ranked[:TOP]}
    return {**named, f"other ({len(ranked) - len(named)} operations)": 1 - sum(named.values())}


def markdown(result: Result) -> str:
    rows = []
    for label, kinds in result["models"].items():
        for kind, found in kinds.items():
            text = ", ".join(f"`{_short(name)}` {100 * share:.0f} %" for name, share in found.items())
            rows.append((label, kind, text))
    head = f"Batch of {result['batch']} x {result['frames']} frames, and one utterance of {result['frames']}.\n\n"
    return head + table(("model", "what", "operations by their own time"), rows)


def _short(name: str) -> str:
    return name.removeprefix("_scaled_dot_product_").replace("_for_cpu", "")


PART = Part("profiles", "Where the time goes", measure, markdown)

if __name__ == "__main__":
    PART.main()
