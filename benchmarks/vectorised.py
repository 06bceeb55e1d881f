"""Several runs of one configuration trained at once, as one vectorised program, against one after the other.

    python -m benchmarks.vectorised

The folds and seeds of a study differ in data and weights and in nothing else, so their steps can be one program over stacked
weights (``torch.func``). Where a step pays for its operations more than for its arithmetic, on a GPU most of all, that may give
more runs a minute. Dropout is left out, and utterances are of one length, so that both candidates compute the same.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.models import BANDS, CLASSES, model_of, options_of, pass_of
from benchmarks.part import Part, Result, Settings, milliseconds, ratio, table
from benchmarks.rounds import Candidate, compare

RUNS, FRAMES, BATCHES = 4, 215, (8, 32)


def measure(settings: Settings) -> Result:
    """Forward and backward of every light model, at small batches and at the usual one."""
    found: Result = {"runs": RUNS, "frames": FRAMES, "models": {}}
    for label in settings.light:
        for batch in BATCHES:
            compared = compare(settings.interleave(candidates(label, RUNS, batch, FRAMES), 10, 2))
            found["models"][f"{label}, batch {batch}"] = compared
    return found


def candidates(label: str, runs: int, batch: int, frames: int, device: str = "cpu") -> dict[str, Candidate]:
    """A forward and a backward of ``runs`` models on a batch of their own: one after the other, and as one program."""
    without: dict[str, Any] = {key: 0.0 for key in options_of(label)[1] if key.endswith("dropout")}
    models = [model_of(label, **without).to(device) for _ in range(runs)]
    weights, buffers = stack_module_state(models)
    base = copy.deepcopy(models[0]).to("meta")
    x = torch.randn(runs, batch, frames, BANDS, generator=torch.Generator().manual_seed(0)).to(device)
    y = (torch.arange(runs * batch) % CLASSES).view(runs, batch).to(device)

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor], features: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(base, (weights, buffers), (features, None)), labels)

    at_once, passes = vmap(grad(loss)), [pass_of(model) for model in models]

    def one_by_one() -> None:
        for run, features, labels in zip(passes, x, y, strict=True):
            run(features, None, labels)

    def vectorised() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The fused attention has no rule for it, which is what is measured.
            at_once(weights, buffers, x, y)

    return {"one by one": one_by_one, "vectorised": vectorised}


def markdown(result: Result) -> str:
    rows = [
        (label, name, ratio(entry), milliseconds(entry), f"{60_000 * result['runs'] / entry['ms']['median']:,.0f}")
        for label, candidates in result["models"].items()
        for name, entry in candidates.items()
    ]
    heads = ("model", f"steps of {result['runs']} runs", "ratio (quartiles)", "ms", "steps a minute")
    return f"{result['frames']} frames.\n\n" + table(heads, rows)


PART = Part("vectorised", "Several runs at once", measure, markdown)

if __name__ == "__main__":
    PART.main()
