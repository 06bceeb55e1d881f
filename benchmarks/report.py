"""How long ``python -m hrf_ser.report`` takes over thousands of run folders, reading, statistics, tables and page together.

    python -m benchmarks.report --runs 5000

The folders are those of a large study: corpora x models, each light and large, x HRF ranks x folds x seeds, with 240
predictions of 8 classes and 60 epochs each. They lie in a temporary folder and are removed afterwards. Latency is not measured:
there are no bundles.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hrf_ser.entry import conf_dir, register_resolvers
from hrf_ser.evaluation.scores import scores

MODELS = ("conv_transformer", "conformer", "speechformer")
RANKS = (None, 2, 4, 8)
FOLDS = 10
CLASSES, SPEAKERS, UTTERANCES, EPOCHS = 8, 4, 240, 60
LABELS = tuple(f"class{number}" for number in range(CLASSES))


def write_run(folder: Path, text: str, cell: dict[str, object], skill: float, rng: np.random.Generator) -> None:
    """One finished run: ``cell`` has corpus, model, hrf, rank, fold and seed; ``skill`` is the chance of a right answer."""
    labels = np.arange(UTTERANCES) % CLASSES
    predicted = np.where(rng.random(UTTERANCES) < skill, labels, rng.integers(CLASSES, size=UTTERANCES))
    speakers = [f"{cell['fold']}-{number * SPEAKERS // UTTERANCES}" for number in range(UTTERANCES)]
    confusion = np.zeros((CLASSES, CLASSES))
    np.add.at(confusion, (labels, predicted), 1)
    test = {name: float(value) for name, value in scores(confusion).items()}
    probability = ",".join(["0.125000"] * CLASSES)
    rows = [
        f"03-01-{number:06d},{speakers[number]},{LABELS[labels[number]]},{LABELS[predicted[number]]},{probability}"
        for number in range(UTTERANCES)
    ]
    curve = np.minimum(test["ua"], np.linspace(0.1, 0.7, EPOCHS))
    history = [f"{epoch},0.001,{2 - ua},{2 - ua},{ua},{ua},{ua},{ua}" for epoch, ua in enumerate(curve)]
    record = {
        "status": "finished",
        "protocol": "validation",
        **cell,
        "classes": CLASSES,
        "best_epoch": 40,
        "epochs": EPOCHS,
        "val": test,
        "test": test,
        "parameters": {"training": 1_000_000, "deployed": 6_000_000 if "large" in str(cell["model"]) else 217_868},
        "macs_per_second_of_audio": 6_561_728,
        "versions": {"hrf_ser": "0.1.0", "torch": "2.13.0+cpu"},
        "seconds": {"fit": 300.0},
    }
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(text)
    (folder / "predictions.csv").write_text(
        "\n".join([f"utterance,speaker,label,predicted,{','.join(LABELS)}", *rows, ""])
    )
    (folder / "history.csv").write_text(
        "\n".join(["epoch,lr,train/loss,val/loss,val/wa,val/ua,val/wf1,val/f1", *history, ""])
    )
    (folder / "metrics.json").write_text(json.dumps(record, indent=2))


def write_study(root: Path, runs: int) -> int:
    """Write about ``runs`` folders; returns how many."""
    register_resolvers()
    rng = np.random.default_rng(0)
    models = [f"{model}{size}" for model in MODELS for size in ("", "_large")]
    corpora = ("ravdess", "emodb")
    candidates = list(itertools.product(corpora, models, RANKS))
    seeds = -(-runs // (len(candidates) * FOLDS))
    configs = {}
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for corpus, model in itertools.product(corpora, models):
            config = compose("train", [f"data={corpus}", "data.root=/corpora", f"model={model}", "logger=none"])
            configs[corpus, model] = config
    written = 0
    for (corpus, model, rank), fold, seed in itertools.product(candidates, range(1, FOLDS + 1), range(seeds)):
        if written == runs:
            break
        config = configs[corpus, model]
        config.hrf, config.rank, config.fold, config.seed = rank is not None, rank or 4, fold, seed
        text = OmegaConf.to_yaml(config, resolve=True)
        cell = {
            "corpus": corpus,
            "model": model,
            "hrf": rank is not None,
            "rank": rank,
            "fold": str(fold),
            "seed": seed,
        }
        skill = 0.45 + 0.02 * (rank or 0) / 8 + 0.05 * ("large" in model) + rng.normal(0, 0.03)
        write_run(root / corpus / f"{written:05d}", text, cell, skill, rng)
        written += 1
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        written = write_study(root / "runs", arguments.runs)
        line = [sys.executable, "-m", "hrf_ser.report", f"runs={root}/runs", f"out={root}/out", "latency=false"]
        times = []
        for _ in range(arguments.repeats):
            started = time.perf_counter()
            subprocess.run(line, check=True, capture_output=True, cwd=root, env=os.environ)
            times.append(time.perf_counter() - started)
        size = (root / "out" / "index.html").stat().st_size / 1e6
        print(f"{written:,} runs: {min(times):.1f} s (of {', '.join(f'{t:.1f}' for t in times)}), page {size:.1f} MB")


if __name__ == "__main__":
    main()
