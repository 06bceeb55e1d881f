"""What HRF costs per training step: plain, folded and literal side by side in one process, as ratios.

    python -m benchmarks.training_step --data ravdess --root /path/to/RAVDESS

Steps of all variants are interleaved, round by round, and a ratio is the median over rounds of the ratio to the plain step
of the same round, so that a noisy machine disturbs all alike. A step is forward, loss, backward, clipping and AdamW on one real
batch of log-mel features. Without a corpus the batches are the demo corpus's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data.batches import Batch
from hrf_ser.data.datamodule import Source, SpeechData
from hrf_ser.entry import conf_dir
from hrf_ser.hrf import StepProducts, insert_hrf
from hrf_ser.models import count_parameters, create_model
from hrf_ser.training.optimizer import OptimizerConfig, build_optimizer

MODELS = ("conv_transformer", "conformer", "speechformer")
VARIANTS: dict[str, dict[str, object] | None] = {
    "plain": None,
    "folded x2": {"rank": 2},
    "folded x4": {"rank": 4},
    "folded x8": {"rank": 8},
    "literal x4": {"rank": 4, "mode": "literal"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="demo", help="corpus of the batches")
    parser.add_argument("--root", help="where it lies; the demo corpus is synthesised in the cache")
    parser.add_argument("--rounds", type=int, default=40, help="steps of every variant")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--models", nargs="+", default=MODELS, help="names of files in conf/model")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    cache = Path(os.environ.get("HRF_SER_CACHE", Path.home() / ".cache" / "hrf_ser"))
    root = arguments.root or cache / arguments.data
    data = SpeechData(Source(arguments.data, root), cache, FrontEndConfig(), batch_size=arguments.batch_size)
    data.prepare_data()
    batches = [batch for batch in data.train_dataloader() if len(batch["labels"]) == arguments.batch_size]

    console = Console()
    frames = statistics.mean(batch["features"].shape[1] for batch in batches)
    table = Table(
        title=f"One training step on {arguments.data}: {arguments.batch_size} x {frames:.0f} frames on average, "
        f"{arguments.threads} thread(s); median of {arguments.rounds} rounds, ratio to plain",
        title_justify="left",
    )
    for column in ("model", "variant", "parameters", "ms", "ratio", "quartiles"):
        table.add_column(column, justify="left" if column in ("model", "variant") else "right", no_wrap=True)
    for name in arguments.models:
        for row in measure(name, data, batches, arguments.rounds):
            table.add_row(name, *row)
        table.add_section()
    console.print(table)


def measure(name: str, data: SpeechData, batches: list[Batch], rounds: int) -> list[tuple[str, ...]]:
    """Rows of the table for one model."""
    steps, parameters = {}, {}
    for variant, options in VARIANTS.items():
        steps[variant], parameters[variant] = build(name, data, options)
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with Progress(transient=True) as progress:
        task = progress.add_task(name, total=rounds + 3)
        for number in range(rounds + 3):
            batch = batches[number % len(batches)]
            for variant, step in steps.items():
                started = time.perf_counter()
                step(batch)
                times[variant].append(time.perf_counter() - started)
            progress.advance(task)
    rows = []
    for variant in VARIANTS:
        # The first rounds fill caches.
        ratios = [one / plain for one, plain in zip(times[variant][3:], times["plain"][3:], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        milliseconds = statistics.median(times[variant][3:]) * 1000
        spread = "" if variant == "plain" else f"{low:.2f}-{high:.2f}"
        rows.append((variant, f"{parameters[variant]:,}", f"{milliseconds:.1f}", f"{middle:.2f}", spread))
    return rows


def build(name: str, data: SpeechData, options: dict[str, object] | None) -> tuple[Callable[[Batch], None], int]:
    """A function that takes one training step, and the parameters that it trains."""
    from omegaconf import OmegaConf

    config = OmegaConf.load(conf_dir() / "model" / f"{name}.yaml")
    torch.manual_seed(0)
    keywords = OmegaConf.to_container(config.options)
    model = create_model(config.name, n_features=data.front_end.n_mels, n_classes=len(data.labels), **keywords)
    if options is not None:
        insert_hrf(model, **options)  # type: ignore[arg-type]
    optimizer = build_optimizer(model, OptimizerConfig())
    products = StepProducts(model)

    def step(batch: Batch) -> None:
        products.hold()
        logits = model(batch["features"], batch["lengths"])
        loss = F.cross_entropy(logits, batch["labels"])
        optimizer.zero_grad()
        loss.backward()
        products.release()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step, count_parameters(model)


if __name__ == "__main__":
    main()
