"""What a fixed set of runs predicts, bit for bit: run before and after a refactoring, and compare the two files.

python -m benchmarks.golden --root /path/to/RAVDESS --out golden.json
python -m benchmarks.golden --root /path/to/RAVDESS --compare golden.json
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MODELS = ("conv_transformer", "conformer", "speechformer")
VARIANTS = {
    "plain": ["hrf=false"],
    "hrf4": ["hrf=true", "rank=4"],
    "inserted": ["hrf=true", "rank=4", "reparam.mode=inserted"],
}
PROTOCOLS = ("validation", "last_epoch")
FIXED = [
    *("data=ravdess", "fold=1", "seed=0", "threads=1", "logger=none", "augment.speed=[]"),
    *("trainer.max_epochs=2", "trainer.accelerator=cpu", "+trainer.enable_progress_bar=false"),
]


def predict_exported(bundle: Path, out: Path, files: list[Path], root: Path) -> Any:
    """What the exported file predicts for each audio file, named by its path below ``root``."""
    call("hrf_ser.export", f"bundle={bundle}", "format=onnx", f"out={out}")
    results = out.with_suffix(".json")
    listed = "\n".join(map(str, files))
    call("hrf_ser.predict", f"bundle={out}", "audio=-", f"out={results}", stdin=listed)
    return json.loads(results.read_text().replace(f"{root}/", ""))


def call(module: str, *words: str, stdin: str | None = None) -> None:
    """Run a verb in a process of its own on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")


def record(root: Path, only: str | None) -> dict[str, object]:
    """Hashes of predictions and of learning curves of every run, and what the exported files predict."""
    files = sorted(path for path in root.rglob("*") if path.suffix in (".wav", ".flac"))[::72][:20]
    runs: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for model, variant, protocol in itertools.product(MODELS, VARIANTS, PROTOCOLS):
            name = f"{model} {variant} {protocol}"
            if only is not None and only not in name:
                continue
            folder = Path(scratch) / name.replace(" ", "_")
            words = [f"model={model}", f"protocol={protocol}", *VARIANTS[variant], *FIXED]
            call("hrf_ser.train", *words, f"data.root={root}", f"hydra.run.dir={folder}")
            runs[name] = {
                file: hashlib.sha256((folder / file).read_bytes()).hexdigest()
                for file in ("predictions.csv", "history.csv")
            }
            if variant == "hrf4" and protocol == "validation":
                runs[f"{name} onnx"] = predict_exported(folder / "bundle", Path(scratch) / f"{model}.onnx", files, root)
            print(name, flush=True)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", type=Path)
    parser.add_argument("--only", help="part of the names of the runs, such as 'conformer hrf4'")
    arguments = parser.parse_args()
    runs = record(arguments.root, arguments.only)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(runs, indent=1) + "\n")
    if arguments.compare is not None:
        before = json.loads(arguments.compare.read_text())
        different = [name for name, value in runs.items() if before.get(name) != value]
        print(f"{len(runs) - len(different)} of {len(runs)} are the same")
        sys.exit(f"different: {', '.join(different)}" if different else 0)


if __name__ == "__main__":
    main()
