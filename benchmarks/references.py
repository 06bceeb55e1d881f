"""Our SpeechFormer and Conformer against straightforward ones of the same sizes, interleaved.

    python -m benchmarks.references

SpeechFormer: one written from the paper's description (benchmarks/reference/speechformer.py), 12 layers, width 128, 8
heads, feed-forward 64, 651 frames, nothing masked; ours is given lengths and masks. Conformer: torchaudio's, 4 layers, width
128, 4 heads, feed-forward 256, kernel 31, 163 tokens of different lengths; ours masks convolution and batch norm as well, and
has relative positions by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from benchmarks.models import CLASSES, inference_of, model_of, pass_of, utterances
from benchmarks.part import Part, Result, Settings, milliseconds, ratio, table
from benchmarks.reference.conformer import TorchaudioConformer, our_conformer
from benchmarks.reference.speechformer import StraightSpeechFormer
from benchmarks.rounds import compare

GOALS = {"speechformer": 0.5, "conformer": 0.7}
Inputs = tuple[Tensor, ...]


def measure(settings: Settings) -> Result:
    """Forward and backward of a batch, inference of one utterance and of a batch: the baseline first in each."""
    batch, frames, length = (2, 60, 20) if settings.quick else (16, 651, 163)
    features, _, labels = utterances(batch, frames, 128)
    full = features.new_full((batch,), frames).long()
    speechformers: dict[str, tuple[nn.Module, Inputs]] = {
        "strided windows": (StraightSpeechFormer(CLASSES), (features,))
    }
    for dropout in (0.0, 0.1):
        model = our_speechformer(attention_dropout=dropout)
        speechformers[f"ours, attention dropout {dropout:g}"] = model, (features, full)
    tokens, lengths, _ = utterances(batch, length, 128)
    sizes = {"width": 128, "heads": 4, "ffn": 256, "layers": 4, "kernel": 31}
    found: Result = {"speechformer": _compare(speechformers, labels, settings)}
    for dropout in (0.0, 0.1):
        conformers: dict[str, tuple[nn.Module, Inputs]] = {
            "torchaudio": (TorchaudioConformer(CLASSES, dropout=dropout, **sizes), (tokens, lengths))
        }
        for positions in ("relative", "none"):
            model = our_conformer(CLASSES, dropout=dropout, positions=positions, **sizes)
            conformers[f"ours, positions {positions}"] = model, (tokens, lengths)
        found[f"conformer, dropout {dropout:g}"] = _compare(conformers, labels, settings)
    return found


def our_speechformer(**options: Any) -> nn.Module:
    """Our SpeechFormer with what the reference has: the paper's sizes, post-norm, and the mean of the last tokens."""
    paper: dict[str, Any] = {"width": 128, "heads": 8, "deepnorm": False, "pooling": "mean"}
    return model_of("speechformer", n_features=128, **paper, **options)


def _compare(candidates: Mapping[str, tuple[nn.Module, Inputs]], labels: Tensor, settings: Settings) -> Result:
    batch = len(labels)
    found: Result = {}
    passes = {name: partial(pass_of(model), *inputs, labels) for name, (model, inputs) in candidates.items()}
    found[f"forward and backward, {batch} utterances"] = compare(settings.interleave(passes, 15))
    for number, rounds in ((1, 60), (batch, 15)):
        infers = {
            # The longest utterance is the last.
            name: partial(inference_of(model), *(one[-number:] for one in inputs))
            for name, (model, inputs) in candidates.items()
        }
        what = f"inference, {number} utterance{'s' if number > 1 else ''}"
        found[what] = compare(settings.interleave(infers, rounds))
    return found


def markdown(result: Result) -> str:
    rows = []
    for model, kinds in result.items():
        goal = GOALS[model.partition(",")[0]]
        for kind, candidates in kinds.items():
            for name, compared in candidates.items():
                ours = name.startswith("ours")
                verdict = ("yes" if compared["ratio"]["median"] <= goal else "no") if ours else ""
                rows.append(
                    (model, kind, name, ratio(compared), milliseconds(compared), f"{goal:g}" if ours else "", verdict)
                )
    return table(("model", "what", "who", "ratio (quartiles)", "ms", "goal", "reached"), rows)


PART = Part("references", "Against straightforward implementations", measure, markdown)

if __name__ == "__main__":
    PART.main()
